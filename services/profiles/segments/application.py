"""Use-cases of segments: defining them, trying them, and keeping up with who belongs to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

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
    SegmentState,
    SegmentVerdict,
    Standing,
    reasons_of,
)
from services.profiles.segments.domain.subjects import Source, facts, field_of, next_change
from services.profiles.segments.store import candidates, compile_rule, customers_after, subjects
from services.profiles.store import ProfilesStore

MOST_EXAMINED: Final = 1000
"""Customers that a preview tries."""
DEFAULT_SAMPLE: Final = 20
_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Preview:
    """What a filter says about some customers."""

    verdicts: tuple[SegmentVerdict, ...]
    examined_count: int
    matched_count: int
    partial: bool


@dataclass(frozen=True, slots=True)
class _Judged:
    """A segment, its rule, and what the rule says about one customer; no verdict where nobody is judged any more."""

    segment: Segment | None
    verdict: Verdict | None


class Segments:
    """The segments of a tenant and their members."""

    def __init__(self, store: ProfilesStore) -> None:
        self._store = store
        self._segments = store.segments

    # ------------------------------------------------------------------------------------------------ definitions

    def define(self, draft: Segment, revision: int, *, validate_only: bool) -> Segment:
        """The segment of the draft's key as the draft describes it."""
        compile_rule(draft.filter, within="segment.")
        author, at = context.current().actor, identity.now()
        id = self._segments.segments.next_id(draft.key)
        draft = replace(draft, id=id)
        current = self._segments.segments.find_by_id(id)
        if current is None and len(self._segments.active()) >= MOST_SEGMENTS:
            raise FailedPrecondition(f"{MOST_SEGMENTS} segments are in use: retire one first")
        if validate_only:
            return draft.defined(current, author, at)[0]
        if current is None:
            return self._segments.segments.insert(draft.defined(None, author, at), key=draft.key)
        return self._segments.segments.update(id, lambda known: draft.defined(known, author, at), revision=revision)

    def get(self, name: str) -> Segment:
        """The segment of an id or a key."""
        found = self._segments.find(name)
        if found is None:
            raise NotFound("Segment", name)
        return found

    def list(self, wanted: PageRequest, *, show_retired: bool) -> Page[Segment]:
        """A page of segments in the order of their keys."""
        return self._segments.page(wanted, show_retired=show_retired)

    def retire(self, name: str, revision: int) -> Segment:
        """The segment, out of use; its members leave it soon."""
        return self._segments.segments.update(self.get(name).id, Segment.retired, revision=revision)

    # ------------------------------------------------------------------------------------------------ who belongs

    def members(self, name: str, wanted: PageRequest) -> Page[SegmentMembership]:
        """A page of those who belong to a segment, those who came last first."""
        return self._segments.list_members(self.get(name).id, wanted)

    def of_customer(self, customer_id: str, wanted: PageRequest) -> Page[SegmentMembership]:
        """A page of what a customer belongs to."""
        return self._segments.list_of_customer(self._store.customer(customer_id).id, wanted)

    def preview(self, filter: str, customer_ids: Sequence[str], sample_size: int) -> Preview:
        """What a filter says about the customers named, or about the newest ones."""
        rule, now = compile_rule(filter), identity.now()
        if customer_ids:
            asked = self._store.customers_of(customer_ids)
            verdicts = self._verdicts(rule, asked, now)
            return Preview(tuple(verdicts), len(asked), sum(each.matches for each in verdicts), partial=False)
        matched: list[SegmentVerdict] = []
        examined, last = 0, None
        while examined < MOST_EXAMINED:
            batch = candidates(self._store, rule, last, _BATCH)
            matched += [each for each in self._verdicts(rule, batch, now) if each.matches]
            examined += len(batch)
            if len(batch) < _BATCH:
                break
            last = batch[-1]
        partial = examined >= MOST_EXAMINED and bool(candidates(self._store, rule, last, 1))
        return Preview(tuple(matched[: sample_size or DEFAULT_SAMPLE]), examined, len(matched), partial)

    def _verdicts(self, rule: Rule, customers: Sequence[Customer], now: datetime) -> Sequence[SegmentVerdict]:
        asked = {clause.field for clause in clauses(rule)}
        found = subjects(self._store, customers, {field_of(name).source for name in asked})
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
        """Look again at customers of whom something changed; in the transaction of that change, if there is one."""
        if any(because is Source.CUSTOMER or because in _sources(segment) for segment in self._segments.active()):
            self._evaluate(sorted(customer_ids))

    def evaluate(self, due: Sequence[Standing]) -> None:
        """Looks again at customers whom the passing of time may have moved."""
        self._evaluate([standing.id for standing in due])

    def evaluate_all(self, job: Job[Any, Any]) -> dict[str, int]:
        """Look at every customer, again until no segment was changed meanwhile; how many customers and segments.

        The state of the job is the last customer looked at, and what was to be found out on this round.
        """
        looked_at, state = int(job.state.get("looked_at", 0)), dict(job.state)
        while True:
            if "round" not in state:
                wanted = {each.id: each for each in (*self._segments.stale(), *self._segments.active())}
                state = {"round": {id: [each.version, each.state] for id, each in wanted.items()}, "members": {}}
            last = (datetime.fromisoformat(state["last"][0]), state["last"][1]) if "last" in state else None
            while batch := customers_after(self._store, last, _BATCH):
                belongs = self._evaluate([customer.id for customer in batch])
                for id in (id for customer in batch for id in belongs[customer.id]):
                    state["members"][id] = state["members"].get(id, 0) + 1
                looked_at += len(batch)
                last = batch[-1].create_time or identity.now(), batch[-1].id
                state = {**state, "last": [last[0].isoformat(), last[1]], "looked_at": looked_at}
                job.progress(looked_at, 0, **state)
            self._finish(state["round"], state["members"])
            if not self._segments.stale():
                return {"customer_count": looked_at, "segment_count": len(state["round"])}
            state = {"looked_at": looked_at}
            job.progress(looked_at, 0, **state)

    def _finish(self, wanted: dict[str, Sequence[Any]], members: dict[str, int]) -> None:
        """Note that everybody was looked at for the segments as they were."""
        now = identity.now()
        for id, (version, state) in wanted.items():
            count = members.get(id, 0)

            def evaluated(segment: Segment, count: int = count, seen: Any = (version, state)) -> Change[Segment]:
                return segment.evaluated(replace(segment, version=seen[0], state=SegmentState(seen[1])), count, now)

            self._segments.segments.update(id, evaluated)

    def _evaluate(self, customer_ids: Sequence[str]) -> dict[str, Sequence[str]]:
        """Customer → segments that they belong to now."""
        return self._store.database.transact(lambda: self._move(customer_ids))

    def _move(self, customer_ids: Sequence[str]) -> dict[str, Sequence[str]]:
        """What has to happen in one transaction, whose snapshot everything read here belongs to."""
        now = identity.now()
        customers = self._store.parties(customer_ids)
        active = self._segments.active()
        rules = {segment.id: compile_rule(segment.filter) for segment in active}
        asked = {clause for rule in rules.values() for clause in clauses(rule)}
        sources = {field_of(clause.field).source for clause in asked}
        before = self._segments.standings_of([customer.id for customer in customers])
        standings = []
        moves = []
        belongs: dict[str, Sequence[str]] = {}
        for subject in subjects(self._store, customers, sources):
            id, live = subject.customer.id, subject.customer.delete_time is None
            known = facts(subject, {clause.field for clause in asked}, now) if live else {}
            judged = {
                segment.id: _Judged(segment, rules[segment.id].judge(known) if live else None) for segment in active
            }
            belongs[id] = [each for each, about in judged.items() if about.verdict is not None and about.verdict.holds]
            was = before[id].segment_ids if id in before else ()
            for segment_id in {*belongs[id]} ^ {*was}:
                about = judged.get(segment_id, _Judged(None, None))
                moves.append(self._move_of(id, segment_id, about, now, enters=segment_id in belongs[id]))
            standings.append((id, _standing(id, belongs[id], next_change(subject, asked, now) if live else None)))
        self._segments.standings.fold(standings)
        self._segments.memberships.fold(moves)
        return belongs

    def _move_of(
        self, customer_id: str, segment_id: str, about: _Judged, now: datetime, *, enters: bool
    ) -> tuple[str, Callable[[SegmentMembership | None], Change[SegmentMembership]]]:
        id = self._segments.memberships.next_id(f"{segment_id}/{customer_id}")
        segment = about.segment
        reasons = reasons_of(about.verdict) if about.verdict is not None else ()

        def move(membership: SegmentMembership | None) -> Change[SegmentMembership]:
            known = membership or SegmentMembership(
                id=id, segment_id=segment_id, segment_key=segment.key if segment else "", customer_id=customer_id
            )
            version = segment.version if segment else known.version
            return known.entered(version, reasons, now) if enters else known.left(version, reasons, now)

        return id, move


def _standing(
    id: str, segment_ids: Sequence[str], next_time: datetime | None
) -> Callable[[Standing | None], Change[Standing]]:
    return lambda standing: ((standing or Standing(id=id)).evaluated(segment_ids, next_time), [])


def _sources(segment: Segment) -> set[Source]:
    return {field_of(clause.field).source for clause in clauses(compile_rule(segment.filter))}
