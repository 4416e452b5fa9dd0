"""Pressure on customers: the rule of a tenant, the pressure on one customer, and the ledger as a round reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from libs.chassis import identity
from services.care.customers.domain.permission import Finding
from services.care.customers.domain.projection import Channel, ConsentPurpose, CustomerProjection
from services.care.pressure.domain import Burden, PressureRule, Standing, finding, standing
from services.care.pressure.store import PressureStore

_NEXT: Final = ""
"""Key of a burden that is only asked about."""


class ContactPressure:
    """The ledger of a tenant."""

    def __init__(self, store: PressureStore) -> None:
        self._store = store

    def rule(self) -> PressureRule:
        """Weights and caps."""
        return self._store.rule()

    def set_rule(self, draft: PressureRule) -> PressureRule:
        """Other weights and caps."""
        blank = PressureRule(id=self._store.rules.id_of("rule"))
        [written] = self._store.rules.upsert_many([(blank, draft)], PressureRule.set)
        return written

    def check(self, customer_id: str, channel: Channel, purpose: ConsentPurpose, at: datetime | None) -> Standing:
        """The pressure on a customer, and whether one more burden fits."""
        customer = self._store.customers.require(customer_id)
        rule = self._store.rule()
        burden = Burden(
            key=_NEXT, time=at or identity.now(), channel=channel, purpose=purpose, weight=rule.weight_of(channel)
        )
        return standing(rule, self._store.burdens([customer])[customer.id], burden, customer.tier)

    def note(self, burdens: Iterable[tuple[str, Burden]]) -> None:
        """Writes down burdens that others made. Their weight is that of the rule now."""
        rule = self._store.rule()
        told = [(id, rule_weighed(rule, each)) for id, each in burdens]
        known = self._store.customers.known([id for id, _ in told])
        self._store.note((known[id].id if id in known else id, each) for id, each in told)


class Ledger:
    """The pressure on some customers, read at once. What is permitted here counts for the next question."""

    def __init__(self, store: PressureStore, customers: Iterable[CustomerProjection]) -> None:
        self._store, self._rule = store, store.rule()
        self._customers: Mapping[str, CustomerProjection] = {each.id: each for each in customers}
        self._burdens = {id: list(some) for id, some in store.burdens(self._customers.values()).items()}
        self._fresh: list[tuple[str, Burden]] = []

    def finding(self, customer_id: str, burden: Burden) -> Finding | None:
        """The reason against a burden. None when it fits, or nothing is known of the customer."""
        customer = self._customers.get(customer_id)
        if customer is None:
            return None
        return finding(self._rule, self._burdens[customer_id], rule_weighed(self._rule, burden), customer.tier)

    def note(self, customer_id: str, burden: Burden) -> None:
        """Counts a burden that is about to be made."""
        weighed = rule_weighed(self._rule, burden)
        self._burdens.setdefault(customer_id, []).append(weighed)
        self._fresh.append((customer_id, weighed))

    def write(self) -> Sequence[tuple[str, Burden]]:
        """Writes down what was counted."""
        fresh, self._fresh = self._fresh, []
        self._store.note(fresh)
        return fresh


def rule_weighed(rule: PressureRule, burden: Burden) -> Burden:
    """The burden with the weight of its channel."""
    return replace(burden, weight=rule.weight_of(burden.channel))
