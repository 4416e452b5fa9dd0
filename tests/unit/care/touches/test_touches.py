"""Touches: planned ahead, judged when they are sent, and each of the cases in which others send twice or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from kehu.care.v1 import programs_pb2, senders_pb2
from kehu.care.v1 import touches_pb2 as pb
from kehu.interactions.v1 import events_pb2 as interactions
from kehu.profiles.v1 import events_pb2 as profiles
from kehu.profiles.v1 import merges_pb2

from libs.chassis import identity
from libs.chassis.domain import DomainError
from services.care.customers.domain.projection import Channel
from services.care.senders.domain import Fate, Handover, Message
from services.care.touches.application.firing import Firing, Waits
from services.care.touches.domain.touches import Touch, TouchState
from tests.unit.care.conftest import NOW, PLAN, Care, Heard, active, created, customer, grant, pulse, sender

DAY = timedelta(days=1)
BIRTHDAY = datetime(2026, 3, 3, 1, tzinfo=UTC)
"""Nine o'clock in Shanghai on the birthday of the customers of these tests."""


@dataclass
class Provider:
    """A provider that does as it is told and remembers every message: an adapter of the port, in this process."""

    can_find: bool = True
    sent: list[Message] = field(default_factory=list)
    fates: list[Fate] = field(default_factory=list)
    before: Callable[[Message], object] = lambda _: None
    keeps: bool = True
    """Set when it keeps what it gives no answer about."""
    asked: list[str] = field(default_factory=list)

    def send(self, message: Message) -> Handover:
        self.before(message)
        fate = self.fates.pop(0) if self.fates else Fate.ACCEPTED
        if fate is Fate.ACCEPTED or (fate is Fate.UNKNOWN and self.keeps):
            self.sent.append(message)
        return Handover(fate=fate, provider_id="p1" if fate is Fate.ACCEPTED else "", explanation=str(fate))

    def find(self, key: str) -> Handover | None:
        self.asked.append(key)
        if not self.can_find:
            return Handover(fate=Fate.UNKNOWN)
        return Handover(fate=Fate.ACCEPTED, provider_id="p1") if any(each.key == key for each in self.sent) else None

    def close(self) -> None:
        """Nothing to end."""


@pytest.fixture
def provider() -> Provider:
    return Provider()


def due(world: Care, *channels: Channel) -> list[Touch]:
    found = world.store.touches.due(*(channels or tuple(Channel))).find(identity.now())
    return [each.entity for each in found if each.entity is not None]


def fire(world: Care, provider: Provider, **options: Any) -> None:
    """One round over everything that is due, as the timers do it."""
    Firing(world.store.touches, ports=lambda _: provider, **options).fire(due(world))


def touches(world: Care) -> list[Touch]:
    return sorted(world.store.touches.touches.find(None, limit=100), key=lambda each: each.planned_time)


def planned(world: Care) -> list[Touch]:
    world.tick("sweeps")
    world.tick("planning")
    return touches(world)


def go(world: Care, at: datetime, *, hear: bool = True) -> None:
    """Lets time pass, with signs of consent as they come every minute."""
    world.clock.at = at
    if hear:
        pulse(world)


# ------------------------------------------------------------------------------------------------------------ planning


def test_a_touch_is_planned_within_48_hours_and_not_before(world: Care, heard: Heard) -> None:
    active(world)
    heard(dates=[{"kind": "KIND_BIRTH", "month": 3, "day": 6, "year": 1980}])
    assert planned(world) == []
    world.clock.at = NOW + timedelta(days=1, hours=23)
    assert planned(world) == []
    world.clock.at = NOW + timedelta(days=2)
    [touch] = planned(world)
    assert touch.planned_time == datetime(2026, 3, 6, 1, tzinfo=UTC)
    assert (touch.local_date, touch.minute, touch.time_zone) == (date(2026, 3, 6), 540, "Asia/Shanghai")
    assert touch.expire_time == datetime(2026, 3, 6, 16, tzinfo=UTC)


def test_a_second_look_plans_nothing_twice(world: Care, heard: Heard) -> None:
    active(world)
    id = heard()
    [touch] = planned(world)
    for revision in range(2, 5):
        heard(id, revision)
        assert planned(world) == [touch]


def test_a_date_that_was_wrong_takes_its_touch_back(world: Care, heard: Heard) -> None:
    active(world)
    id = heard()
    planned(world)
    heard(id, 2, dates=[{"kind": "KIND_BIRTH", "month": 3, "day": 4, "year": 1980}])
    states = {each.local_date: each.state for each in planned(world)}
    assert states == {date(2026, 3, 3): TouchState.SUPERSEDED, date(2026, 3, 4): TouchState.PLANNED}
    heard(id, 3)
    states = {each.local_date: each.state for each in planned(world)}
    assert states == {date(2026, 3, 3): TouchState.PLANNED, date(2026, 3, 4): TouchState.SUPERSEDED}


