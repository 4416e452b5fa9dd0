"""The projection of customers in a service: kept current, merges resolved, erased customers refused.

    customers = Customers(database, Holder)
    subscription = CustomerEvents(customers, events_pb2, {"display_name": "display_name"}).subscription()

Events come in any order and again; the newest state wins, and a merge wins over an older merge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Collection as Group
from datetime import datetime
from functools import partial, reduce
from types import ModuleType
from typing import Any, Generic, Protocol, TypeVar, cast

from google.protobuf.message import Message

from libs.chassis import context
from libs.chassis.customers import CustomerErased, CustomerProjection
from libs.chassis.domain import Change, DomainError, E, NotFound
from libs.chassis.filtering import AllOf, AnyOf, Compare, Condition, FilterSpec, field, parse
from libs.chassis.inbox import Received, Subscription
from libs.chassis.rows import M, row_by_row
from libs.chassis.store import BlindIndexes, Database, Index, Outcome

P = TypeVar("P", bound=CustomerProjection)
Source = str | Callable[[Any], Any]
"""Origin of a field: a path in the customer's message, such as `preferences.time_zone`, or a function of it."""
Told = tuple[str, Callable[[P], Change[P]]]
"""(customer id, how its projection changes)."""


class OfCustomer(Protocol):
    """Anything that is kept of a customer."""

    @property
    def customer_id(self) -> str:
        """Id of the customer, empty while nobody knows."""


R = TypeVar("R", bound=OfCustomer)
W = TypeVar("W")


class Customers(Generic[P]):
    """The customers of a tenant, as far as this service has heard of them."""

    def __init__(
        self, database: Database, entity: type[P], *, indexes: Sequence[Index] = (), blind: BlindIndexes | None = None
    ) -> None:
        self.entity = entity
        self.collection = database.collection(entity, "customers", indexes=indexes, publishes=False, blind=blind)

    def find(self, id: str) -> P | None:
        """The customer that an id leads to, the survivor when it was merged. None while nothing is known of it."""
        known = self.collection.find_by_id(id)
        if known is None or not known.merged_into:
            return known
        return self.collection.find_by_id(known.merged_into) or known

    def require(self, id: str) -> P:
        """The customer that an id leads to. NotFound when this service has not heard of it."""
        known = self.find(id)
        if known is None:
            raise NotFound(self.collection.entity, id)
        return known

    def group(self, id: str, known: P | None = None) -> tuple[str, ...]:
        """All ids of whom an id leads to, the survivor first: what was recorded for any of them is theirs. The customer
        may be given when it was read already."""
        known = known or self.find(id) if id else None
        return (id,) if known is None else tuple(dict.fromkeys((known.canonical_id, *known.merged_ids, id)))

    def condition(self, filter: str, spec: FilterSpec) -> Condition | None:
        """The condition of an AIP-160 filter, where a customer is meant with all of its ids."""

        def meant(part: Condition) -> Condition:
            match part:
                case AllOf(parts):
                    return AllOf(tuple(map(meant, parts)))
                case AnyOf(parts):
                    return AnyOf(tuple(map(meant, parts)))
                case Compare("customer_id", "==", str(id)) if id:
                    return field("customer_id").one_of(self.group(id))
                case _:
                    return part

        condition = parse(filter, spec)
        return meant(condition) if condition is not None else None

    def erased(self, ids: Iterable[str]) -> list[P]:
        """Those of the customers who are erased or about to be. Empty ids are nobody's."""
        asked = sorted({*ids} - {""})
        known = self.collection.find(field("_id").one_of(asked), limit=len(asked)) if asked else []
        return [each for each in known if each.erased]

    def refuse_erased(self, ids: Iterable[str]) -> None:
        """Refuses with CustomerErased when one of these customers is erased."""
        for erased in self.erased(ids):
            raise CustomerErased(customer_id=erased.id)

    def while_living(self, ids: Group[str], store: Callable[[], R], withdraw: Callable[[R], object]) -> R:
        """Stores something of customers, unless one of them, or the one it turns out to be of, is erased.

        An erasure that begins in between has perhaps looked before there was anything: then it is withdrawn. It marks
        the customer first and looks afterwards, so one of the two sees what the other did.
        """
        self.refuse_erased(ids)
        stored = store()
        try:
            self.refuse_erased({*ids, stored.customer_id})
        except CustomerErased:
            with context.uncommanded():
                withdraw(stored)
            raise
        return stored

    def take(
        self,
        rows: Sequence[W | DomainError],
        make: Callable[[W], M],
        store: Callable[[Sequence[M]], Sequence[Outcome[E]]],
        *,
        of: Callable[[W], str],
        withdraw: Callable[[list[str]], object],
    ) -> list[Outcome[E]]:
        """Outcome of each row of a bulk request, as `row_by_row` does it, where a row is `of` a customer.

        A row of an erased customer is refused. What was created of one whose erasure began in between is withdrawn, by
        its ids, as `while_living` does.
        """
        gone = {each.id for each in self.erased(of(row) for row in rows if not isinstance(row, DomainError))}

        def made(row: W) -> M:
            if of(row) in gone:
                raise CustomerErased(customer_id=of(row))
            return make(row)

        outcomes = row_by_row(rows, made, store)
        created = {
            outcome.entity.id: of(row)
            for row, outcome in zip(rows, outcomes, strict=True)
            if outcome.created and outcome.entity is not None and not isinstance(row, DomainError)
        }
        late = {each.id for each in self.erased(created.values())}
        if late:
            with context.uncommanded():
                withdraw([id for id, customer_id in created.items() if customer_id in late])
        return outcomes


