"""Books of burdens by customer, and the rule of a tenant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from libs.chassis.filtering import field
from libs.chassis.store import Database, Index
from services.care.customers.domain.projection import CustomerProjection
from services.care.customers.store import CustomersStore
from services.care.pressure.domain import Book, Burden, PressureRule

BOOKS = (Index(("customer_id", "-create_time")),)


class PressureStore:
    """The ledger. A book is one document, so two workers who add to it at once do so one after the other."""

    def __init__(self, database: Database, customers: CustomersStore) -> None:
        self.database, self.customers = database, customers
        self.books = database.collection(Book, "pressure_books", indexes=BOOKS, publishes=False)
        self.rules = database.collection(PressureRule, "pressure_rules", publishes=False)

    def rule(self) -> PressureRule:
        """The weights and caps of the tenant."""
        blank = PressureRule(id=self.rules.id_of("rule"))
        return self.rules.find_by_id(blank.id) or blank

    def burdens(self, customers: Iterable[CustomerProjection]) -> Mapping[str, Sequence[Burden]]:
        """Customer → its burdens under every id that it had."""
        groups = {each.id: (each.id, *each.merged_ids) for each in customers}
        owners = {self.books.id_of(id): owner for owner, ids in groups.items() for id in ids}
        found = self.books.find(field("_id").one_of(sorted(owners)), limit=len(owners)) if owners else []
        kept: dict[str, list[Burden]] = {owner: [] for owner in groups}
        for book in found:
            kept[owners[book.id]] += book.burdens
        return kept

    def note(self, burdens: Iterable[tuple[str, Burden]]) -> None:
        """Writes (customer, burden) into the ledger."""
        theirs: dict[str, list[Burden]] = {}
        for customer_id, burden in burdens:
            theirs.setdefault(customer_id, []).append(burden)
        self.books.upsert_many([(self._blank(id), some) for id, some in theirs.items()], Book.note)

    def strike(self, keys: Iterable[tuple[str, str]]) -> None:
        """Takes (customer, key) of burdens out that never came."""
        theirs: dict[str, list[str]] = {}
        for customer_id, key in keys:
            theirs.setdefault(customer_id, []).append(key)
        self.books.upsert_many([(self._blank(id), some) for id, some in theirs.items()], Book.strike)

    def _blank(self, customer_id: str) -> Book:
        return Book(id=self.books.id_of(customer_id), customer_id=customer_id)
