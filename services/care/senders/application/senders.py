"""Senders: defining them and opening a port to one."""

from __future__ import annotations

from libs.chassis.paging import Page, PageRequest
from services.care.senders.application.smtp import SmtpPort
from services.care.senders.application.webhook import WebhookPort
from services.care.senders.domain import Port, Sender
from services.care.senders.store import SendersStore


class Senders:
    """Through whom messages go."""

    def __init__(self, store: SendersStore) -> None:
        self._store = store

    def define(self, draft: Sender) -> Sender:
        """The sender of a channel, or the same defined anew."""
        blank = Sender(id=self._store.senders.id_of(draft.channel), channel=draft.channel)
        [defined] = self._store.senders.upsert_many([(blank, draft)], Sender.define)
        return defined.shown

    def list(self, request: PageRequest) -> Page[Sender]:
        """A page of all senders."""
        page = self._store.list(request)
        return Page([each.shown for each in page.items], page.next_page_token)


def open_port(sender: Sender) -> Port:
    """A connection to a sender. It is made when the first message goes."""
    return SmtpPort(sender) if sender.smtp is not None else WebhookPort(sender)