class CustomerEvents(Generic[P]):
    """The events of customers, and the fields of them that a service keeps.

    `events` are those of the profiles service. `fields` and `alias_fields` say what is kept of a customer, and what of
    each alias that a merge tells is given to `led_to`.
    """

    def __init__(
        self,
        customers: Customers[P],
        events: ModuleType,
        fields: Mapping[str, Source],
        alias_fields: Mapping[str, Source] | None = None,
    ) -> None:
        self._customers, self._fields, self._alias_fields = customers, fields, alias_fields or {}
        self.listens: list[type[Message]] = [
            message
            for message in vars(events).values()
            if isinstance(message, type) and issubclass(message, Message) and _tells_of_a_customer(message)
        ]
        """The events that tell of customers."""

    def subscription(self, *then: Callable[[Sequence[Received]], object]) -> Subscription:
        """Learns of customers, and afterwards hands the same events to others."""

        def handle(events: Sequence[Received]) -> None:
            self.learn(events)
            for each in then:
                each(events)

        return Subscription(name="customers", listens=self.listens, handle=handle)

    def learn(self, events: Sequence[Received]) -> list[P]:
        """Takes events in, and returns the customers they are about."""
        blank = self._customers.entity.unheard
        told = [((blank(id, event.time)), change) for event in events for id, change in self.told_by(event)]
        return self._customers.collection.upsert_many(told, lambda known, change: change(known))

    def told_by(self, event: Received) -> list[Told[P]]:
        """Changes of projections that an event tells of."""
        message = cast(Any, event.message)
        news = self.told_of(message.customer, event.revision, event.time)
        led = [(each.customer_id, partial(self._led, each)) for each in getattr(message, "aliases", ())]
        return [(news.id, news.heard_after), *led]

    def told_of(self, customer: Any, revision: int, time: datetime) -> P:
        """The projection of a customer in one of its states."""
        return self._customers.entity(
            id=customer.id,
            source_revision=revision,
            source_time=time,
            deleted=customer.HasField("delete_time"),
            merged_ids=tuple(customer.merged_ids),
            **_read(self._fields, customer),
        )

    def _led(self, alias: Any, known: P) -> Change[P]:
        return known.led_to(alias.canonical_id, alias.epoch, **_read(self._alias_fields, alias))


def _tells_of_a_customer(message: type[Message]) -> bool:
    customer = message.DESCRIPTOR.fields_by_name.get("customer")
    return (
        customer is not None
        and customer.message_type is not None
        and "merged_into" in (customer.message_type.fields_by_name)
    )


def _read(fields: Mapping[str, Source], message: Any) -> dict[str, Any]:
    return {
        name: source(message) if callable(source) else reduce(getattr, source.split("."), message)
        for name, source in fields.items()
    }
