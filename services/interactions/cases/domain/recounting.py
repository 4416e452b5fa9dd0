"""The clocks of a case counted anew: another version of their policy, another revision of its calendar, or tier."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from libs.chassis.domain import Change
from libs.worktime.clock import CalendarVersion
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.events import CaseUpdated
from services.interactions.clocks.domain.policies import ServicePolicyVersion


def recount(case: Case, version: ServicePolicyVersion, now: datetime) -> Change[Case]:
    """Counted under a version from now on. Pauses and the start stay. Nothing when it is counted under it already."""
    clocks = case.clocks
    if clocks is None or clocks.policy_version == version.version:
        return case, []
    counted = clocks.measure_by(clocks.next_id, version, now, priority=case.priority)
    return case.became(replace(case, clocks=counted), CaseUpdated)


def count_in(case: Case, calendar: CalendarVersion, now: datetime) -> Change[Case]:
    """Counted in a revision of the calendar from now on. Nothing when it is counted in it already."""
    clocks = case.clocks
    if clocks is None:
        return case, []
    known = {each.target.calendar for each in clocks.targets}
    if calendar in known or all(each.calendar_id != calendar.calendar_id for each in known):
        return case, []
    counted = clocks.count_in(clocks.next_id, calendar, now)
    return case.became(replace(case, clocks=counted), CaseUpdated)


def retier(case: Case, version: ServicePolicyVersion | None, tier: str, now: datetime) -> Change[Case]:
    """Counted with the targets of another tier from now on. Nothing when it has it already."""
    clocks = case.clocks
    if clocks is None or clocks.tier == tier:
        return case, []
    if version is None:
        return case.became(replace(case, clocks=replace(clocks, tier=tier)), CaseUpdated)
    counted = clocks.measure_by(clocks.next_id, version, now, priority=case.priority, tier=tier)
    return case.became(replace(case, clocks=counted), CaseUpdated)
