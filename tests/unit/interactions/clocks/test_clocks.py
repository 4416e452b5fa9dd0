"""Service clocks: policies, what moves clocks and what does not, and what another policy or calendar changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import InvalidArgument
from libs.worktime.calendar import (
    WEEKDAYS,
    CalendarException,
    ExceptionKind,
    MinuteInterval,
    WeeklyInterval,
    WeeklySchedule,
)
from libs.worktime.clock import CalendarVersion, ClockEvent, ClockEventKind, ClockState
from libs.worktime.folding import append
from libs.worktime.hours import AroundTheClock, Hours, WorkingHours
from libs.worktime.refusals import ClockEventAhead
from services.interactions.clocks.domain.clocks import MessageKind, ServiceClocks
from services.interactions.clocks.domain.policies import (
    NoPolicyInForce,
    PolicyVersionFixed,
    ServiceMetric,
    ServicePolicy,
    ServicePolicyVersion,
    ServiceTarget,
)
from services.interactions.clocks.domain.refolding import differences, simulated, tally

HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 8, 10, tzinfo=UTC)
OFFICE = CalendarVersion(calendar_id="cal_office", revision=1)
HOLIDAY = CalendarVersion(calendar_id="cal_office", revision=2)
FIRST, NEXT, ACK, UPDATE, RESOLUTION, SPEED = ServiceMetric


@dataclass(frozen=True)
class Office:
    """Nine to five, Monday to Friday."""

    exceptions: tuple[CalendarException, ...] = ()
    time_zone: str = "UTC"
    schedules: tuple[WeeklySchedule, ...] = (
        WeeklySchedule(
            intervals=tuple(WeeklyInterval(weekday=day, start_minute=540, end_minute=1020) for day in WEEKDAYS[:5])
        ),
    )


HOURS: dict[CalendarVersion, Hours] = {
    CalendarVersion(): AroundTheClock(),
    OFFICE: WorkingHours(Office()),
    HOLIDAY: WorkingHours(
        Office((CalendarException(date=MONDAY.date(), kind=ExceptionKind.CLOSED, label="Founders' day"),))
    ),
}
hours_of = HOURS.__getitem__


def at(day: int, hour: float) -> datetime:
    return MONDAY + timedelta(days=day, hours=hour)


def version(work: timedelta, *more: ServiceTarget, since: datetime = MONDAY) -> ServicePolicyVersion:
    resolution = ServiceTarget(metric=RESOLUTION, work=work, warnings=(75,), pauses=("WAITING_CUSTOMER",))
    return ServicePolicyVersion(policy_id="sla_1", since_time=since, targets=(resolution, *more), calendar=OFFICE)


ANSWERS = (
    ServiceTarget(metric=FIRST, work=HOUR),
    ServiceTarget(metric=NEXT, work=2 * HOUR),
    ServiceTarget(metric=UPDATE, work=8 * HOUR),
)


def opened(policy: ServicePolicyVersion, time: datetime | None = None) -> ServiceClocks:
    return ServiceClocks.under(policy, priority=3).open("opened", time or at(0, 9))


def test_a_policy_is_a_row_of_versions_that_never_change() -> None:
    policy, _ = ServicePolicy(id="sla_1", display_name="x", versions=(version(8 * HOUR),)).create()
    policy, _ = policy.publish(version(4 * HOUR, since=at(1, 0)))
    assert [each.version for each in policy.versions] == [1, 2]
    assert policy.at(at(0, 23)).version == 1
    assert policy.at(at(1, 0)).version == 2
    for since in (at(1, 0), at(0, 5)):
        with pytest.raises(PolicyVersionFixed, match="Version 2"):
            policy.publish(version(HOUR, since=since))
    with pytest.raises(NoPolicyInForce):
        policy.at(MONDAY - HOUR)


def test_wrong_targets_are_refused_all_at_once() -> None:
    bad = (
        ServiceTarget(metric=FIRST, work=timedelta(0)),
        ServiceTarget(metric=NEXT, work=HOUR, warnings=(100,)),
        ServiceTarget(metric=NEXT, work=HOUR),
        ServiceTarget(metric=ACK, work=HOUR, priority=0),
    )
    with pytest.raises(InvalidArgument) as caught:
        ServicePolicy(id="sla_1", display_name="x", versions=(version(HOUR, *bad),)).create()
    told = [violation.field for violation in caught.value.violations]
    assert told == ["targets[1].work", "targets[2].warnings", "targets[3]", "targets[4].priority"]
    with pytest.raises(InvalidArgument, match="at least one"):
        ServicePolicyVersion(policy_id="", since_time=MONDAY, targets=()).check()


@pytest.mark.parametrize(
    ("priority", "tier", "hours"), [(1, "GOLD", 1), (1, "BASIC", 2), (3, "GOLD", 3), (3, "BASIC", 4)]
)
def test_the_most_specific_target_counts(priority: int, tier: str, hours: int) -> None:
    targets = (
        ServiceTarget(metric=FIRST, work=4 * HOUR),
        ServiceTarget(metric=FIRST, work=3 * HOUR, tier="GOLD"),
        ServiceTarget(metric=FIRST, work=2 * HOUR, priority=1),
        ServiceTarget(metric=FIRST, work=1 * HOUR, priority=1, tier="GOLD"),
    )
    found = version(8 * HOUR, *targets).target(FIRST, priority, tier)
    assert found is not None
    assert found.work == hours * HOUR
    assert version(8 * HOUR).target(FIRST, priority, tier) is None


def test_t09_a_policy_switched_while_paused_keeps_the_pause_and_records_the_difference() -> None:
    before = opened(version(8 * HOUR)).enter("wait", "WAITING_CUSTOMER", at(0, 11))
    after = before.measure_by("switch", version(4 * HOUR), at(0, 13))
    (found,) = differences("cas_1", before, after, at(0, 14), hours_of)
    assert (found.before.state, found.after.state) == (ClockState.PAUSED, ClockState.PAUSED)
    assert (found.before.left, found.after.left) == (6 * HOUR, 2 * HOUR)
    assert not found.newly_breached
    (clock,) = after.enter("back", "", at(1, 9)).of(RESOLUTION)
    stands = clock.stands(at(1, 10), hours_of)
    assert stands.due_time == at(1, 11)
    assert stands.spent == 3 * HOUR
    assert len(stands.versions) == 2


def test_t10_a_holiday_added_for_today_moves_the_due_time_and_the_old_breach_stays_in_history() -> None:
    before = opened(version(2 * HOUR))
    after = before.count_in("holiday", HOLIDAY, at(0, 12))
    (found,) = differences("cas_1", before, after, at(0, 12), hours_of)
    assert found.before.due_time == at(0, 11)
    assert found.after.due_time == at(1, 11)
    assert found.after.breached_time is None
    assert found.after.versions[0].breached_time == at(0, 11)
    elsewhere = after.count_in("other", replace(HOLIDAY, calendar_id="cal_2"), at(0, 12))
    assert differences("cas_1", after, elsewhere, at(0, 12), hours_of) == []
    assert (
        differences(
            "cas_1",
            after,
            after.count_in("other", replace(HOLIDAY, calendar_id="cal_2"), at(0, 12)),
            at(0, 12),
            hours_of,
        )
        == []
    )


def test_t11_a_night_shift_over_the_change_of_the_clock_counts_the_seconds_that_passed() -> None:
    nights = WorkingHours(
        Office(
            time_zone="Europe/Berlin",
            schedules=(
                WeeklySchedule(
                    intervals=tuple(WeeklyInterval(weekday=day, start_minute=1320, end_minute=1800) for day in WEEKDAYS)
                ),
            ),
        )
    )
    evening = datetime(2026, 3, 28, 21, tzinfo=UTC)  # 22:00 in Berlin, and at 2:00 the clock goes forward
    clocks = opened(version(7 * HOUR, since=evening), evening)
    (clock,) = clocks.of(RESOLUTION)
    assert clock.stands(evening, lambda _: nights).due_time == evening + 7 * HOUR
    assert nights.elapsed(evening, evening + 12 * HOUR) == 7 * HOUR


def test_t12_a_working_saturday_and_a_half_day_count_as_the_calendar_says() -> None:
    def on(day: int, kind: ExceptionKind, start: int, end: int) -> CalendarException:
        return CalendarException(
            date=date(2026, 8, 10 + day), kind=kind, intervals=(MinuteInterval(start_minute=start, end_minute=end),)
        )

    hours = WorkingHours(Office((on(4, ExceptionKind.REPLACE, 540, 720), on(5, ExceptionKind.OPEN, 540, 1020))))
    (clock,) = opened(version(8 * HOUR), at(4, 9)).of(RESOLUTION)
    assert clock.stands(at(4, 9), lambda _: hours).due_time == at(5, 14)


@pytest.mark.parametrize("kind", [MessageKind.THANKS, MessageKind.AUTO_REPLY, MessageKind.NOTE])
def test_t21_thanks_notes_and_auto_replies_start_and_fulfil_nothing(kind: MessageKind) -> None:
    waiting = opened(version(8 * HOUR, *ANSWERS))
    assert waiting.hear("m1", kind, at(0, 9.5)).clocks == waiting.clocks
    resolved = waiting.hear("m2", MessageKind.ANSWER, at(0, 9.5)).resolve("done", at(0, 10))
    assert resolved.hear("m3", kind, at(0, 11)).clocks == resolved.clocks
    assert resolved.of(NEXT) == ()


def test_each_message_that_waits_has_a_next_response_of_its_own() -> None:
    clocks = opened(version(8 * HOUR, *ANSWERS)).hear("m1", MessageKind.CUSTOMER, at(0, 9.25))
    assert clocks.of(NEXT) == ()  # the first response is still owed
    clocks = clocks.hear("m2", MessageKind.ANSWER, at(0, 9.5)).hear("m3", MessageKind.CUSTOMER, at(0, 10))
    clocks = clocks.hear("m4", MessageKind.CUSTOMER, at(0, 11)).hear("m5", MessageKind.ANSWER, at(0, 13))
    clocks = clocks.hear("m6", MessageKind.CUSTOMER, at(0, 14))
    late, running = (clock.stands(at(0, 15), hours_of) for clock in clocks.of(NEXT))
    assert (late.start_time, late.breached_time) == (at(0, 10), at(0, 12))
    assert (running.state, running.due_time) == (ClockState.RUNNING, at(0, 16))
    assert clocks.of(FIRST)[0].stands(at(0, 15), hours_of).breached_time is None


def test_an_update_begins_anew_after_each_answer() -> None:
    clocks = opened(version(16 * HOUR, *ANSWERS)).hear("m1", MessageKind.UPDATE, at(0, 10))
    first, second = (clock.stands(at(0, 11), hours_of) for clock in clocks.of(UPDATE))
    assert (first.state, second.state, second.due_time) == (ClockState.FULFILLED, ClockState.RUNNING, at(1, 10))


def test_only_the_states_that_a_target_lists_pause_its_clock() -> None:
    policy = version(8 * HOUR, ServiceTarget(metric=UPDATE, work=8 * HOUR))
    clocks = opened(policy).enter("a", "WAITING_CUSTOMER", at(0, 10)).enter("b", "WAITING_THIRD_PARTY", at(0, 12))
    paused, runs = (clocks.of(metric)[0].stands(at(0, 13), hours_of) for metric in (RESOLUTION, UPDATE))
    assert (paused.spent, paused.state) == (2 * HOUR, ClockState.RUNNING)
    assert runs.spent == 4 * HOUR


def test_a_clock_that_starts_while_its_subject_waits_is_paused_at_once() -> None:
    next_response = ServiceTarget(metric=NEXT, work=HOUR, pauses=("WAITING_CUSTOMER",))
    clocks = opened(version(8 * HOUR, next_response)).enter("a", "WAITING_CUSTOMER", at(0, 10))
    (clock,) = clocks.hear("m", MessageKind.CUSTOMER, at(0, 11)).of(NEXT)
    assert clock.stands(at(0, 12), hours_of).state is ClockState.PAUSED


def test_a_reopening_continues_the_resolution_and_owes_a_response() -> None:
    resolved = opened(version(8 * HOUR, *ANSWERS)).resolve("done", at(0, 12))
    (clock,) = resolved.of(RESOLUTION)
    assert clock.stands(at(0, 13), hours_of).state is ClockState.FULFILLED
    back = resolved.reopen("back", at(1, 9))
    (clock,) = back.of(RESOLUTION)
    assert clock.stands(at(1, 9), hours_of).due_time == at(1, 14)
    assert len(back.of(NEXT)) == 1
    assert back.of(UPDATE)[-1].stands(at(1, 10), hours_of).state is ClockState.RUNNING


def test_a_repeat_changes_nothing_and_the_future_is_refused() -> None:
    clocks = opened(version(8 * HOUR, *ANSWERS))
    assert clocks.open("opened", at(0, 9)) == clocks
    heard = clocks.hear("m1", MessageKind.ANSWER, at(0, 10))
    assert heard.hear("m1", MessageKind.ANSWER, at(0, 10)) == heard
    for change in (heard.resolve("x", at(0, 11)), heard.cancel("y", at(0, 11)), heard.enter("z", "WAITING", at(0, 11))):
        assert change != heard
    with pytest.raises(ClockEventAhead):
        append(heard.clocks[0].events, ClockEvent(id="f", kind=ClockEventKind.CANCEL, time=at(2, 9)), at(0, 12))


def test_a_policy_is_simulated_over_the_past() -> None:
    quick = opened(version(8 * HOUR)).resolve("done", at(0, 10))
    slow = opened(version(8 * HOUR)).resolve("done", at(0, 15)).measure_by("no effect", version(9 * HOUR), at(0, 16))
    running = opened(version(8 * HOUR), at(1, 9))
    dropped = opened(version(8 * HOUR)).cancel("spam", at(0, 9.5))
    past = [simulated(each, version(3 * HOUR)) for each in (quick, slow, running, dropped)]
    of_all, of_third = tally(past, at(1, 10), hours_of)
    assert (of_all.metric, of_all.priority, of_third.priority) == (RESOLUTION, 0, 3)
    for found in (of_all, of_third):
        assert (found.met, found.breached, found.open, found.share_met) == (1, 1, 1, 0.5)
    assert tally([], at(1, 10), hours_of) == ()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["customer", "answer", "thanks", "wait", "back", "resolve", "reopen", "policy", "holiday"]),
        st.integers(0, 240),
    ),
    max_size=12,
)


@given(STEPS)
def test_no_life_of_a_subject_leaves_an_event_that_does_not_fit(steps: list[tuple[str, int]]) -> None:
    clocks, now = opened(version(8 * HOUR, *ANSWERS)), at(0, 9)
    for n, (step, minutes) in enumerate(steps):
        now += timedelta(minutes=minutes)
        match step:
            case "customer" | "answer" | "thanks":
                clocks = clocks.hear(f"s{n}", MessageKind(step.upper()), now)
            case "wait" | "back":
                clocks = clocks.enter(f"s{n}", "WAITING_CUSTOMER" if step == "wait" else "", now)
            case "resolve":
                clocks = clocks.resolve(f"s{n}", now)
            case "reopen":
                clocks = clocks.reopen(f"s{n}", now)
            case "policy":
                clocks = clocks.measure_by(f"s{n}", version(5 * HOUR, *ANSWERS), now)
            case _:
                clocks = clocks.count_in(f"s{n}", HOLIDAY, now)
    for clock in clocks.clocks:
        assert clock.stands(now, hours_of).unfit == ()
    assert sum(clock.state(now) is ClockState.RUNNING for clock in clocks.of(NEXT)) <= 1
