"""Simulation: who would get what of a program within some days, and why others would not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from libs.chassis import identity
from libs.worktime.civil import instant
from services.care.customers.domain.permission import Finding, Reason, obstacles
from services.care.customers.domain.projection import Channel, CustomerProjection
from services.care.programs.domain.plans import Plan
from services.care.programs.domain.programs import Program, ProgramState
from services.care.senders.domain import Sender
from services.care.touches.application.planning import Planning
from services.care.touches.domain.answers import Count, Line, Simulation
from services.care.touches.domain.judging import Case, Judgement, Verdict, counted
from services.care.touches.domain.planning import Planner
from services.care.touches.domain.touches import Touch
from services.care.touches.store import TouchesStore

DAYS, CUSTOMERS = 30, 1000
"""Days and customers that are looked at unless a caller says otherwise."""
LINES_MAX: Final = 500
_STRETCH: Final = 500


class Simulations:
    """Plays programs through. Nothing is stored but that a draft was reviewed."""

    def __init__(self, store: TouchesStore) -> None:
        self._store = store

    def simulate(self, program_id: str, start: date | None, days: int, customers: int) -> Simulation:
        """Plays a program through: its touches within some days."""
        return self._played(self._store.programs.programs.get(program_id), start, days or DAYS, customers or CUSTOMERS)

    def review(self, program_id: str, days: int, customers: int) -> tuple[Program, Simulation]:
        """A draft with what would come of it, taken for reviewed."""
        simulation = self.simulate(program_id, None, days, customers)
        return self._store.programs.programs.update(program_id, Program.review), simulation

    def _played(self, program: Program, start: date | None, days: int, limit: int) -> Simulation:
        zone = ZoneInfo(program.time_zone)
        first = start or identity.now().astimezone(zone).date()
        begin, end = instant(first, 0, zone), instant(first + timedelta(days=days), 0, zone)
        at_work = replace(program, state=ProgramState.ACTIVE)
        senders = self._store.senders.by_channel()
        lines: list[Line] = []
        judgements: list[Judgement] = []
        looked = audience = consented = sent = 0
        for customer, plan in self._customers(program, limit):
            looked += 1
            if not program.includes(customer) or plan is None:
                reason = Reason.NO_PLAN if plan is None else Reason.NOT_IN_AUDIENCE
                judgements.append(Judgement(verdict=Verdict.SUPPRESS, findings=(Finding(reason=reason),)))
                continue
            audience += 1
            consented += not _refused(customer, plan, program, begin)
            if plan.on_festival is not None and not plan.on_festival.is_of(customer):
                foreign = Finding(reason=Reason.NOT_THEIR_FESTIVAL)
                judgements.append(Judgement(verdict=Verdict.SUPPRESS, findings=(foreign,)))
                continue
            for touch in Planner(program=program, plan=plan, customer=customer).touches(begin, end):
                judgement = _judged(touch, at_work, plan, customer, senders)
                comes = judgement.verdict in (Verdict.SEND, Verdict.DEFER)
                judgements.append(judgement if not comes else replace(judgement, findings=()))
                sent += comes
                if len(lines) < LINES_MAX:
                    lines.append(_line(touch, judgement, comes=comes))
        return Simulation(
            lines=tuple(lines),
            customer_count=looked,
            audience_count=audience,
            consent_count=consented,
            sent_count=sent,
            suppressed_count=sum(bool(each.findings) or each.verdict is Verdict.LAPSE for each in judgements),
            reasons=tuple(Count(reason=reason, count=count) for reason, count in counted(judgements)),
            complete=looked < limit,
        )

    def _customers(self, program: Program, limit: int) -> Iterator[tuple[CustomerProjection, Plan | None]]:
        """Customers by id who live under their own, each with the plan that applies."""
        place, left = "", limit
        planning = Planning(self._store)
        while left > 0:
            found, place = self._store.customers.stretch(place, min(left, _STRETCH))
            overrides = planning.overrides([each.id for each in found])
            for each in found:
                if not each.merged_into:
                    yield each, overrides.get((program.id, each.id)) or program.plan_for(each)
            left -= len(found)
            if not place:
                return


def _judged(
    touch: Touch, program: Program, plan: Plan, customer: CustomerProjection, senders: Mapping[Channel, Sender]
) -> Judgement:
    return Case(
        touch=touch,
        program=program,
        plan=plan,
        customer=customer,
        sender=senders.get(touch.channel),
        assignee=customer.owner or plan.assignee,
    ).judge(touch.planned_time)


def _line(touch: Touch, judgement: Judgement, *, comes: bool) -> Line:
    return Line(
        customer_id=touch.customer_id,
        occasion=touch.occasion,
        planned_time=touch.planned_time,
        send_time=(judgement.time or touch.planned_time) if comes else None,
        time_zone=touch.time_zone,
        form=touch.form,
        channel=touch.channel,
        findings=judgement.findings,
    )


def _refused(customer: CustomerProjection, plan: Plan, program: Program, at: datetime) -> bool:
    """Tells whether consent is against everything that the plan sends."""
    found = obstacles(customer, program.purpose.consent, plan.by, at)
    return any(each.reason in _OF_CONSENT for each in found)


_OF_CONSENT = frozenset({Reason.NO_CONSENT, Reason.CONSENT_REFUSED, Reason.CONSENT_EXPIRED})
