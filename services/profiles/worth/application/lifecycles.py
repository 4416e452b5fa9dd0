"""Use-cases of the stages of relationships: who has gone quiet, who may leave, and who is a customer by contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from libs.chassis import identity
from libs.chassis.domain import Change
from libs.chassis.operations import Job
from services.profiles.contracts.domain import Contract
from services.profiles.customers.domain import lifecycle
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.domain.lifecycle import EVALUATED, FLOOR_DAYS, Lifecycle, LifecycleMove
from services.profiles.worth.application.bulk import in_batches
from services.profiles.worth.application.outlook import CustomerWorth, Outlook
from services.profiles.worth.domain.stages import AT_RISK_SCORE, evaluate
from services.profiles.worth.store import WorthStore

_BATCH: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class StagesRequest:
    """Bounds of an evaluation. Zeros stand for defaults."""

    floor_days: int = 0
    at_risk_score: int = 0
    validate_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StagesProgress:
    """Checkpoint of an evaluation."""

    stage: int = 0
    """Index of the stage that is looked at."""
    last: tuple[datetime, str] | None = None
    """Creation and id of the customer looked at last on that stage."""
    customers: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    """`ACTIVE>DORMANT` → customers."""
    contracts: bool = False
    """Set once contracts were followed too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Number of customers who went from one stage to another."""

    from_lifecycle: Lifecycle
    to_lifecycle: Lifecycle
    customer_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleRun:
    """Result of an evaluation."""

    customer_count: int
    counts: tuple[Count, ...]
    validate_only: bool


class Lifecycles:
    """The stages of customers who have bought or agreed."""

    def __init__(self, store: WorthStore) -> None:
        self._store = store
        self._worth = CustomerWorth(store)

    def run(self, job: Job[StagesRequest, StagesProgress]) -> LifecycleRun:
        """Look at every customer who is or was active, as an operation, and move those whose stage is another by now.

        Who sleeps is looked at before who is awake, so that nobody who falls asleep is counted twice. A purchase that
        comes between reading and writing is seen by the next evaluation.
        """
        asked, state, now = job.request, job.state, identity.now()
        counts = dict(state.counts)
        while state.stage < len(EVALUATED):
            batch = self._store.customers.at_stage(EVALUATED[state.stage], state.last, _BATCH)
            looked_at = self._worth.outlooks(batch, now, floor_days=asked.floor_days or FLOOR_DAYS)
            moves = {
                each.customer.id: move
                for each in looked_at
                if (move := _evaluated(each, asked.at_risk_score or AT_RISK_SCORE, now)) is not None
            }
            self._apply(moves, counts, validate_only=asked.validate_only)
            more = len(batch) == _BATCH
            state = replace(
                state,
                stage=state.stage if more else state.stage + 1,
                last=(batch[-1].create_time or now, batch[-1].id) if more else None,
                customers=state.customers + len(batch),
                counts=counts,
            )
            job.progress(state.customers, 0, state)
        if not state.contracts:
            self._follow_contracts(now, counts, validate_only=asked.validate_only)
            state = replace(state, counts=counts, contracts=True)
            job.progress(state.customers, 0, state)
        return LifecycleRun(
            customer_count=state.customers,
            counts=tuple(_count(key, number) for key, number in sorted(counts.items())),
            validate_only=asked.validate_only,
        )

    def follow(self, contracts: Sequence[Contract]) -> None:
        """Those with a contract that runs are customers, also before they buy."""
        self._apply(self._agreed(contracts, identity.now()), {}, validate_only=False)

    def depart(self, told: Mapping[str, str]) -> None:
        """Customers left: customer id → reason. Who was merged since is meant with the id that it has now."""
        now, moves = identity.now(), dict[str, LifecycleMove]()
        for id, customer in zip(told, self._store.customers.resolve_many([*told]), strict=True):
            move = lifecycle.departed(customer.lifecycle, told[id], now)
            if move is not None and customer.delete_time is None:
                moves[customer.id] = move
        self._apply(moves, {}, validate_only=False)

    def _follow_contracts(self, now: datetime, counts: dict[str, int], *, validate_only: bool) -> None:
        """The same for contracts that were agreed upon ahead and run by now."""
        for portion in self._store.contracts.of_all():
            self._apply(self._agreed(portion, now), counts, validate_only=validate_only)

    def _agreed(self, contracts: Sequence[Contract], now: datetime) -> dict[str, LifecycleMove]:
        running = {each.customer_id: each.plan for each in contracts if each.runs_on(now.date())}
        moves: dict[str, LifecycleMove] = {}
        everybody = sorted(running)
        for ids in (everybody[i : i + _BATCH] for i in range(0, len(everybody), _BATCH)):
            for id, customer in zip(ids, self._store.customers.resolve_many(ids), strict=True):
                move = lifecycle.agreed(customer.lifecycle, running[id], now)
                if move is not None and customer.delete_time is None:
                    moves[customer.id] = move
        return moves

    def _apply(self, moves: dict[str, LifecycleMove], counts: dict[str, int], *, validate_only: bool) -> None:
        for move in moves.values():
            key = f"{move.from_lifecycle}>{move.to_lifecycle}"
            counts[key] = counts.get(key, 0) + 1
        if not validate_only:
            customers = self._store.customers.customers
            in_batches([*moves.items()], lambda batch: customers.update_many(batch, _moved))


def _count(key: str, number: int) -> Count:
    """A count as told, from one as it stands in the state of a job."""
    before, _, after = key.partition(">")
    return Count(from_lifecycle=Lifecycle(before), to_lifecycle=Lifecycle(after), customer_count=number)


def _evaluated(seen: Outlook, at_risk_score: int, now: datetime) -> LifecycleMove | None:
    return evaluate(seen.customer.lifecycle, seen.silence, seen.warning, at_risk_score=at_risk_score, now=now)


def _moved(customer: Customer, move: LifecycleMove) -> Change[Customer]:
    return customer.move(move) if customer.delete_time is None else (customer, [])
