"""Senders, one for each channel, and how much went through each in a minute."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from libs.chassis.filtering import field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.care.customers.domain.projection import Channel
from services.care.senders.domain import Outflow, Sender

SENDERS = (Index(("channel",)),)
OUTFLOWS = (Index(("minute_time",), expire_after=timedelta(hours=1)),)


class SendersStore:
    """The senders of a tenant."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.senders = database.collection(Sender, "senders", indexes=SENDERS)
        self.outflows = database.collection(Outflow, "outflows", indexes=OUTFLOWS, publishes=False)

    def list(self, request: PageRequest) -> Page[Sender]:
        """A page of all senders, by channel."""
        return self.senders.page(None, request, order="channel")

    def by_channel(self) -> Mapping[Channel, Sender]:
        """Channel → its sender."""
        found = self.senders.find(field("channel").one_of([str(each) for each in Channel]), limit=len(Channel))
        return {each.channel: each for each in found}

    def outflow(self, channel: Channel, minute: datetime) -> Outflow:
        """Messages that went through a channel in a minute."""
        blank = Outflow(id=self.outflows.id_of(f"{channel}:{minute.isoformat()}"), minute_time=minute)
        return self.outflows.find_by_id(blank.id) or blank
