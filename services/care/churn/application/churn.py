"""Churn: recording why customers left, and taking in that some came back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from libs.chassis import context, identity
from libs.chassis.paging import Page, PageRequest
from services.care.alerts.domain.alerts import AlertOutcome
from services.care.alerts.domain.watches import merged
from services.care.churn.domain.records import ChurnReasons, ChurnRecord, Leaver
from services.care.churn.domain.refusals import ChurnRecordedAlready
from services.care.churn.store import ChurnStore


class Churn:
    """Departures of customers."""

    def __init__(self, store: ChurnStore) -> None:
        self._store = store

    def define_reasons(self, draft: ChurnReasons) -> ChurnReasons:
        """Says which reasons there are."""
        blank = self._store.known_reasons()

        def work() -> ChurnReasons:
            if not self._store.known_reasons().revision:
                return self._store.reasons.insert(blank.define(draft.paths), key="reasons")
            return self._store.reasons.update(blank.id, lambda each: each.define(draft.paths))

        return self._store.database.transact(work, again=lambda: self._store.reasons.get(blank.id))

    def reasons(self) -> ChurnReasons:
        """The reasons to leave."""
        return self._store.known_reasons()

    def record(self, draft: ChurnRecord) -> ChurnRecord:
        """Records that a customer left, and closes its alerts as lost."""
        customer, now, actor = self._store.customers.require(draft.customer_id), identity.now(), context.current().actor
        group = self._store.customers.group(customer.id, customer)

        def work() -> ChurnRecord:
            self._store.known_reasons().require(draft.reason_path)
            known = next((each for each in self._store.records_of(group) if each.open), None)
            if known is not None:
                raise ChurnRecordedAlready(customer_id=customer.id, churn_record_id=known.id)
            watch = merged([*self._store.alerts.watches_of(group).values()], customer.id)
            leaver = Leaver(tier=customer.tier, satisfied_time=watch.satisfied_time)
            recorded = self._store.records.insert(
                lambda id: replace(draft, id=id, customer_id=customer.id).record(leaver, actor, now)
            )
            self._store.alerts.alerts.update_many(
                [(each.id, None) for each in self._store.alerts.open_of(group)],
                lambda alert, _: alert.end(AlertOutcome.LOST, now),
            )
            return recorded

        return self._store.customers.while_living(
            {customer.id},
            lambda: self._store.database.transact(work, again=self._store.records.made),
            self._withdraw,
        )

    def get(self, record_id: str) -> ChurnRecord:
        """One record."""
        return self._store.records.get(record_id)

    def list(self, filter: str, request: PageRequest) -> Page[ChurnRecord]:
        """A page of records, the latest departure first."""
        return self._store.list_records(filter, request)

    def come_back(self, told: Mapping[str, datetime]) -> None:
        """Takes in that customers came back: customer id → time. Their open attempts are won."""
        groups = {id: self._store.customers.group(id) for id in told}
        at = {each: told[id] for id, group in groups.items() for each in group}
        open = [each for each in self._store.records_of(sorted(at)) if each.open]
        self._store.records.update_many(
            [(each.id, at[each.customer_id]) for each in open], lambda record, when: record.come_back(when)
        )
        self._store.attempts.update_many(
            [(each.id, at[each.customer_id]) for each in self._store.open_attempts(sorted(at))],
            lambda attempt, when: attempt.win(when),
        )

    def _withdraw(self, record: ChurnRecord) -> None:
        self._store.records.erase([record.id])
        self._store.records.update_many([(record.id, None)], lambda each, _: each.erase())