# ------------------------------------------------------------------------------------------------------------- sending


def test_a_message_comes_at_the_minute_in_the_words_of_the_customer(
    world: Care, heard: Heard, provider: Provider
) -> None:
    active(world)
    sender(world)
    heard()
    planned(world)
    go(world, BIRTHDAY - timedelta(minutes=1))
    fire(world, provider)
    assert provider.sent == []
    go(world, BIRTHDAY)
    fire(world, provider)
    [message] = provider.sent
    [touch] = touches(world)
    assert (message.key, message.to, message.subject) == (touch.id, "wang@example.com", "生日快乐，王芳")
    assert message.unsubscribe_url == f"https://example.com/out/{touch.code}"
    assert message.unsubscribe_url in message.body
    assert (touch.state, touch.send_time) == (TouchState.SENT, BIRTHDAY)
    assert touch.permission_ref.startswith("rcp_")
    assert [each for each in world.events() if each.startswith("touch")] == [
        "touch.planned",
        "touch.claimed",
        "touch.sent",
    ]
    fire(world, provider)
    assert len(provider.sent) == 1


def test_t05_consent_withdrawn_between_claim_and_send_calls_no_provider(
    world: Care, heard: Heard, provider: Provider
) -> None:
    active(world)
    sender(world)
    ids = [heard(contact_points=[mailbox(n)]) for n in range(3)]
    planned(world)
    go(world, BIRTHDAY)
    no = grant(state="STATE_WITHDRAWN", capture_time=BIRTHDAY)

    def withdraw(message: Message) -> None:
        """While the first message is under way, all of the others are claimed and take their consent back."""
        for id in ids:
            told = customer(id, contact_points=[mailbox(ids.index(id))], consent={"decisions": [grant(), no]})
            world.hear(profiles.ConsentChanged(customer_id=id, customer=told), entity_id=id, revision=2)

    provider.before = withdraw
    fire(world, provider)
    assert len(provider.sent) == 1
    late = [each for each in touches(world) if each.state is TouchState.SUPPRESSED]
    assert len(late) == 2
    assert {finding.reason for each in late for finding in each.findings} == {"CONSENT_REFUSED"}
    assert all(each.attempts == 1 for each in late)  # it was claimed


def test_nothing_is_sent_while_nothing_is_heard_of_consent(world: Care, heard: Heard, provider: Provider) -> None:
    active(world)
    sender(world)
    heard()
    planned(world)
    go(world, BIRTHDAY - timedelta(minutes=10))
    go(world, BIRTHDAY, hear=False)
    with pytest.raises(Waits):
        fire(world, provider)
    assert provider.sent == []
    pulse(world)
    fire(world, provider)
    assert len(provider.sent) == 1


def test_every_reason_is_stored_and_explained(world: Care, heard: Heard, provider: Provider) -> None:
    active(world)
    heard(consent={"decisions": []}, contact_points=[])
    planned(world)
    go(world, BIRTHDAY)
    fire(world, provider)
    [touch] = touches(world)
    assert touch.state is TouchState.SUPPRESSED
    assert {each.reason for each in touch.findings} == {"NO_CONSENT", "NO_CONTACT_POINT", "NO_SENDER"}
    told = world.call(pb.ExplainSuppressionRequest(touch_id=touch.id), pb.Explanation)
    reason = pb.Finding.Reason
    assert {each.reason for each in told.touch.findings} == {
        reason.REASON_NO_CONSENT,
        reason.REASON_NO_CONTACT_POINT,
        reason.REASON_NO_SENDER,
    }
    assert {each.reason for each in told.findings_now} == {each.reason for each in told.touch.findings}


def mailbox(number: int) -> dict[str, Any]:
    address = f"wang{number}@example.com"
    return {
        "type": "TYPE_EMAIL",
        "raw": address,
        "canonical": address,
        "primary": True,
        "status": "STATUS_ACTIVE",
        "verify_time": NOW - timedelta(days=900),
    }


# -------------------------------------------------------------------------------------------------------------- merges


def merge(world: Care, absorbed: str, survivor: str, revision: int = 9) -> None:
    told = customer(survivor, merged_ids=[absorbed])
    alias = merges_pb2.Alias(customer_id=absorbed, canonical_id=survivor, epoch=1)
    world.hear(profiles.CustomersMerged(customer=told, aliases=[alias]), entity_id=survivor, revision=revision)


