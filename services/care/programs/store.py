"""Programs, their versions, and the plans of single customers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from libs.chassis.filtering import all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.care.customers.store import CustomersStore
from services.care.programs.domain.programs import PlanOverride, Program, ProgramState, ProgramVersion

AT_WORK_MAX = 1000
"""Programs of a tenant that may be at work."""
PROGRAMS = (Index(("display_name",)), Index(("state",)))
OVERRIDES = (
    Index(("program_id", "-expire_time")),
    Index(("customer_id", "-create_time")),
    Index(("customer_id", "program_id", "-expire_time")),
)


class ProgramsStore:
    """Programs, and the customers that overrides are about."""

    def __init__(self, database: Database, customers: CustomersStore) -> None:
        self.database, self.customers = database, customers
        self.programs = database.collection(Program, "programs", indexes=PROGRAMS)
        self.versions = database.collection(ProgramVersion, "program_versions", publishes=False)
        self.overrides = database.collection(PlanOverride, "plan_overrides", indexes=OVERRIDES)

    def list(self, request: PageRequest) -> Page[Program]:
        """A page of all programs, by name."""
        return self.programs.page(None, request, order="display_name")

    def list_overrides(self, program_id: str, request: PageRequest) -> Page[PlanOverride]:
        """A page of the overrides of a program, the last to expire first."""
        return self.overrides.page(field("program_id") == program_id, request, order="-expire_time")

    def at_work(self) -> Sequence[Program]:
        """The programs that are active."""
        return self.programs.find(field("state") == ProgramState.ACTIVE, limit=AT_WORK_MAX)

    def some(self, ids: Sequence[str]) -> dict[str, Program]:
        """Id → program, of those that there are."""
        found = self.programs.find(field("_id").one_of(ids), limit=len(ids)) if ids else []
        return {each.id: each for each in found}

    def overrides_of(self, customer_ids: Sequence[str], now: datetime) -> Sequence[PlanOverride]:
        """The overrides of customers that have not expired."""
        if not customer_ids:
            return []
        return self.overrides.find(
            all_of(field("customer_id").one_of(customer_ids), field("expire_time") > now), order=None, limit=10_000
        )
