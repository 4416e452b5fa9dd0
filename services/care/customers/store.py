"""The projection of customers, found by id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from libs.chassis.filtering import all_of, field
from libs.chassis.projection import Customers
from libs.chassis.store import Database, Due, Index
from services.care.customers.domain.projection import ConsentSign, CustomerProjection

CHECKS = field("check_time") > datetime(1970, 1, 1, tzinfo=UTC)
SIGNS = (Index(("check_time",), only=CHECKS, every_tenant=True),)


class CustomersStore(Customers[CustomerProjection]):
    """Customers as far as this service has heard of them."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, CustomerProjection)
        self.database = database
        self.signs = database.collection(ConsentSign, "consent_signs", indexes=SIGNS, publishes=False)

    def stretch(self, after: str, limit: int) -> tuple[Sequence[CustomerProjection], str]:
        """Some of all customers by id, and the place to go on from. Empty at the end."""
        return self.collection.stretch(field("_id") > "", order=(), after=after, limit=limit)

    def known(self, ids: Sequence[str]) -> dict[str, CustomerProjection]:
        """Id → the customer that it leads to, of those who are known."""
        asked = sorted({*ids})
        found = {each.id: each for each in self._some(asked)}
        survivors = self._some(sorted({each.merged_into for each in found.values() if each.merged_into} - found.keys()))
        found |= {each.id: each for each in survivors}
        return {id: found.get(found[id].canonical_id, found[id]) for id in asked if id in found}

    def hear_consent(self, at: datetime) -> None:
        """Notes a sign that events about consent flow."""
        sign = ConsentSign(id=self.signs.id_of("consent"))
        self.signs.upsert_many([(sign, at)], ConsentSign.hear)

    def consent_heard(self) -> datetime | None:
        """Time of the last sign. None when there was none."""
        sign = self.signs.find_by_id(self.signs.id_of("consent"))
        return sign.heard_time if sign is not None else None

    def to_check(self) -> Due[ConsentSign]:
        """Signs after which another one should have come, or has come late."""
        where = lambda now: all_of(CHECKS, field("check_time") <= now)  # noqa: E731
        return Due(self.signs, where, order="check_time", limit=100)

    def _some(self, ids: Sequence[str]) -> Sequence[CustomerProjection]:
        return self.collection.find(field("_id").one_of(ids), limit=len(ids)) if ids else []