@pytest.mark.parametrize("first", ["the absorbed", "the survivor"])
def test_t04_a_merge_after_one_was_sent_sends_no_second(
    world: Care, heard: Heard, provider: Provider, first: str
) -> None:
    active(world)
    sender(world)
    absorbed, survivor = heard(), heard()
    planned(world)
    go(world, BIRTHDAY)
    early = absorbed if first == "the absorbed" else survivor
    Firing(world.store.touches, ports=lambda _: provider).fire(
        [each for each in due(world) if each.customer_id == early]
    )
    assert len(provider.sent) == 1
    merge(world, absorbed, survivor)
    planned(world)
    fire(world, provider)
    go(world, BIRTHDAY + timedelta(hours=1))
    planned(world)
    fire(world, provider)
    assert len(provider.sent) == 1
    states = {each.customer_id: each.state for each in touches(world)}
    assert states == {
        early: TouchState.SENT,
        ({absorbed, survivor} - {early}).pop(): TouchState.SUPERSEDED,
    }


def test_a_merge_before_anything_was_sent_sends_once(world: Care, heard: Heard, provider: Provider) -> None:
    active(world)
    sender(world)
    absorbed, survivor = heard(), heard(dates=[])
    planned(world)
    merge(world, absorbed, survivor)
    planned(world)
    go(world, BIRTHDAY)
    fire(world, provider)
    planned(world)
    fire(world, provider)
    assert len(provider.sent) == 1
    assert {each.customer_id: each.state for each in touches(world)} == {
        absorbed: TouchState.SUPERSEDED,
        survivor: TouchState.SENT,
    }


# ------------------------------------------------------------------------------------------------- zones and calendars


@pytest.mark.parametrize("planned_anew", [True, False], ids=["planned anew", "found at sending"])
def test_t16_who_moves_from_shanghai_to_new_york_gets_it_once_and_not_at_night(
    world: Care, heard: Heard, provider: Provider, planned_anew: bool
) -> None:
    active(world)
    sender(world)
    id = heard()
    planned(world)
    moved = {"preferences": {"language_code": "zh-CN", "time_zone": "America/New_York"}}
    if planned_anew:
        heard(id, 2, **moved)
        planned(world)
    else:
        world.store.customers.collection.update(id, lambda each: (replace(each, time_zones=("America/New_York",)), []))
    sends = []
    provider.before = lambda _: sends.append(identity.now())
    for hour in range(72):
        go(world, NOW + timedelta(hours=hour))
        fire(world, provider)
    [at] = sends
    assert at.astimezone(ZoneInfo("America/New_York")) == datetime(2026, 3, 3, 9, tzinfo=ZoneInfo("America/New_York"))


def test_a_zone_that_nobody_is_sure_of_narrows_the_hours(world: Care, heard: Heard, provider: Provider) -> None:
    """Somewhere in the United States: eight o'clock in New York is night in Honolulu, so it waits for Honolulu."""
    active(world, {**PLAN, "minute": 8 * 60})
    sender(world)
    heard(preferences={"language_code": "en"}, addresses=[{"region_code": "US"}])
    [touch] = planned(world)
    zones = world.store.customers.require(touch.customer_id).time_zones
    assert len(zones) > 20
    sends = []
    provider.before = lambda _: sends.append(identity.now())
    for hour in range(100):
        go(world, NOW + timedelta(hours=hour / 2))
        fire(world, provider)
    [at] = sends
    assert all(8 <= at.astimezone(ZoneInfo(each)).hour < 21 for each in zones)


BORN_29 = {"kind": "KIND_BIRTH", "month": 2, "day": 29, "year": 1980}


