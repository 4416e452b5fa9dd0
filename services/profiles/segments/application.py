"""Use-cases of segments: defining them, trying them, and keeping up with who belongs to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from libs.chassis import context, identity
from libs.chassis.domain import Change, FailedPrecondition, NotFound
from libs.chassis.operations import Job
from libs.chassis.paging import Page, PageRequest
from services.profiles.customers.domain.customers import Customer
from services.profiles.segments.domain.rules import Rule, Verdict, clauses
from services.profiles.segments.domain.segments import (
    MOST_SEGMENTS,
    Segment,
    SegmentMembership,
    SegmentReason,
    SegmentState,
    SegmentVerdict,
    Standing,
    reasons_of,
)
from services.profiles.segments.domain.subjects import Source, facts, field_of, next_change
from services.profiles.segments.store import SegmentsStore, compile_rule

MOST_EXAMINED: Final = 1000
"""Customers that a preview tries."""
DEFAULT_SAMPLE: Final = 20
_BATCH: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """An evaluation of everybody takes no choices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationProgress:
    """Checkpoint of an evaluation."""

    looked_at: int = 0
    round: dict[str, tuple[int, SegmentState]] | None = None
    """Id of the segment → version and state for which everybody is looked at. None before a round begins."""
    members: dict[str, int] = field(default_factory=dict)
    """Id of the segment → members found in this round."""
    last: tuple[datetime, str] | None = None
    """Creation and id of the customer looked at last in this round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRun:
    """Counts of an evaluation."""

    customer_count: int
    segment_count: int


class TooManySegments(FailedPrecondition):
    """{allowed} segments are in use: retire one first."""

    allowed: int


@dataclass(frozen=True, slots=True)
class Preview:
    """Verdicts of a filter about some customers."""

    verdicts: tuple[SegmentVerdict, ...]
    examined_count: int
    matched_count: int
    partial: bool


@dataclass(frozen=True, slots=True)
class _Judged:
    """A segment, its rule, and what the rule says about one customer. No verdict where nobody is judged any more."""

    segment: Segment | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class _Move:
    """A customer enters or leaves a segment, as its definition of a version says. None once the segment is retired."""

    enters: bool
    version: int | None
    reasons: tuple[SegmentReason, ...]

    def of(self, membership: SegmentMembership, now: datetime) -> Change[SegmentMembership]:
        """The membership after the move."""
        version = membership.version if self.version is None else self.version
        move = membership.enter if self.enters else membership.leave
        return move(version, self.reasons, now)


class Segments:
    """The segments of a tenant and their members."""

    def __init__(self, store: SegmentsStore) -> None:
        self._store = store

    # ------------------------------------------------------------------------------------------------ definitions

    def define(self, draft: Segment, revision: int, *, validate_only: bool) -> Segment:
        """The segment of the draft's key as the draft describes it."""
        compile_rule(draft.filter, within="segment.")
        author, at = context.current().actor, identity.now()
        id = self._store.segments.id_of(draft.key)
        draft = replace(draft, id=id)
        current = self._store.segments.find_by_id(id)
        if current is None and len(self._store.active()) >= MOST_SEGMENTS:
            raise TooManySegments(allowed=MOST_SEGMENTS)
        if validate_only:
            return draft.define(current, author, at)[0]
        if current is None:
            return self._store.segments.insert(draft.define(None, author, at), key=draft.key)
        return self._store.segments.update(id, lambda known: draft.define(known, author, at), revision=revision)

    def get(self, name: str) -> Segment:
        """The segment of an id or a key."""
        found = self._store.find(name)
        if found is None:
            raise NotFound(Segment, name)
        return found

    def list(self, wanted: PageRequest, *, show_retired: bool) -> Page[Segment]:
        """A page of segments in the order of their keys."""
        return self._store.page(wanted, show_retired=show_retired)

    def retire(self, name: str, revision: int) -> Segment:
        """The segment, out of use. Its members leave it soon."""
        return self._store.segments.update(self.get(name).id, Segment.retire, revision=revision)

    # ------------------------------------------------------------------------------------------------ who belongs

    def members(self, name: str, wanted: PageRequest) -> Page[SegmentMembership]:
        """A page of those who belong to a segment, those who came last first."""
        return self._store.list_members(self.get(name).id, wanted)

    def of_customer(self, customer_id: str, wanted: PageRequest) -> Page[SegmentMembership]:
        """A page of what a customer belongs to."""
        return self._store.list_of_customer(self._store.customers.resolve(customer_id).id, wanted)

    def preview(self, filter: str, customer_ids: Sequence[str], sample_size: int) -> Preview:
        """Verdicts of a filter about the customers named, or about the newest ones."""
        rule, now = compile_rule(filter), identity.now()
        if customer_ids:
            asked = self._store.customers.resolve_many(customer_ids)
            verdicts = self._verdicts(rule, asked, now)
            return Preview(tuple(verdicts), len(asked), sum(each.matches for each in verdicts), partial=False)
        matched: list[SegmentVerdict] = []
        examined, last = 0, None
        while examined < MOST_EXAMINED:
            batch = self._store.candidates(rule, last, _BATCH)
            matched += [each for each in self._verdicts(rule, batch, now) if each.matches]
            examined += len(batch)
            if len(batch) < _BATCH:
                break
            last = batch[-1]
        partial = examined >= MOST_EXAMINED and bool(self._store.candidates(rule, last, 1))
        return Preview(tuple(matched[: sample_size or DEFAULT_SAMPLE]), examined, len(matched), partial)

    def _verdicts(self, rule: Rule, customers: Sequence[Customer], now: datetime) -> Sequence[SegmentVerdict]:
        asked = {clause.field for clause in clauses(rule)}
        found = self._store.subjects(customers, {field_of(name).source for name in asked})
        judged = [(subject.customer, rule.judge(facts(subject, asked, now))) for subject in found]
        return [
            SegmentVerdict(
                customer_id=customer.id,
                display_name=customer.display_name,
                matches=verdict.holds and customer.delete_time is None,
                reasons=reasons_of(verdict),
            )
            for customer, verdict in judged
        ]

    # ------------------------------------------------------------------------------------------------ keeping up

    def follow(self, customer_ids: Collection[str], because: Source) -> None:
        """Look again at customers of whom something changed. In the transaction of that change, if there is one."""
        if any(because is Source.CUSTOMER or because in _sources(segment) for segment in self._store.active()):
            self._evaluate(sorted(customer_ids))

    def evaluate(self, due: Sequence[Standing]) -> None:
        """Looks again at customers whom the passing of time may have moved."""
        self._evaluate([standing.id for standing in due])

    def evaluate_all(self, job: Job[EvaluationRequest, EvaluationProgress]) -> EvaluationRun:
        """Look at every customer, again until no segment was changed meanwhile."""
        state = job.state
        while True:
            if state.round is None:
                wanted = {each.id: each for each in (*self._store.stale(), *self._store.active())}
                state = replace(state, round={id: (each.version, each.state) for id, each in wanted.items()})
            seen, members = state.round or {}, dict(state.members)
            while batch := self._store.customers.after(state.last, _BATCH):
                belongs = self._evaluate([customer.id for customer in batch])
                for id in (id for customer in batch for id in belongs[customer.id]):
                    members[id] = members.get(id, 0) + 1
                state = replace(
                    state,
                    looked_at=state.looked_at + len(batch),
                    last=(batch[-1].create_time or identity.now(), batch[-1].id),
                    members=members,
                )
                job.progress(state.looked_at, 0, state)
            self._finish(seen, members)
            if not self._store.stale():
                return EvaluationRun(customer_count=state.looked_at, segment_count=len(seen))
            state = EvaluationProgress(looked_at=state.looked_at)
            job.progress(state.looked_at, 0, state)

    def _finish(self, wanted: Mapping[str, tuple[int, SegmentState]], members: Mapping[str, int]) -> None:
        """Note that everybody was looked at for the segments as they were."""
        now = identity.now()
        for id, seen in wanted.items():
            count = members.get(id, 0)

            def evaluated(
                segment: Segment, count: int = count, seen: tuple[int, SegmentState] = seen
            ) -> Change[Segment]:
                return segment.evaluate(replace(segment, version=seen[0], state=seen[1]), count, now)

            self._store.segments.update(id, evaluated)

    def _evaluate(self, customer_ids: Sequence[str]) -> dict[str, Sequence[str]]:
        """Customer → segments that they belong to now."""
        return self._store.database.transact(lambda: self._move(customer_ids))

    def _move(self, customer_ids: Sequence[str]) -> dict[str, Sequence[str]]:
        """Work of one transaction, whose snapshot everything read here belongs to."""
        now = identity.now()
        customers = self._store.customers.parties(customer_ids)
        active = self._store.active()
        rules = {segment.id: compile_rule(segment.filter) for segment in active}
        asked = {clause for rule in rules.values() for clause in clauses(rule)}
        sources = {field_of(clause.field).source for clause in asked}
        before = self._store.standings_of([customer.id for customer in customers])
        standings: list[tuple[Standing, tuple[Sequence[str], datetime | None]]] = []
        moves: list[tuple[SegmentMembership, _Move]] = []
        belongs: dict[str, Sequence[str]] = {}
        for subject in self._store.subjects(customers, sources):
            id, live = subject.customer.id, subject.customer.delete_time is None
            known = facts(subject, {clause.field for clause in asked}, now) if live else {}
            judged = {
                segment.id: _Judged(segment, rules[segment.id].judge(known) if live else None) for segment in active
            }
            belongs[id] = [each for each, about in judged.items() if about.verdict is not None and about.verdict.holds]
            was = before[id].segment_ids if id in before else ()
            for segment_id in {*belongs[id]} ^ {*was}:
                about = judged.get(segment_id, _Judged(None, None))
                moves.append(self._move_of(id, segment_id, about, enters=segment_id in belongs[id]))
            standings.append((Standing(id=id), (belongs[id], next_change(subject, asked, now) if live else None)))
        self._store.standings.upsert_many(standings, lambda standing, found: (standing.evaluated(*found), []))
        self._store.memberships.upsert_many(moves, lambda membership, move: move.of(membership, now))
        return belongs

    def _move_of(
        self, customer_id: str, segment_id: str, about: _Judged, *, enters: bool
    ) -> tuple[SegmentMembership, _Move]:
        """A membership that nothing happened to, and what happens to it."""
        segment = about.segment
        blank = SegmentMembership(
            id=self._store.memberships.id_of(f"{segment_id}/{customer_id}"),
            segment_id=segment_id,
            segment_key=segment.key if segment else "",
            customer_id=customer_id,
        )
        reasons = reasons_of(about.verdict) if about.verdict is not None else ()
        return blank, _Move(enters=enters, version=segment.version if segment else None, reasons=reasons)


def _sources(segment: Segment) -> set[Source]:
    return {field_of(clause.field).source for clause in clauses(compile_rule(segment.filter))}
