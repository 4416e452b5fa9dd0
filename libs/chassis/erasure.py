"""Erasing a customer from a service: everything it holds, a batch at a time, each of which may be repeated.

    erasures = Erasures(database, customers, [Holding(accounts, Account.erase)])

The profiles service asks for it by an event. The customer is marked first, so that nothing more is recorded; then each
holding is gone through, keys before anything else; at the end a receipt answers. An hour later all of it is gone
through once more: whoever stores something while an erasure begins withdraws it, but may die before that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, Generic, cast

from libs.chassis import identity
from libs.chassis.domain import Change, E, Entity, Event, Open, Sealed
from libs.chassis.filtering import field
from libs.chassis.inbox import Received
from libs.chassis.projection import Customers
from libs.chassis.store import Collection, Database, Due, Index
from libs.chassis.timers import Timer

ERASURE_BATCH: Final = 200
"""Erasures, and records of each, that are gone through at once."""
REQUESTED: Final = "CustomerErasureRequested"
"""Name of the event that asks for an erasure."""
CUSTOMERS, DONE = "customers", "done"
"""The first stage and the last."""
AGAIN_AFTER: Final = timedelta(hours=1)
"""Time from the receipt to the second round, longer than any call or batch takes that began before the first."""

_AT_ONCE: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PENDING = field("pending") == True  # noqa: E712  (a condition, not a comparison)
_INDEXES = (Index(("due_time",), only=_PENDING, every_tenant=True),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Records of one kind."""

    kind: Open[str]
    """Name of a collection."""
    count: int
    reason: Open[str] = ""
    """Reason for keeping them: words of the service, none about the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReceipt:
    """Answer of one service: records that it erased of a customer, and those that it kept."""

    service: str
    erase_time: datetime
    erased: tuple[Records, ...] = ()
    kept: tuple[Records, ...] = ()
    destroyed_keys: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureAdvanced(Event):
    """A service began to erase what it holds on a customer, or has erased some more of it."""

    erasure_id: str
    customer_id: str
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureCompleted(Event):
    """A service has erased what it held on a customer."""

    erasure_id: str
    customer_id: str
    receipt: ErasureReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure(Entity):
    """Progress of a service with the erasure of a customer, under the id that profiles gave."""

    ID_PREFIX: ClassVar[str] = "era"

    customer_id: str
    identifiers: Sealed[tuple[str, ...]] = ()
    """Keys of what led to the customer, gone when the erasure has ended."""
    stage: Open[str] = CUSTOMERS
    """Name of what is gone through."""
    place: Open[str] = ""
    """Place in the stage that it has come to, for the store."""
    erased: tuple[Records, ...] = ()
    destroyed_keys: int = 0
    digest: Open[str] = ""
    """SHA-256 over the ids and revisions of what was erased."""
    answered: bool = False
    """The receipt was given, and the second round waits or is under way."""
    pending: bool = True
    due_time: datetime = _AT_ONCE
    """Time of the next step."""

    def begin(self) -> Change[Erasure]:
        """Takes the request in. A repeat changes nothing."""
        return self, [_told(self)] if not self.revision else []

    def advance(
        self, gone: Mapping[str, Sequence[Entity]], destroyed_keys: int, stage: str, place: str
    ) -> Change[Erasure]:
        """After one more batch, given by kind, with the stage and the place to go on from."""
        if self.answered:
            return replace(self, stage=stage, place=place), [_told(self)]
        counts = {each.kind: each.count for each in self.erased}
        for kind, entities in gone.items():
            counts[kind] = counts.get(kind, 0) + len(entities)
        listed = "".join(f"{each.id}:{each.revision}\n" for entities in gone.values() for each in entities)
        further = replace(
            self,
            stage=stage,
            place=place,
            erased=tuple(Records(kind=kind, count=count) for kind, count in counts.items() if count),
            destroyed_keys=self.destroyed_keys + destroyed_keys,
            digest=hashlib.sha256(f"{self.digest}\n{listed}".encode()).hexdigest() if listed else self.digest,
        )
        return further, [_told(further)]

    def complete(self, service: str, at: datetime, kept: Mapping[str, str]) -> Change[Erasure]:
        """Ends the first round with the receipt, and the second one for good. Nothing changes when it has ended."""
        if self.stage != DONE or not self.pending:
            return self, []
        if self.answered:
            return replace(self, pending=False), [_told(self)]
        receipt = ErasureReceipt(
            service=service,
            erase_time=at,
            erased=self.erased,
            kept=tuple(replace(each, reason=kept[each.kind]) for each in self.erased if kept.get(each.kind)),
            destroyed_keys=self.destroyed_keys,
            digest=self.digest,
        )
        again = {"stage": CUSTOMERS, "place": "", "due_time": at + AGAIN_AFTER}
        done = replace(self, answered=True, identifiers=(), **cast(Any, again))
        return done, [ErasureCompleted(erasure_id=self.id, customer_id=self.customer_id, receipt=receipt)]


def _told(erasure: Erasure) -> ErasureAdvanced:
    return ErasureAdvanced(erasure_id=erasure.id, customer_id=erasure.customer_id, stage=erasure.stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding(Generic[E]):
    """Records on customers in one collection."""

    collection: Collection[E]
    erased: Callable[[E], Change[E]]
    """The change that leaves nothing personal of a record."""
    kept: str = "times and counts without names"
    """Reason for keeping the rest of a record."""
    path: str = "customer_id"
    """Field that names the customer, with an index."""
    order: str = "-create_time"
    record: str = ""
    """Name of a record in an export, empty for what no export needs."""

    def on(self, customer_id: str, limit: int, after: str = "") -> tuple[list[E], str]:
        """(at most so many records on a customer behind a place, the place to go on from or nothing at the end)."""
        return self.collection.stretch(field(self.path) == customer_id, order=self.order, after=after, limit=limit)


Further = Callable[[Erasure, int], Mapping[str, Sequence[Entity]]]
"""Finds, by collection, records of a customer that do not name it. Called until it finds fewer than so many of the
first."""


class Erasures:
    """The erasures that the profiles service asked for, and everything that is held on a customer."""

    def __init__(
        self,
        database: Database,
        customers: Customers[Any],
        holdings: Sequence[Holding[Any]],
        further: Mapping[str, Further] | None = None,
    ) -> None:
        self._database, self._customers, self._further = database, customers, further or {}
        self.collection = database.collection(Erasure, "erasures", indexes=_INDEXES)
        own = Holding(
            collection=customers.collection,
            erased=lambda each: each.without_person(),
            path="_id",
            order="_id",
            record="customer",
        )
        self.holdings: Mapping[str, Holding[Any]] = {each.collection.name: each for each in (own, *holdings)}
        self._stages = [*self.holdings, *self._further, DONE]

    def begin(self, events: Sequence[Received], led_by: Callable[[Any], Iterable[str]] = lambda _: ()) -> None:
        """Takes requests in, once each. From now on nothing is recorded of the customers.

        `led_by` gives what leads to a customer besides its id, kept until the end for what is found `further`.
        """
        asked = [cast(Any, each.message) for each in events if each.message.DESCRIPTOR.name == REQUESTED]
        begun = [(_of(each, led_by), None) for each in asked]
        self.collection.upsert_many(begun, lambda erasure, _: erasure.begin())
        unheard, now = self._customers.entity.unheard, identity.now()
        self._customers.collection.upsert_many(
            ((unheard(each.customer_id, now), None) for each in asked), lambda customer, _: customer.doom()
        )

    def timer(self) -> Timer[Erasure]:
        """Carries erasures out."""
        due = Due(
            self.collection, lambda now: _PENDING & (field("due_time") <= now), order="due_time", limit=ERASURE_BATCH
        )
        return Timer(name="erasures", every=timedelta(seconds=1), due=due, run=self.advance)

    def advance(self, pending: Sequence[Erasure]) -> None:
        """Erases one batch of each erasure."""
        for erasure in pending:
            self._advance(erasure)

    def everything(self, customer_id: str) -> Iterator[tuple[str, Any]]:
        """(name of a record, record) of all that is held on a customer, under any of its ids.

        NotFound for one never heard of.
        """
        group = self._customers.group(customer_id, self._customers.require(customer_id))
        for holding in filter(lambda each: each.record, self.holdings.values()):
            for id in group:
                place, more = "", True
                while more:
                    found, place = holding.on(id, ERASURE_BATCH, place)
                    yield from ((holding.record, each) for each in found)
                    more = bool(place)

    def _advance(self, erasure: Erasure) -> None:
        if erasure.stage == DONE:
            now, kept = identity.now(), {name: each.kept for name, each in self.holdings.items()}
            self.collection.erase([erasure.id])
            self.collection.update(erasure.id, lambda each: each.complete(self._database.service, now, kept))
            return
        gone, place, ended = self._next(erasure)
        stage = self._stages[self._stages.index(erasure.stage) + 1] if ended else erasure.stage
        # Keys first: whatever happens then, nothing can be read any more.
        keys = sum(
            self.holdings[kind].collection.erase([each.id for each in records]) for kind, records in gone.items()
        )

        def settle() -> None:
            """Erases the rest and counts, once: in this process, unless another was faster."""
            if self.collection.get(erasure.id).revision == erasure.revision:
                for kind, records in gone.items():
                    self._empty(self.holdings[kind], records)
                self.collection.update(erasure.id, lambda each: each.advance(gone, keys, stage, place))

        self._database.transact(settle)

    def _next(self, erasure: Erasure) -> tuple[Mapping[str, Sequence[Any]], str, bool]:
        """(the next batch by kind, the place to go on from, whether the stage has ended)."""
        further = self._further.get(erasure.stage)
        if further is not None:
            gone = further(erasure, ERASURE_BATCH)
            return gone, "", len(next(iter(gone.values()))) < ERASURE_BATCH
        found, place = self.holdings[erasure.stage].on(erasure.customer_id, ERASURE_BATCH, erasure.place)
        return {erasure.stage: found}, place, not place

    def _empty(self, holding: Holding[Any], records: Sequence[Any]) -> None:
        holding.collection.update_many(((each.id, None) for each in records), lambda each, _: holding.erased(each))


def _of(asked: Any, led_by: Callable[[Any], Iterable[str]]) -> Erasure:
    led = tuple(led_by(asked.customer))
    return Erasure(id=asked.erasure_id, customer_id=asked.customer_id, identifiers=led)