@pytest.mark.parametrize(
    ("policy", "days"),
    [
        ("FEB29_POLICY_FEB28", ["2023-02-28", "2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        ("FEB29_POLICY_MAR01", ["2023-03-01", "2024-02-29", "2025-03-01", "2026-03-01", "2027-03-01", "2028-02-29"]),
        ("FEB29_POLICY_LEAP_ONLY", ["2024-02-29", "2028-02-29"]),
    ],
)
def test_t13_who_was_born_on_29_february_is_greeted_by_the_policy(
    world: Care, heard: Heard, policy: str, days: list[str]
) -> None:
    assert simulated(world, heard, date(2023, 1, 1), 6, dates=[{**BORN_29, "feb29_policy": policy}]) == days


def test_t14_who_was_born_in_a_leap_month_is_greeted_in_the_regular_one(world: Care, heard: Heard) -> None:
    """Born on day 10 of the leap month 4 of 2020. The days are those of the observatory's tables."""
    born = {"kind": "KIND_BIRTH", "calendar": "CALENDAR_CHINESE_LUNISOLAR", "month": 4, "day": 10, "leap_month": True}
    days = simulated(world, heard, date(2020, 1, 1), 3, dates=[born])
    assert days == ["2020-06-01", "2021-05-21", "2022-05-10"]


def test_t15_new_years_eve_is_the_day_before_month_one_whatever_the_last_month_has(world: Care, heard: Heard) -> None:
    """Month 12 had 29 days in the years that end in 2022, 2025 and 2026, and 30 in those of 2023 and 2024."""
    plan = {name: value for name, value in PLAN.items() if name != "on_date"} | {
        "on_festival": {"festival": "NEW_YEARS_EVE"}
    }
    days = simulated(world, heard, date(2022, 1, 1), 5, plan=plan)
    assert days == ["2022-01-31", "2023-01-21", "2024-02-09", "2025-01-28", "2026-02-16"]


def simulated(world: Care, heard: Heard, start: date, years: int, plan: Any = None, **fields: Any) -> list[str]:
    """The days of touches in some years, through the public API, a year at a time."""
    made = created(world, plan)
    sender(world)
    heard(**fields)
    days = []
    for n in range(years):
        year = date(start.year + n, 1, 1)
        length = (date(start.year + n + 1, 1, 1) - year).days
        asked = pb.SimulateProgramRequest(
            program_id=made.id, start_date={"year": year.year, "month": 1, "day": 1}, days=length
        )
        shown = world.call(asked, pb.Simulation)
        days += [each.planned_time.ToDatetime(UTC).astimezone(ZoneInfo("Asia/Shanghai")) for each in shown.lines]
    assert all((each.hour, each.minute) == (9, 0) for each in days)
    return [each.date().isoformat() for each in days]


@pytest.mark.parametrize(
    ("day", "minute", "expected"),
    [
        (date(2026, 3, 8), 150, "2026-03-08T07:30"),  # 02:30 does not exist in New York: 03:30
        (date(2026, 11, 1), 90, "2026-11-01T05:30"),  # 01:30 comes twice: the first
    ],
)
def test_a_minute_in_a_gap_moves_on_and_of_two_the_first_counts(
    world: Care, heard: Heard, day: date, minute: int, expected: str
) -> None:
    plan = {**PLAN, "minute": minute}
    made = created(world, plan, quiet_hours={"start_minute": 0, "end_minute": 0})
    sender(world)
    heard(
        preferences={"language_code": "en", "time_zone": "America/New_York"},
        dates=[{"kind": "KIND_BIRTH", "month": day.month, "day": day.day}],
    )
    asked = pb.SimulateProgramRequest(
        program_id=made.id, start_date={"year": day.year, "month": day.month, "day": day.day}, days=2
    )
    [line] = world.call(asked, pb.Simulation).lines
    assert line.planned_time.ToDatetime().isoformat(timespec="minutes") == expected


# ------------------------------------------------------------------------------------------------ two workers, trouble


def test_t17_two_workers_with_the_same_list_send_once(world: Care, heard: Heard, provider: Provider) -> None:
    active(world)
    sender(world)
    heard()
    planned(world)
    go(world, BIRTHDAY)
    same = due(world)
    second = Firing(world.store.touches, ports=lambda _: provider)
    provider.before = lambda _: second.fire(same)  # the other worker, while the first one sends
    Firing(world.store.touches, ports=lambda _: provider).fire(same)
    second.fire(same)
    assert len(provider.sent) == 1
    [touch] = touches(world)
    assert (touch.state, touch.attempts) == (TouchState.SENT, 1)
    assert touch.worker.startswith("wrk_")


@pytest.mark.parametrize("kept", [True, False], ids=["the provider has it", "the provider never saw it"])
def test_t18_after_an_unknown_result_the_provider_is_asked_before_anything_is_sent_again(
    world: Care, heard: Heard, provider: Provider, kept: bool
) -> None:
    active(world)
    sender(world)
    heard()
    planned(world)
    go(world, BIRTHDAY)
    provider.fates, provider.keeps = [Fate.UNKNOWN], kept
    fire(world, provider)
    [touch] = touches(world)
    assert touch.state is TouchState.CLAIMED
    go(world, BIRTHDAY + timedelta(minutes=5))
    fire(world, provider)
    assert provider.asked == [touch.id]
    fire(world, provider)
    assert [each.key for each in provider.sent] == [touch.id]
    assert touches(world)[0].state is TouchState.SENT


class Killed(BaseException):
    """The end of a process."""


@pytest.mark.parametrize("can_find", [True, False])
def test_a_worker_that_dies_in_the_middle_sends_nothing_twice(
    world: Care, heard: Heard, provider: Provider, can_find: bool
) -> None:
    active(world)
    sender(world)
    heard()
    planned(world)
    go(world, BIRTHDAY)
    provider.can_find = can_find

    def die(message: Message) -> None:
        provider.sent.append(message)
        raise Killed

    provider.before = die
    with pytest.raises(Killed):
        fire(world, provider)
    provider.before = lambda _: None
    fire(world, provider)  # the claim holds: nobody else sends
    assert provider.asked == []
    go(world, BIRTHDAY + timedelta(minutes=5))
    for _ in range(3):
        fire(world, provider)
    assert len(provider.sent) == 1
    assert touches(world)[0].state is (TouchState.SENT if can_find else TouchState.UNCERTAIN)


def test_t19_after_an_outage_of_a_day_the_rate_holds_and_late_greetings_lapse(
    world: Care, heard: Heard, provider: Provider
) -> None:
    active(world, {**PLAN, "useful_days": 0})
    sender(world, rate_per_minute=5)
    for n in range(12):
        heard(contact_points=[mailbox(n)])
    active(world, {**PLAN, "useful_days": 3}, display_name="Later will do")
    planned(world)
    minutes: list[int] = []
    start = datetime(2026, 3, 4, 1, tzinfo=UTC)  # a day later
    for minute in range(4):
        go(world, start + timedelta(minutes=minute))
        before = len(provider.sent)
        for _ in range(3):
            try:
                fire(world, provider)
            except Waits:
                break
        minutes.append(len(provider.sent) - before)
    assert minutes == [5, 5, 2, 0]
    ended = [each for each in touches(world) if each.state is TouchState.LAPSED]
    assert len(ended) == 12
    assert {finding.reason for each in ended for finding in each.findings} == {"TOO_LATE"}
    assert len({each.key for each in provider.sent}) == 12


def test_what_is_refused_for_good_fails_and_what_passes_is_tried_again(
    world: Care, heard: Heard, provider: Provider
) -> None:
    active(world)
    sender(world)
    heard(contact_points=[mailbox(1)])
    heard(contact_points=[mailbox(2)])
    planned(world)
    go(world, BIRTHDAY)
    provider.fates = [Fate.REFUSED, Fate.NOT_NOW]
    fire(world, provider)
    assert sorted(each.state for each in touches(world)) == [TouchState.DEFERRED, TouchState.FAILED]
    fire(world, provider)
    assert provider.sent == []
    go(world, BIRTHDAY + timedelta(minutes=1))
    fire(world, provider)
    assert len(provider.sent) == 1


# -------------------------------------------------------------------------------------------- what waits, what is late


def test_a_message_in_quiet_hours_waits_for_the_first_instant_that_is_free(
    world: Care, heard: Heard, provider: Provider
) -> None:
    active(world, {**PLAN, "minute": 6 * 60})
    sender(world)
    heard()
    [touch] = planned(world)
    go(world, touch.planned_time)
    fire(world, provider)
    [touch] = touches(world)
    assert (touch.state, touch.due_time) == (TouchState.DEFERRED, datetime(2026, 3, 3, 0, tzinfo=UTC))
    assert [each.reason for each in touch.findings] == ["QUIET"]


def test_a_greeting_that_can_only_come_too_late_lapses(world: Care, heard: Heard, provider: Provider) -> None:
    active(world, {**PLAN, "minute": 22 * 60})
    sender(world)
    heard()
    [touch] = planned(world)
    go(world, touch.planned_time)
    fire(world, provider)
    [touch] = touches(world)
    assert touch.state is TouchState.LAPSED
    assert [each.reason for each in touch.findings] == ["QUIET", "TOO_LATE"]


def test_a_paused_program_waits_and_a_retired_one_sends_nothing(world: Care, heard: Heard, provider: Provider) -> None:
    made = active(world)
    sender(world)
    heard()
    planned(world)
    world.call(programs_pb2.PauseProgramRequest(program_id=made.id), programs_pb2.Program)
    go(world, BIRTHDAY)
    fire(world, provider)
    assert touches(world)[0].state is TouchState.DEFERRED
    world.call(programs_pb2.RetireProgramRequest(program_id=made.id), programs_pb2.Program)
    go(world, BIRTHDAY + timedelta(hours=1))
    fire(world, provider)
    [touch] = touches(world)
    assert [each.reason for each in touch.findings] == ["PROGRAM_RETIRED"]
    assert provider.sent == []


def test_what_is_not_sent_yet_follows_the_next_version(world: Care, heard: Heard, provider: Provider) -> None:
    made = active(world)
    sender(world)
    heard()
    planned(world)
    made.plans[0].minute = 600
    made.plans[0].contents[0].subject = "祝您生日快乐"
    world.call(programs_pb2.ReviseProgramRequest(program=made), programs_pb2.Program)
    world.deliver()
    [touch] = planned(world)
    assert (touch.version, touch.planned_time) == (2, BIRTHDAY + timedelta(hours=1))
    go(world, BIRTHDAY + timedelta(hours=1))
    fire(world, provider)
    assert provider.sent[0].subject == "祝您生日快乐"


def test_the_hook_of_pressure_holds_a_touch_back(world: Care, heard: Heard, provider: Provider) -> None:
    from services.care.customers.domain.permission import Finding, Reason

    active(world)
    sender(world)
    heard()
    planned(world)
    go(world, BIRTHDAY)
    fire(world, provider, pressure=lambda _, at: Finding(reason=Reason.PRESSURE, end_time=at + timedelta(hours=2)))
    [touch] = touches(world)
    assert (touch.state, touch.due_time) == (TouchState.DEFERRED, BIRTHDAY + timedelta(hours=2))


# -------------------------------------------------------------------------------------------------------- what answers


def fact_plan(**trigger: Any) -> dict[str, Any]:
    plan = {name: value for name, value in PLAN.items() if name not in ("on_date", "minute")}
    return plan | {"useful_days": 2, **trigger}


def test_a_broken_promise_is_answered_once_after_its_delay(world: Care, heard: Heard, provider: Provider) -> None:
    active(world, fact_plan(on_fact={"fact": "FACT_PROMISE_BROKEN", "delay": timedelta(hours=3)}))
    id = heard()
    event = interactions.PromiseBroken(promise={"id": identity.new_id("prm"), "customer_id": id})
    for _ in range(2):
        world.hear(event, entity_id=event.promise.id, revision=4)
    [touch] = touches(world)
    assert touch.planned_time == NOW + timedelta(hours=3)


def test_advice_on_usage_comes_only_where_the_customer_saves(world: Care, heard: Heard) -> None:
    active(world, fact_plan(on_usage={"measure": "data_gigabytes", "at_least": 90}))
    id = heard()

    def report(value: int, saving: int, period: str = "2026-02") -> None:
        told = pb.Measurement(
            customer_id=id, measure="data_gigabytes", period=period, value=value, saving_minor_units=saving
        )
        world.call(pb.ReportMeasurementRequest(measurement=told), pb.Measurement)

    report(95, 0)
    report(95, -500)
    report(80, 500)
    assert touches(world) == []
    report(95, 500)
    report(97, 700)
    assert len(touches(world)) == 1
    report(97, 700, "2026-03")
    assert len(touches(world)) == 2


def test_a_score_is_answered_when_it_passes_the_mark_and_not_while_it_stays(world: Care, heard: Heard) -> None:
    active(world, fact_plan(on_score={"measure": "early_warning", "mark": 50, "direction": "DIRECTION_UP"}))
    id = heard()
    counts = []
    for value in (60, 70, 40, 50, 55, 10, 90):
        told = pb.Measurement(customer_id=id, measure="early_warning", value=value)
        world.call(pb.ReportMeasurementRequest(measurement=told), pb.Measurement)
        counts.append(len(touches(world)))
    assert counts == [0, 0, 0, 1, 1, 1, 2]


def test_silence_is_noticed_and_whoever_met_meanwhile_is_left_alone(
    world: Care, heard: Heard, provider: Provider
) -> None:
    plan = {name: value for name, value in PLAN.items() if name != "on_date"} | {"on_silence": {"days": 10}}
    active(world, plan)
    sender(world)
    id = heard()

    def meet(at: datetime) -> None:
        told = {"id": identity.new_id("int"), "customer_id": id, "occurred_time": at}
        world.hear(interactions.InteractionRecorded(interaction=told), entity_id=told["id"])

    meet(NOW)
    planned(world)
    go(world, NOW + 9 * DAY)
    [touch] = planned(world)
    assert touch.planned_time == NOW + 10 * DAY
    go(world, NOW + 9.5 * DAY)
    meet(NOW + 9.5 * DAY)
    go(world, NOW + 10 * DAY)
    fire(world, provider)
    assert [each.reason for each in touches(world)[0].findings] in (["MET_MEANWHILE"], ["NO_LONGER_DUE"])
    go(world, NOW + 18 * DAY)
    planned(world)
    go(world, NOW + 19 * DAY)
    fire(world, provider)
    assert [each.state for each in touches(world)] == [touches(world)[0].state, TouchState.SENT]


def test_a_surprise_comes_once_a_period_on_a_day_that_stays_the_same(world: Care, heard: Heard) -> None:
    plan = {name: value for name, value in PLAN.items() if name != "on_date"} | {"surprise": {"period": "PERIOD_MONTH"}}
    made = created(world, plan)
    sender(world)
    for n in range(30):
        heard(contact_points=[mailbox(n)])
    asked = pb.SimulateProgramRequest(program_id=made.id, start_date={"year": 2026, "month": 4, "day": 1}, days=91)
    shown = world.call(asked, pb.Simulation)
    assert shown == world.call(asked, pb.Simulation)
    days: dict[str, list[datetime]] = {}
    for each in shown.lines:
        days.setdefault(each.customer_id, []).append(
            each.planned_time.ToDatetime(UTC).astimezone(ZoneInfo("Asia/Shanghai"))
        )
    assert all([each.month for each in theirs] == [4, 5, 6] for theirs in days.values())
    assert len({each.day for theirs in days.values() for each in theirs}) > 15


# --------------------------------------------------------------------------------------------------------------- tasks


VISIT = {"on_date": {"kind": "KIND_BIRTH"}, "minute": 540, "form": "FORM_VISIT", "task_days": 3}


def test_a_visit_is_a_task_with_an_owner_an_outcome_and_a_need(world: Care, heard: Heard, provider: Provider) -> None:
    active(world, VISIT)
    heard()
    planned(world)
    go(world, BIRTHDAY)
    fire(world, provider)
    mine = world.call(pb.ListTasksRequest(), pb.ListTasksResponse)
    [task] = mine.touches
    assert (task.task.assignee, task.task.due_time.ToDatetime(UTC)) == ("ada", BIRTHDAY + timedelta(days=3))
    done = pb.CompleteTaskRequest(touch_id=task.id, outcome="OUTCOME_DONE", note="She was glad")
    with pytest.raises(DomainError) as refused:
        world.call(done, pb.Touch)
    assert refused.value.reason_code == "NEED_NOT_ASKED"
    done.more = "A larger garden chair"
    ended = world.call(done, pb.Touch)
    assert ended.state == pb.Touch.STATE_RESPONDED
    assert world.events()[-2:] == ["touch.responded", "need.captured"]
    assert not world.call(pb.ListTasksRequest(), pb.ListTasksResponse).touches


def test_a_task_is_handed_on_and_ends_without_success(world: Care, heard: Heard, provider: Provider) -> None:
    active(world, VISIT)
    heard()
    planned(world)
    go(world, BIRTHDAY)
    fire(world, provider)
    [touch] = touches(world)
    world.call(pb.AssignTaskRequest(touch_id=touch.id, assignee="bob"), pb.Touch)
    assert len(world.call(pb.ListTasksRequest(assignee="bob"), pb.ListTasksResponse).touches) == 1
    ended = world.call(pb.CompleteTaskRequest(touch_id=touch.id, outcome="OUTCOME_NOT_REACHED"), pb.Touch)
    assert ended.state == pb.Touch.STATE_FAILED
    with pytest.raises(DomainError) as refused:
        world.call(pb.AssignTaskRequest(touch_id=touch.id, assignee="eve"), pb.Touch)
    assert refused.value.reason_code == "TOUCH_STATE_FORBIDS"


# --------------------------------------------------------------------------------------------- reports and the way out


def sent(world: Care, heard: Heard, provider: Provider) -> Touch:
    active(world)
    sender(world)
    heard()
    planned(world)
    go(world, BIRTHDAY)
    fire(world, provider)
    return touches(world)[0]


def report(world: Care, touch_id: str, status: str, detail: str = "", secret: str = "s3cret") -> pb.Touch:
    import hashlib
    import hmac

    signature = hmac.new(secret.encode(), f"{touch_id}|{status}|{detail}".encode(), hashlib.sha256).hexdigest()
    asked = pb.ReportDeliveryRequest(touch_id=touch_id, status=f"STATUS_{status}", detail=detail, signature=signature)
    return world.call(asked, pb.Touch)


def test_a_provider_reports_and_a_forger_does_not(world: Care, heard: Heard, provider: Provider) -> None:
    touch = sent(world, heard, provider)
    with pytest.raises(DomainError) as refused:
        report(world, touch.id, "DELIVERED", secret="guess")
    assert refused.value.reason_code == "REPORT_FORGED"
    assert report(world, touch.id, "DELIVERED").state == pb.Touch.STATE_DELIVERED
    assert report(world, touch.id, "BOUNCED", "550 no such user").state == pb.Touch.STATE_FAILED
    with pytest.raises(DomainError) as refused:
        report(world, identity.new_id("tch"), "BOUNCED")
    assert refused.value.reason_code == "NOT_FOUND"


def test_the_link_of_a_message_works_after_a_merge_and_stops_the_next_one(
    world: Care, heard: Heard, provider: Provider
) -> None:
    touch = sent(world, heard, provider)
    survivor = heard(contact_points=[mailbox(7)])
    merge(world, touch.customer_id, survivor)
    answer = world.call(pb.UnsubscribeRequest(code=touch.code), pb.UnsubscribeResponse)
    assert answer.purpose == "CARE"
    assert world.events()[-1] == "unsubscribe.requested"
    active(world, {**PLAN, "on_date": {"kind": "KIND_BIRTH"}, "useful_days": 3}, display_name="Another")
    planned(world)
    fire(world, provider)
    last = [each for each in touches(world) if each.program_id != touch.program_id and each.customer_id == survivor]
    assert [[finding.reason for finding in each.findings] for each in last] == [["CONSENT_REFUSED"]]
    assert len(provider.sent) == 1
    with pytest.raises(DomainError) as refused:
        world.call(pb.UnsubscribeRequest(code="0" * 32), pb.UnsubscribeResponse)
    assert refused.value.reason_code == "UNSUBSCRIBE_CODE_UNKNOWN"


def test_a_skipped_touch_is_not_sent(world: Care, heard: Heard, provider: Provider) -> None:
    active(world)
    sender(world)
    heard()
    [touch] = planned(world)
    world.call(pb.SkipTouchRequest(touch_id=touch.id, reason="He is in hospital"), pb.Touch)
    go(world, BIRTHDAY)
    fire(world, provider)
    assert provider.sent == []
    with pytest.raises(DomainError):
        world.call(pb.SkipTouchRequest(touch_id=touch.id, reason="again"), pb.Touch)


def test_a_review_counts_who_would_get_it_and_why_others_would_not(world: Care, heard: Heard) -> None:
    made = created(world)
    sender(world)
    for n in range(3):
        heard(contact_points=[mailbox(n)])
    heard(consent={"decisions": []})
    heard(contact_points=[])
    heard(dates=[])
    seen = world.call(pb.ReviewProgramRequest(program_id=made.id, days=5), pb.ReviewProgramResponse)
    assert seen.program.state == programs_pb2.Program.STATE_REVIEW
    shown = seen.simulation
    assert (shown.customer_count, shown.audience_count, shown.consent_count) == (6, 6, 5)
    assert (shown.sent_count, shown.suppressed_count) == (3, 2)
    assert {pb.Finding.Reason.Name(each.reason): each.count for each in shown.reasons} == {
        "REASON_NO_CONSENT": 1,
        "REASON_NO_CONTACT_POINT": 1,
    }
    assert touches(world) == []


def test_senders_keep_their_secrets(world: Care) -> None:
    made = sender(world)
    assert made.secret == ""
    asked = senders_pb2.Sender(channel="CHANNEL_EMAIL", smtp=made.smtp, rate_per_minute=9)
    assert world.call(senders_pb2.DefineSenderRequest(sender=asked), senders_pb2.Sender).secret == ""
    [kept] = world.store.senders.senders.find(None, limit=9)
    assert (kept.secret, kept.rate_per_minute) == ("s3cret", 9)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {
                "channel": "CHANNEL_SMS",
                "smtp": {"host": "x", "port": 25, "security": "SECURITY_TLS", "from_address": "a@b.cn"},
            },
            "CHANNEL_NOT_SENDABLE",
        ),
        ({"channel": "CHANNEL_VISIT", "webhook": {"url": "https://x.example"}}, "CHANNEL_NOT_SENDABLE"),
        ({"channel": "CHANNEL_SMS", "webhook": {"url": "http://sms.example.com/send"}}, "ADDRESS_NOT_SAFE"),
        (
            {
                "channel": "CHANNEL_EMAIL",
                "smtp": {"host": "mx.example.com", "port": 25, "security": "SECURITY_PLAIN", "from_address": "a@b.cn"},
            },
            "ADDRESS_NOT_SAFE",
        ),
    ],
)
def test_a_sender_that_does_not_fit_is_refused(world: Care, fields: dict[str, Any], reason: str) -> None:
    asked = senders_pb2.Sender(rate_per_minute=10, **fields)
    with pytest.raises(DomainError) as refused:
        world.call(senders_pb2.DefineSenderRequest(sender=asked), senders_pb2.Sender)
    assert refused.value.reason_code == reason


