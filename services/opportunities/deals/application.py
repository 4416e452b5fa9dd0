"""Deals: opening, moving, winning and losing them. Every change of their facts becomes a row of their history."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from libs.chassis import context, identity
from libs.chassis.domain import Change, DomainError, NotFound
from libs.chassis.paging import Page, PageRequest
from libs.chassis.scopes import covers
from libs.chassis.store import Outcome
from services.opportunities.deals.domain.deals import Deal, Move
from services.opportunities.deals.domain.history import DealChange, DealFacts, facts_at
from services.opportunities.deals.domain.refusals import CloseTimeMissing, WaiverNotAllowed
from services.opportunities.deals.domain.terms import LostReason
from services.opportunities.deals.store import DealsStore
from services.opportunities.pipelines.domain import Pipeline, StageKind

WAIVER_SCOPE = "opportunities.criteria.waive"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDeal:
    """A deal as a source tells it: where it stands, since when, and how it ended."""

    source_key: str
    deal: Deal
    open_time: datetime | None = None
    close_time: datetime | None = None
    lost_reason: LostReason | None = None


class Deals:
    """Deals of customers."""

    def __init__(self, store: DealsStore) -> None:
        self._store = store

    def create(self, draft: Deal) -> Deal:
        """A new deal, in the first stage of its pipeline or in the one that it names."""
        pipeline = self._pipeline(draft.pipeline_id)
        now, actor = identity.now(), context.current().actor
        return self._store.customers.while_living(
            {draft.customer_id},
            lambda: self._store.deals.insert(
                lambda id: replace(draft, id=id, source_key="").open(pipeline, at=now, now=now, actor=actor)
            ),
            self._withdraw,
        )

    def open_once(self, draft: Deal, key: str, at: datetime | None) -> Deal:
        """A new deal that its key names for ever, within the transaction of what it comes from."""
        pipeline = self._pipeline(draft.pipeline_id)
        now, actor = identity.now(), context.current().actor
        return self._store.deals.insert(
            lambda id: replace(draft, id=id).open(pipeline, at=at or now, now=now, actor=actor), key=key
        )

    def get(self, deal_id: str) -> Deal:
        """One deal."""
        return self._store.deals.get(deal_id)

    def list(self, filter: str, request: PageRequest) -> Page[Deal]:
        """A page of deals, the latest opened first."""
        return self._store.list(filter, request)

    def update(self, deal_id: str, merge: Callable[[Deal], Deal], *, revision: int = 0) -> Deal:
        """Writes fields anew, where `merge` gives a deal the content that was sent."""
        now, actor = identity.now(), context.current().actor
        return self._change(deal_id, lambda each: each.update(merge(each), now=now, actor=actor), revision)

    def preview(self, deal_id: str, stage: str) -> Move:
        """Tells what a move to a stage would do, and what it lacks."""
        deal = self._store.deals.get(deal_id)
        return deal.preview(self._pipeline(deal.pipeline_id), stage)

    def move(
        self, deal_id: str, stage: str, at: datetime | None = None, *, waive: bool = False, revision: int = 0
    ) -> Deal:
        """Moves a deal to another open stage."""
        _require_waiver(waive)
        now, actor = identity.now(), context.current().actor
        return self._change(
            deal_id,
            lambda each: each.move(self._pipeline_of(each), stage, at=at or now, now=now, actor=actor, waive=waive),
            revision,
        )

    def win(self, deal_id: str, at: datetime | None = None, *, waive: bool = False, revision: int = 0) -> Deal:
        """Wins a deal."""
        _require_waiver(waive)
        now, actor = identity.now(), context.current().actor
        return self._change(
            deal_id,
            lambda each: each.win(self._pipeline_of(each), at=at or now, now=now, actor=actor, waive=waive),
            revision,
        )

    def lose(
        self,
        deal_id: str,
        reason: LostReason,
        at: datetime | None = None,
        *,
        to: str = "",
        note: str = "",
        revision: int = 0,
    ) -> Deal:
        """Loses a deal."""
        now, actor = identity.now(), context.current().actor
        return self._change(
            deal_id,
            lambda each: each.lose(
                self._pipeline_of(each), reason, to=to, note=note, at=at or now, now=now, actor=actor
            ),
            revision,
        )

    def reopen(self, deal_id: str, stage: str = "", *, revision: int = 0) -> Deal:
        """Goes on with a closed deal."""
        now, actor = identity.now(), context.current().actor
        return self._change(
            deal_id, lambda each: each.reopen(self._pipeline_of(each), stage, now=now, actor=actor), revision
        )

    def believe(self, deal_id: str, points: int, reason: str, expire_time: datetime, *, revision: int = 0) -> Deal:
        """Gives a deal a probability that its owner believes in."""
        now, actor = identity.now(), context.current().actor
        return self._change(
            deal_id, lambda each: each.believe(points, reason, expire_time, now=now, actor=actor), revision
        )

    # --------------------------------------------------------------------------------------------------- history

    def changes(self, deal_id: str, request: PageRequest) -> Page[DealChange]:
        """A page of the history of a deal."""
        return self._store.list_changes(self._store.deals.get(deal_id), request)

    def facts(self, deal_id: str, effective: datetime | None = None, known: datetime | None = None) -> DealFacts:
        """Rebuilds a deal at one time, as far as it was known at another."""
        deal, now = self._store.deals.get(deal_id), identity.now()
        found = facts_at(self._store.changes_of(deal), effective or now, known or now)
        if found is None:
            raise NotFound(Deal, f"{deal_id} at {(effective or now).isoformat()}")
        return found

    # ------------------------------------------------------------------------------------------ deals of the past

    def take(self, rows: Sequence[PastDeal | DomainError]) -> Sequence[Outcome[Deal]]:
        """Outcome of each deal of the past. One that could not be read comes as its error."""
        pipelines = self._pipelines({row.deal.pipeline_id for row in rows if isinstance(row, PastDeal)})

        def make(row: PastDeal) -> tuple[PastDeal, Change[Deal]]:
            return row, _past(row, pipelines, self._store.deals.id_of(row.source_key))

        def store(made: Sequence[tuple[PastDeal, Change[Deal]]]) -> Sequence[Outcome[Deal]]:
            return self._store.deals.insert_many(
                [change for _, change in made],
                keys=[row.source_key for row, _ in made],
                contents=[row for row, _ in made],
            )

        return self._store.customers.take(
            rows, make, store, of=lambda row: row.deal.customer_id, withdraw=self.withdraw
        )

    # ------------------------------------------------------------------------------------------------------ clock

    def expire(self, due: Sequence[Deal]) -> None:
        """Lets given probabilities expire. The state of a deal decides, so however often it is called."""
        now, actor = identity.now(), context.current().actor
        for deal in due:
            pipeline = self._pipeline(deal.pipeline_id)
            change = partial(Deal.forget_belief, pipeline=pipeline, now=now, actor=actor)
            self._store.deals.update(deal.id, partial(self._filed, change))

    # ------------------------------------------------------------------------------------------------------ steps

    def _change(self, deal_id: str, change: Callable[[Deal], Change[Deal]], revision: int) -> Deal:
        def living(deal: Deal) -> Change[Deal]:
            self._store.customers.refuse_erased({deal.customer_id})
            return self._filed(change, deal)

        return self._store.customers.while_living(
            (), lambda: self._store.deals.update(deal_id, living, revision=revision), self._withdraw
        )

    def _filed(self, change: Callable[[Deal], Change[Deal]], deal: Deal) -> Change[Deal]:
        """A change, with its earlier rows filed when there are many of them."""
        changed, events = change(deal)
        if events:
            with context.uncommanded():
                changed = self._store.file(changed)
        return changed, events

    def _withdraw(self, written: Deal) -> None:
        self.withdraw([written.id])

    def withdraw(self, ids: Sequence[str]) -> None:
        """Takes the words out of deals."""
        self._store.deals.erase(ids)
        self._store.deals.update_many(((id, None) for id in ids), lambda each, _: each.erase())

    def _pipeline(self, pipeline_id: str) -> Pipeline:
        return self._store.pipelines.pipelines.get(pipeline_id)

    def _pipeline_of(self, deal: Deal) -> Pipeline:
        return self._pipeline(deal.pipeline_id)

    def _pipelines(self, ids: Collection[str]) -> Mapping[str, Pipeline]:
        found = (self._store.pipelines.pipelines.find_by_id(id) for id in sorted(ids))
        return {each.id: each for each in found if each is not None}


def _past(row: PastDeal, pipelines: Mapping[str, Pipeline], id: str) -> Change[Deal]:
    """A deal of the past with its events and its history."""
    now, actor = identity.now(), context.current().actor
    if row.deal.pipeline_id not in pipelines:
        raise NotFound(Pipeline, row.deal.pipeline_id)
    pipeline = pipelines[row.deal.pipeline_id]
    stage = pipeline.stage(row.deal.stage) if row.deal.stage else pipeline.first
    begun = replace(row.deal, id=id, source_key=row.source_key)
    if stage.kind is StageKind.OPEN:
        return begun.open(pipeline, at=row.open_time or now, now=now, actor=actor)
    if row.close_time is None:
        raise CloseTimeMissing(stage=stage.key)
    opened, events = replace(begun, stage="").open(pipeline, at=row.open_time or now, now=now, actor=actor)
    if stage.kind is StageKind.WON:
        closed, more = opened.win(pipeline, at=row.close_time, now=now, actor=actor, waive=True)
    else:
        reason = row.lost_reason or LostReason.OTHER
        closed, more = opened.lose(pipeline, reason, at=row.close_time, now=now, actor=actor)
    return closed, [*events, *more]


def _require_waiver(waive: bool) -> None:
    if waive and not covers(context.current().scopes, WAIVER_SCOPE):
        raise WaiverNotAllowed(scope=WAIVER_SCOPE)
