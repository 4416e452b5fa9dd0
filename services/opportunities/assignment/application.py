"""Assignment of leads: rules, decisions that are taken once, and gifts by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from libs.chassis import context, identity
from libs.chassis.domain import Change
from libs.chassis.paging import Page, PageRequest
from libs.worktime.hours import Hours
from services.opportunities.assignment.domain import (
    FULL_PAUSE,
    NO_RULE_PAUSE,
    AssignmentRule,
    AssignmentTurns,
)
from services.opportunities.assignment.store import AssignmentStore
from services.opportunities.calendars.application import hours
from services.opportunities.leads.application import points_of
from services.opportunities.leads.domain.leads import Lead
from services.opportunities.leads.domain.models import LeadModel
from services.opportunities.leads.domain.parts import Assignment, ResponseClock


class AssignmentRules:
    """The rules, and the leads that they gave to somebody."""

    def __init__(self, store: AssignmentStore) -> None:
        self._store = store

    def create(self, draft: AssignmentRule) -> AssignmentRule:
        """A new rule. NotFound for a form or a calendar that there is not."""
        self._require(draft)
        return self._store.rules.insert(lambda id: replace(draft, id=id).create())

    def get(self, rule_id: str) -> AssignmentRule:
        """One rule."""
        return self._store.rules.get(rule_id)

    def list(self, request: PageRequest) -> Page[AssignmentRule]:
        """A page of all rules, in the order in which they are tried."""
        return self._store.list(request)

    def update(
        self, rule_id: str, merge: Callable[[AssignmentRule], AssignmentRule], *, revision: int = 0
    ) -> AssignmentRule:
        """Writes fields of a rule anew."""
        self._require(merge(self._store.rules.get(rule_id)))
        return self._store.rules.update(rule_id, lambda each: each.update(merge(each)), revision=revision)

    def turns(self, rule_id: str) -> AssignmentTurns:
        """The turns of the agents of a rule."""
        self._store.rules.get(rule_id)
        return self._store.turns_of(rule_id)

    def assign(self, lead_id: str, owner: str, *, revision: int = 0) -> Lead:
        """Gives a lead to somebody by hand."""
        decision = Assignment(decide_time=identity.now(), actor=context.current().actor)
        return self._store.leads.leads.update(
            lead_id, lambda each: each.assign(owner, decision, each.response), revision=revision
        )

    def triage(self, due: Sequence[Lead]) -> None:
        """Judges leads that came in, and gives each to somebody.

        Leads and turns change in one transaction, so that however many decide at once, each lead is given once.
        """
        ids = [each.id for each in due]
        self._store.database.transact(lambda: self._triage(ids))

    def _triage(self, ids: Sequence[str]) -> None:
        now = identity.now()
        found = self._store.leads.leads.batch_get(ids)
        waiting = [each for each in found if each.triage_time is not None and each.triage_time <= now]
        deciding = _Deciding(self._store, now)
        changes = [(each.id, deciding.decide(each)) for each in sorted(waiting, key=_arrival)]
        self._store.leads.leads.update_many(changes, lambda each, change: change(each))
        self._store.turns.upsert_many(deciding.moved(), lambda _, after: (after, []))

    def _require(self, rule: AssignmentRule) -> None:
        if rule.form_id:
            self._store.leads.forms.get(rule.form_id)
        hours(self._store.calendars, rule.calendar_id)


class _Deciding:
    """Decisions about many leads, one after the other."""

    def __init__(self, store: AssignmentStore, now: datetime) -> None:
        self._store, self._now = store, now
        self._rules = store.in_force()
        self._models: dict[str, LeadModel | None] = {}
        self._hours: dict[str, Hours] = {}
        self._before: dict[str, AssignmentTurns] = {}
        self._turns: dict[str, AssignmentTurns] = {}
        limited = {agent.member for rule in self._rules for agent in rule.agents if agent.capacity}
        self._open = {**store.open_leads(limited)}

    def decide(self, lead: Lead) -> Callable[[Lead], Change[Lead]]:
        """The change that a lead gets: its chances, and either somebody who answers for it or another look."""
        points = self._points(lead)
        rule = next((each for each in self._rules if each.fits(lead)), None)
        if rule is None:
            return _passed(points, Assignment(decide_time=self._now), self._now + NO_RULE_PAUSE)
        turns = self._turns.setdefault(rule.id, self._read(rule.id))
        member, decision = rule.decide(lead, turns, self._open, self._now)
        if not member:
            return _passed(points, decision, self._now + FULL_PAUSE)
        [agent] = [each for each in rule.agents if each.member == member]
        self._turns[rule.id], _ = turns.give(agent)
        self._open[member] = self._open.get(member, 0) + 1
        return _given(points, member, decision, self._clock(lead, rule))

    def moved(self) -> list[tuple[AssignmentTurns, AssignmentTurns]]:
        """The turns of every rule that gave something, with what they were before."""
        return [(self._before[id], after) for id, after in self._turns.items() if after != self._before[id]]

    def _read(self, rule_id: str) -> AssignmentTurns:
        if rule_id not in self._before:
            self._before[rule_id] = self._store.turns_of(rule_id)
        return self._before[rule_id]

    def _points(self, lead: Lead) -> int:
        if lead.form_id and lead.form_id not in self._models:
            self._models[lead.form_id] = self._store.leads.model_of(lead.form_id)
        model = self._models.get(lead.form_id)
        return points_of(lead, model) if model is not None else 0

    def _clock(self, lead: Lead, rule: AssignmentRule) -> ResponseClock:
        """The clock of a lead, which began when it came in, or again when it came back."""
        begun = lead.update_time if lead.recycled else lead.begin_time
        start = min(begun or self._now, self._now)
        if rule.response is None:
            return ResponseClock(start_time=start)
        if rule.calendar_id not in self._hours:
            self._hours[rule.calendar_id] = hours(self._store.calendars, rule.calendar_id)
        return ResponseClock(
            start_time=start,
            target=rule.response,
            calendar_id=rule.calendar_id,
            due_time=self._hours[rule.calendar_id].add(start, rule.response),
        )


def _given(points: int, member: str, decision: Assignment, clock: ResponseClock) -> Callable[[Lead], Change[Lead]]:
    def change(lead: Lead) -> Change[Lead]:
        scored, events = lead.score(points)
        assigned, more = scored.assign(member, decision, clock)
        return assigned, [*events, *more]

    return change


def _passed(points: int, decision: Assignment, again: datetime) -> Callable[[Lead], Change[Lead]]:
    def change(lead: Lead) -> Change[Lead]:
        scored, events = lead.score(points)
        waiting, more = scored.pass_over(decision, again)
        return waiting, [*events, *more]

    return change


def _arrival(lead: Lead) -> tuple[datetime | None, str]:
    return lead.create_time, lead.id