# ---------------------------------------------------------------------------------------------- complaints and meetings


def test_a_message_waits_while_a_complaint_is_open(world: Care, heard: Heard, provider: Provider) -> None:
    active(world, {**PLAN, "useful_days": 1})
    sender(world)
    id = heard()
    planned(world)
    complaint = {"id": identity.new_id("cmp"), "customer_id": id, "state": "COMPLAINT_STATE_RECEIVED"}
    world.hear(interactions.ComplaintReceived(complaint=complaint), entity_id=complaint["id"])
    go(world, BIRTHDAY)
    fire(world, provider)
    assert provider.sent == []
    assert [each.reason for each in touches(world)[0].findings] == ["COMPLAINT_OPEN"]
    over = interactions.ComplaintStateChanged(complaint={**complaint, "state": "COMPLAINT_STATE_CONFIRMED"})
    world.hear(over, entity_id=complaint["id"], revision=2)
    go(world, BIRTHDAY + timedelta(hours=1))
    fire(world, provider)
    assert len(provider.sent) == 1


def test_what_a_machine_sent_ends_no_silence(world: Care, heard: Heard) -> None:
    id = heard()
    told = {"id": identity.new_id("int"), "customer_id": id, "occurred_time": NOW, "direction": "DIRECTION_OUTBOUND"}
    machine = {**told, "service_level": "SERVICE_LEVEL_SELF"}
    world.hear(interactions.InteractionRecorded(interaction=machine), entity_id=told["id"])
    assert world.store.customers.require(id).contact_time is None
    world.hear(interactions.InteractionRecorded(interaction=told), entity_id=told["id"], revision=2)
    assert world.store.customers.require(id).contact_time == NOW


def test_an_interaction_on_a_channel_of_a_newer_release_is_heard_like_any_other(world: Care, heard: Heard) -> None:
    id = heard()
    told = {"id": identity.new_id("int"), "customer_id": id, "occurred_time": NOW, "direction": "DIRECTION_OUTBOUND"}
    world.hear(interactions.InteractionRecorded(interaction={**told, "channel": 4711}), entity_id=told["id"])
    assert world.store.customers.require(id).contact_time == NOW
