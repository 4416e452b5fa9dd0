"""Touches by time, customer, program and code, and the enrollments that plan them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from libs.chassis.filtering import FilterSpec, all_of, field, parse
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Due, Index
from services.care.customers.domain.projection import Channel
from services.care.customers.store import CustomersStore
from services.care.pressure.store import PressureStore
from services.care.programs.store import ProgramsStore
from services.care.senders.store import SendersStore
from services.care.touches.domain.enrollments import Enrollment, Sweep
from services.care.touches.domain.measurements import Measurement
from services.care.touches.domain.parts import TouchState
from services.care.touches.domain.touches import Touch

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
DUE, PLANS, SWEEPS = field("due_time") > _EVER, field("plan_time") > _EVER, field("due_time") > _EVER
CODED, OPEN_TASKS = field("code") > "", field("state") == TouchState.ASSIGNED
"""Conditions of partial indexes. A query that is to use one repeats it."""
TOUCH_BATCH, PLAN_BATCH, SWEEP_BATCH = 200, 200, 500
"""Touches that are looked at in one go, enrollments that are planned, and customers that are gone through."""
WAITING_MAX: Final = 5000
"""Waiting touches of a batch of enrollments."""

TOUCHES = (
    Index(("channel", "due_time"), only=DUE, every_tenant=True),
    Index(("enrollment_id", "due_time"), only=DUE),
    Index(("customer_id", "-planned_time")),
    Index(("program_id", "state", "planned_time")),
    Index(("program_id", "planned_time")),
    Index(("state", "planned_time")),
    Index(("planned_time",)),
    Index(("code",), only=CODED),
    Index(("task.assignee", "task.due_time"), only=OPEN_TASKS),
)
ENROLLMENTS = (
    Index(("plan_time",), only=PLANS, every_tenant=True),
    Index(("customer_id", "-create_time")),
)
MEASUREMENTS = (Index(("customer_id", "-create_time")),)
FILTER = FilterSpec({"program_id": str, "state": TouchState, "planned_time": datetime})


class TouchesStore:
    """Touches and enrollments, with the customers, programs and senders that decide about them."""

    def __init__(
        self,
        database: Database,
        customers: CustomersStore,
        programs: ProgramsStore,
        senders: SendersStore,
        pressure: PressureStore,
    ) -> None:
        self.database = database
        self.customers, self.programs, self.senders, self.pressure = customers, programs, senders, pressure
        self.touches = database.collection(Touch, "touches", indexes=TOUCHES)
        self.enrollments = database.collection(Enrollment, "enrollments", indexes=ENROLLMENTS, publishes=False)
        self.sweeps = database.collection(
            Sweep, "sweeps", indexes=(Index(("due_time",), only=SWEEPS, every_tenant=True),), publishes=False
        )
        self.measurements = database.collection(Measurement, "measurements", indexes=MEASUREMENTS, publishes=False)

    def list(self, filter: str, request: PageRequest) -> Page[Touch]:
        """Touches that meet an AIP-160 filter, the earliest planned first."""
        return self.touches.page(parse(filter, FILTER), request, order="planned_time")

    def of_customer(self, customer_id: str, request: PageRequest) -> Page[Touch]:
        """The touches of a customer under every id, the latest planned first."""
        ids = self.customers.group(customer_id)
        return self.touches.page(field("customer_id").one_of(ids), request, order="-planned_time")

    def tasks(self, assignee: str, request: PageRequest) -> Page[Touch]:
        """The open tasks of a person, the first due first."""
        return self.touches.page(all_of(OPEN_TASKS, field("task.assignee") == assignee), request, order="task.due_time")

    def by_code(self, code: str) -> Touch | None:
        """The touch whose link carries a code."""
        return self.touches.find_one(all_of(CODED, field("code") == code))

    def some(self, ids: Sequence[str]) -> dict[str, Touch]:
        """Id → touch, of those that there are."""
        found = self.touches.find(field("_id").one_of(ids), limit=len(ids)) if ids else []
        return {each.id: each for each in found}

    def waiting(self, enrollment_ids: Sequence[str]) -> Sequence[Touch]:
        """The touches of enrollments that wait for their time."""
        return self.touches.find(
            all_of(DUE, field("enrollment_id").one_of(enrollment_ids)), order=None, limit=WAITING_MAX
        )

    def due(self, *channels: Channel) -> Due[Touch]:
        """Touches of channels whose time has come, the longest ago first."""
        return Due(
            self.touches,
            lambda now: all_of(DUE, field("channel").one_of(channels), field("due_time") <= now),
            order="due_time",
            limit=TOUCH_BATCH,
        )

    def to_plan(self) -> Due[Enrollment]:
        """Enrollments whose next touch comes near, or that changed."""
        return Due(
            self.enrollments, lambda now: all_of(PLANS, field("plan_time") <= now), order="plan_time", limit=PLAN_BATCH
        )

    def to_sweep(self) -> Due[Sweep]:
        """Programs whose customers are to be gone through."""
        return Due(self.sweeps, lambda now: all_of(SWEEPS, field("due_time") <= now), order="due_time", limit=20)
