"""Everything that is held on a customer, and its erasure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from libs.chassis.erasure import Erasures, Holding
from libs.chassis.store import Database
from services.care.customers.store import CustomersStore
from services.care.pressure.domain import Book
from services.care.programs.domain.programs import PlanOverride
from services.care.programs.store import ProgramsStore
from services.care.touches.domain.enrollments import Enrollment
from services.care.touches.domain.measurements import Measurement
from services.care.touches.domain.touches import Touch
from services.care.touches.store import TouchesStore


class PrivacyStore:
    """The holdings of the service."""

    def __init__(
        self,
        database: Database,
        customers: CustomersStore,
        programs: ProgramsStore,
        touches: TouchesStore,
        others: Sequence[Holding[Any]],
    ) -> None:
        overrides = Holding(
            collection=programs.overrides,
            erased=PlanOverride.erase,
            kept="plans and times without reasons",
            record="override",
        )
        came = Holding(
            collection=touches.touches,
            erased=Touch.erase,
            kept="states and times without words",
            order="-planned_time",
            record="touch",
        )
        enrolled = Holding(
            collection=touches.enrollments, erased=Enrollment.leave, kept="ids and times", record="enrollment"
        )
        pressed = Holding(collection=touches.pressure.books, erased=Book.erase, kept="ids and times", record="book")
        measured = Holding(
            collection=touches.measurements, erased=Measurement.erase, kept="ids and times", record="measurement"
        )
        self.erasures = Erasures(database, customers, [overrides, came, enrolled, pressed, measured, *others])
