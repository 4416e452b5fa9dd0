"""Rules in their order, and the turns of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from libs.chassis.filtering import all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Count, Database, Index
from services.opportunities.assignment.domain import AssignmentRule, AssignmentTurns
from services.opportunities.calendars.store import CalendarsStore
from services.opportunities.leads.domain.parts import OPEN_STATES
from services.opportunities.leads.store import OPEN_OF_OWNERS, LeadsStore

RULES = (Index(("place",)), Index(("retired", "place")))
RULES_MAX = 500
"""Rules that are tried."""


class AssignmentStore:
    """Rules, turns, and the leads that they are about."""

    def __init__(self, database: Database, leads: LeadsStore, calendars: CalendarsStore) -> None:
        self.database = database
        self.leads, self.calendars = leads, calendars
        self.rules = database.collection(AssignmentRule, "assignment_rules", indexes=RULES)
        self.turns = database.collection(AssignmentTurns, "assignment_turns", publishes=False)

    def list(self, request: PageRequest) -> Page[AssignmentRule]:
        """A page of all rules, in the order in which they are tried."""
        return self.rules.page(None, request, order="place")

    def in_force(self) -> Sequence[AssignmentRule]:
        """The rules that are tried, in order."""
        return self.rules.find(field("retired") == False, order="place", limit=RULES_MAX)  # noqa: E712

    def turns_of(self, rule_id: str) -> AssignmentTurns:
        """The turns of a rule, none at all when it never gave a lead."""
        blank = self.blank_turns(rule_id)
        return self.turns.find_by_id(blank.id) or blank

    def blank_turns(self, rule_id: str) -> AssignmentTurns:
        """The turns of a rule that never gave a lead."""
        return AssignmentTurns(id=self.turns.id_of(rule_id), rule_id=rule_id)

    def open_leads(self, members: Collection[str]) -> Mapping[str, int]:
        """Agent → open leads of theirs, whoever gave them."""
        if not members:
            return {}
        theirs = all_of(field("owner").one_of(sorted(members)), field("state").one_of(OPEN_STATES))
        return dict(self.leads.leads.totals(theirs, ["owner"], [Count()], index=OPEN_OF_OWNERS))
