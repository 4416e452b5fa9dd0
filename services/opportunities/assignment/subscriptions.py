"""The timer that gives leads to those who answer for them."""

from __future__ import annotations

from datetime import timedelta

from libs.chassis.timers import Timer
from services.opportunities.assignment.application import AssignmentRules
from services.opportunities.assignment.store import AssignmentStore
from services.opportunities.leads.domain.leads import Lead


def timers(store: AssignmentStore) -> list[Timer[Lead]]:
    """The leads that nobody answers for yet."""
    rules = AssignmentRules(store)
    return [Timer(name="triage", every=timedelta(seconds=1), due=store.leads.waiting(), run=rules.triage)]
