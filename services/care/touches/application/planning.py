"""Planning: enrolling the audience of programs, and touches for the next 48 hours of each enrollment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from libs.chassis import identity
from libs.chassis.domain import Change
from services.care.customers.domain.permission import Finding, Reason
from services.care.customers.domain.projection import CustomerProjection
from services.care.programs.domain.plans import Plan
from services.care.programs.domain.programs import PlanOverride, Program, ProgramState
from services.care.programs.domain.triggers import Fact, OnFact, OnScore, OnUsage
from services.care.touches.domain.enrollments import Enrollment, EnrollmentState, Sweep
from services.care.touches.domain.measurements import Measurement
from services.care.touches.domain.parts import REACHED
from services.care.touches.domain.planning import BACK, HORIZON, Planner, key_of
from services.care.touches.domain.touches import Touch
from services.care.touches.store import SWEEP_BATCH, TouchesStore

Step = Callable[[Touch], Change[Touch]]


class Planning:
    """Plans touches ahead of their time."""

    def __init__(self, store: TouchesStore) -> None:
        self._store = store

    # ----------------------------------------------------------------------------------------------- who is enrolled

    def begin_sweep(self, program_ids: Iterable[str]) -> None:
        """All customers are to be gone through for these programs."""
        now = identity.now()
        blanks = [Sweep(id=self._store.sweeps.id_of(each), program_id=each) for each in {*program_ids}]
        self._store.sweeps.upsert_many([(each, now) for each in blanks], Sweep.begin)

    def sweep(self, due: Sequence[Sweep]) -> None:
        """Enrolls some more customers of each program. Its place decides, so however often it is called."""
        for sweep in due:
            customers, place = self._store.customers.stretch(sweep.place, SWEEP_BATCH)
            self._store.database.transact(partial(self._sweep_on, sweep, customers, place))

    def _sweep_on(self, sweep: Sweep, customers: Sequence[CustomerProjection], place: str) -> None:
        current = self._store.sweeps.get(sweep.id)
        if current.due_time is None or current.place != sweep.place:
            return
        program = self._store.programs.programs.find_by_id(sweep.program_id)
        if program is not None and program.state is ProgramState.ACTIVE:
            self._enroll([program], customers)
        self._store.sweeps.update_many([(sweep.id, place)], Sweep.advance)

    def follow(self, customer_ids: Iterable[str], *, silence_alone: bool = False) -> None:
        """Enrolls customers of whom something changed, and has their touches worked out anew."""
        known = self._store.customers.known(sorted({*customer_ids}))
        programs = self._store.programs.at_work()
        if silence_alone:
            programs = [each for each in programs if any(plan.on_silence is not None for plan in each.plans)]
        self._enroll(programs, {each.id: each for each in known.values()}.values())

    def _enroll(self, programs: Sequence[Program], customers: Iterable[CustomerProjection]) -> None:
        now = identity.now()
        looks = [
            (
                Enrollment(
                    id=self._store.enrollments.id_of(f"{program.id}:{customer.id}"),
                    program_id=program.id,
                    customer_id=customer.id,
                ),
                now,
            )
            for program in programs
            for customer in customers
            if program.includes(customer)
        ]
        self._store.enrollments.upsert_many(looks, lambda each, at: each.look(at, anew=True))

    # ------------------------------------------------------------------------------------------------ what they get

    def plan(self, due: Sequence[Enrollment]) -> None:
        """Plans the touches of enrollments up to the horizon. What is planned already stays as it is."""
        self._store.database.transact(lambda: self._plan(due))

    def _plan(self, due: Sequence[Enrollment]) -> None:
        now = identity.now()
        current = [each for each in self._current(due) if each.plan_time is not None and each.plan_time <= now]
        customers = self._store.customers.known([each.customer_id for each in current])
        programs = self._programs({each.program_id for each in current})
        overrides = self.overrides([each.customer_id for each in current])
        waiting: dict[str, list[Touch]] = {}
        for touch in self._store.waiting([each.id for each in current]):
            waiting.setdefault(touch.enrollment_id, []).append(touch)
        plans: list[Touch] = []
        steps: list[tuple[str, Step]] = []
        ends: list[tuple[str, Callable[[Enrollment], Change[Enrollment]]]] = []
        for enrollment in current:
            customer, program = customers.get(enrollment.customer_id), programs.get(enrollment.program_id)
            theirs = waiting.get(enrollment.id, [])
            state = _ends(enrollment, customer, program)
            if state is not None or customer is None or program is None:
                ends.append((enrollment.id, partial(Enrollment.end, state=state or EnrollmentState.LEFT)))
                steps += _given_up(theirs, now, "the customer left the program")
                continue
            plan = overrides.get((program.id, customer.id)) or program.plan_for(customer)
            found, next_time = _looked(enrollment, program, plan, customer, now)
            kept = {each.occurrence for each in found}
            gone = [each for each in theirs if each.occurrence not in kept and enrollment.anew]
            steps += _given_up(gone, now, "the program or the date has changed")
            fresh = now if enrollment.anew else enrollment.planned_to_time or now
            known = {each.occurrence for each in theirs}
            plans += [
                each
                for each in found
                if each.occurrence in known
                or (enrollment.anew and each.expire_time > now)
                or each.planned_time >= fresh
            ]
            ends.append((enrollment.id, partial(Enrollment.plan, to=now + HORIZON, next_time=next_time)))
        self.keep(plans, customers)
        self._store.touches.update_many(steps, lambda each, step: step(each))
        self._store.enrollments.update_many(ends, lambda each, end: end(each))

    def keep(self, touches: Sequence[Touch], customers: Mapping[str, CustomerProjection]) -> None:
        """Inserts touches, or moves those that wait, but for what came under another id of the customer."""
        merged = {each.id: each.merged_ids for each in customers.values() if each.merged_ids}
        keyed = {self._store.touches.id_of(_key(each)): each for each in touches}
        siblings = {
            id: [
                self._store.touches.id_of(key_of(each.program_id, other, each.occurrence))
                for other in merged[each.customer_id]
            ]
            for id, each in keyed.items()
            if each.customer_id in merged
        }
        there = self._store.some([*keyed, *(other for ids in siblings.values() for other in ids)])
        reached = {id for id, each in there.items() if each.state in REACHED}
        fresh = {id: each for id, each in keyed.items() if id not in there and not reached & {*siblings.get(id, ())}}
        self._store.touches.insert_many(
            [replace(each, id=id).plan() for id, each in fresh.items()], keys=[_key(each) for each in fresh.values()]
        )
        moved = [(id, each) for id, each in keyed.items() if id in there and not reached & {*siblings.get(id, ())}]
        self._store.touches.update_many(moved, Touch.replan)

    # -------------------------------------------------------------------------------------------- what answers facts

    def answer(self, fact: Fact, value: str, customer_id: str, at: datetime, key: str) -> None:
        """Plans what programs give for a fact of another service. Its key makes it happen once."""
        self._answer(customer_id, at, key, lambda trigger: isinstance(trigger, OnFact) and trigger.answers(fact, value))

    def report(self, measurement: Measurement) -> Measurement:
        """Keeps a measurement, and plans what programs give for it."""
        customer = self._store.customers.require(measurement.customer_id)
        id = self._store.measurements.id_of(f"{customer.canonical_id}:{measurement.measure}")
        blank = Measurement(id=id, customer_id=customer.canonical_id, measure=measurement.measure)

        def work() -> Measurement:
            before = self._store.measurements.find_by_id(id)
            [kept] = self._store.measurements.upsert_many([(blank, measurement)], Measurement.measure_again)
            last = before.value if before is not None else None

            def meets(trigger: object) -> bool:
                if isinstance(trigger, OnUsage):
                    return trigger.answers(kept.measure, kept.value, kept.saving_minor_units)
                return isinstance(trigger, OnScore) and trigger.answers(kept.measure, last, kept.value)

            key = f"{kept.measure}:{kept.period or kept.count}"
            self._answer(customer.id, identity.now(), key, meets)
            return kept

        return self._store.database.transact(work, again=lambda: self._store.measurements.get(id))

    def _answer(self, customer_id: str, at: datetime, key: str, meets: Callable[[object], bool]) -> None:
        known = self._store.customers.find(customer_id)
        customer = known or CustomerProjection.unheard(customer_id, at)
        overrides = self.overrides([customer.id])
        touches = []
        for program in self._store.programs.at_work():
            plan = overrides.get((program.id, customer.id)) or program.plan_for(customer)
            if plan is not None and meets(plan.trigger) and (known is None or program.includes(customer)):
                delay = plan.on_fact.delay if plan.on_fact is not None else timedelta()
                touches.append(Planner(program=program, plan=plan, customer=customer).at(at + delay, key))
        self.keep(touches, {customer.id: customer})

    # --------------------------------------------------------------------------------------------------------- steps

    def overrides(self, customer_ids: Sequence[str]) -> Mapping[tuple[str, str], Plan]:
        """(program, customer) → the plan that overrides that of the tier now."""
        found: Sequence[PlanOverride] = self._store.programs.overrides_of(sorted({*customer_ids}), identity.now())
        return {(each.program_id, each.customer_id): each.plan for each in found}

    def _programs(self, ids: Iterable[str]) -> Mapping[str, Program]:
        return self._store.programs.some(sorted({*ids}))

    def _current(self, due: Sequence[Enrollment]) -> Sequence[Enrollment]:
        return self._store.enrollments.batch_get([each.id for each in due])


def _ends(
    enrollment: Enrollment, customer: CustomerProjection | None, program: Program | None
) -> EnrollmentState | None:
    """The state in which an enrollment ends now. None while it goes on."""
    if customer is None or program is None or program.state is ProgramState.RETIRED:
        return EnrollmentState.LEFT
    if customer.id != enrollment.customer_id:
        return EnrollmentState.SUPERSEDED
    return None if program.includes(customer) else EnrollmentState.LEFT


def _looked(
    enrollment: Enrollment, program: Program, plan: Plan | None, customer: CustomerProjection, now: datetime
) -> tuple[list[Touch], datetime | None]:
    """(touches around the horizon, the time of the next look)."""
    if plan is None or plan.comes_of_a_fact:
        return [], None
    planner = Planner(program=program, plan=plan, customer=customer, enrollment_id=enrollment.id)
    start = min(enrollment.planned_to_time or now, now) - BACK
    found = list(planner.touches(start, now + HORIZON))
    return found, planner.next_time(now + HORIZON)


def _given_up(touches: Iterable[Touch], now: datetime, why: str) -> list[tuple[str, Step]]:
    finding = Finding(reason=Reason.NO_LONGER_DUE, explanation=why)
    return [(each.id, lambda touch: touch.supersede(finding, now)) for each in touches]


def _key(touch: Touch) -> str:
    return key_of(touch.program_id, touch.customer_id, touch.occurrence)
