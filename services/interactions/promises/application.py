"""Promises: giving, keeping, breaking and moving them, and the clock that watches over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from libs.chassis import context, identity
from libs.chassis.domain import Change, InvalidArgument
from libs.chassis.paging import Page, PageRequest
from libs.worktime.terms import Term
from services.interactions.calendars.application import Calendars
from services.interactions.customers.application import Customers
from services.interactions.promises.domain import Promise
from services.interactions.promises.store import PromisesStore


class Promises:
    """Promises of the company to its customers."""

    def __init__(self, store: PromisesStore) -> None:
        self._store = store
        self._promises = store.promises
        self._customers = Customers(store.customers)
        self._calendars = Calendars(store.calendars)

    def make(self, draft: Promise) -> Promise:
        """A new promise, with the time it is due."""
        known = self._customers.require(draft.customer_id)
        if draft.conversation_id:
            conversation = self._store.conversations.conversations.get(draft.conversation_id)
            if conversation.customer_id not in ("", *self._store.customers.group(draft.customer_id)):
                raise InvalidArgument.field("conversation_id", f"{conversation.id} is with another customer")
        hours = self._calendars.hours(draft.term.calendar_id)
        now, actor = identity.now(), context.current().actor
        return self._customers.while_living(
            {draft.customer_id, known.id},
            lambda: self._promises.insert(lambda id: replace(draft, id=id).make(made_by=actor, now=now, hours=hours)),
            lambda made: self._withdraw([made.id]),
        )

    def get(self, promise_id: str) -> Promise:
        """One promise."""
        return self._promises.get(promise_id)

    def list(self, filter: str, page: PageRequest) -> Page[Promise]:
        """A page of promises, the first due first."""
        return self._store.list(filter, page)

    def keep(self, promise_id: str, kept_time: datetime | None = None, *, revision: int = 0) -> Promise:
        """It was kept, now or at a time before now."""
        now = identity.now()
        hours = self._calendars.hours(self._promises.get(promise_id).term.calendar_id)
        return self._promises.update(
            promise_id, lambda each: each.keep(kept_time or now, now, hours), revision=revision
        )

    def give_up(self, promise_id: str, reason: str, *, revision: int = 0) -> Promise:
        """It will not be kept."""
        now = identity.now()
        return self._change(promise_id, lambda each: each.give_up(reason, now), revision)

    def recover(self, promise_id: str, recovery: str, *, revision: int = 0) -> Promise:
        """It was broken, and made good."""
        now = identity.now()
        return self._change(promise_id, lambda each: each.recover(recovery, now), revision)

    def renegotiate(self, promise_id: str, term: Term, *, agreement: str, text: str = "", revision: int = 0) -> Promise:
        """Replaces it by a new one, which is returned. Both or neither."""
        now, actor = identity.now(), context.current().actor
        hours = self._calendars.hours(term.calendar_id)

        def work() -> Promise:
            id = self._promises.next_id()
            replaced = self._promises.update(
                promise_id, lambda each: each.renegotiate(agreement, id, now), revision=revision
            )
            return self._promises.insert(
                replaced.successor(id=id, text=text, term=term, made_by=actor, now=now, hours=hours)
            )

        return self._customers.while_living(
            {self._promises.get(promise_id).customer_id},
            lambda: self._store.database.transact(work),
            lambda made: self._withdraw([promise_id, made.id]),
        )

    def _change(self, promise_id: str, change: Callable[[Promise], Change[Promise]], revision: int) -> Promise:
        """Changes a promise by what somebody wrote, while its customer lives."""
        return self._customers.while_living(
            {self._promises.get(promise_id).customer_id},
            lambda: self._promises.update(promise_id, change, revision=revision),
            lambda changed: self._withdraw([changed.id]),
        )

    def _withdraw(self, ids: Sequence[str]) -> None:
        """Erases what was promised to a customer while it was erased."""
        self._promises.erase(ids)
        self._promises.update_many(((id, None) for id in ids), lambda each, _: each.erase())

    # --------------------------------------------------------------------------------------------------- clock

    def wake(self, due: Sequence[Promise]) -> None:
        """Moves on promises whose time has come.

        May run in several processes at the same time: the state of a promise decides, so each step happens once.
        """
        now = identity.now()
        self._promises.update_many(((promise.id, now) for promise in due), Promise.wake)
