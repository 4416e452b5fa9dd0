"""Customers as care keeps them: permission, zones and quiet hours."""

# ruff: noqa: DTZ001  (clocks on walls)

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.care.customers.domain.permission import Reason, obstacles, permission_ref, point_for
from services.care.customers.domain.projection import (
    Channel,
    ConsentPurpose,
    CustomerProjection,
    Decision,
    DecisionState,
    PointStatus,
    PointType,
    QuietSpan,
    ReachPoint,
    ZoneSource,
)
from services.care.customers.domain.quiet import quiet_until
from services.care.customers.domain.zones import zones_of
from tests.unit.care.conftest import NOW, Care, Heard

NIGHT = QuietSpan(start_minute=21 * 60, end_minute=8 * 60)
MAIL = ReachPoint(type=PointType.EMAIL, canonical="a@example.com", primary=True, verified=True)


def decided(state: DecisionState, days_ago: int = 10, **fields: object) -> Decision:
    at = NOW - timedelta(days=days_ago)
    told = {"purpose": ConsentPurpose.CARE, "state": state, "capture_time": at, "effective_from_time": at}
    return Decision(**{**told, "receipt_id": f"rcp_{days_ago}", "own_act": True, **fields})  # type: ignore[arg-type]


def person(*decisions: Decision, **fields: object) -> CustomerProjection:
    told = {"id": "cus_x", "source_revision": 1, "source_time": NOW, "contact_points": (MAIL,)}
    return CustomerProjection(**{**told, "decisions": decisions, **fields})  # type: ignore[arg-type]


def reasons(customer: CustomerProjection, purpose: ConsentPurpose = ConsentPurpose.CARE) -> set[Reason]:
    return {each.reason for each in obstacles(customer, purpose, Channel.EMAIL, NOW)}


YES, NO = decided(DecisionState.GRANTED), decided(DecisionState.WITHDRAWN, 5)


@pytest.mark.parametrize(
    ("customer", "expected"),
    [
        (person(YES), set()),
        (person(), {Reason.NO_CONSENT}),
        (person(YES, NO), {Reason.CONSENT_REFUSED}),
        (person(NO, decided(DecisionState.GRANTED, 1)), set()),
        (person(NO, decided(DecisionState.GRANTED, 1, own_act=False)), {Reason.CONSENT_REFUSED}),
        (person(YES, decided(DecisionState.WITHDRAWN, 5, channel=Channel.SMS)), set()),
        (person(YES, decided(DecisionState.DENIED, 5, contact_point="a@example.com")), {Reason.CONSENT_REFUSED}),
        (person(decided(DecisionState.GRANTED, effective_to_time=NOW)), {Reason.CONSENT_EXPIRED}),
        (
            person(decided(DecisionState.GRANTED, effective_from_time=NOW + timedelta(days=1))),
            {Reason.CONSENT_NOT_YET_EFFECTIVE},
        ),
        (person(YES, contact_points=()), {Reason.NO_CONTACT_POINT}),
        (
            person(YES, contact_points=(ReachPoint(type=PointType.EMAIL, canonical="a@example.com"),)),
            {Reason.CONTACT_POINT_UNVERIFIED},
        ),
        (person(deleted=True), {Reason.CUSTOMER_DELETED, Reason.NO_CONSENT}),
        (person(YES, erased=True), {Reason.CUSTOMER_ERASED}),
    ],
)
def test_every_reason_against_a_message_is_told(customer: CustomerProjection, expected: set[Reason]) -> None:
    assert reasons(customer) == expected


def test_a_notice_needs_no_grant_but_heeds_a_refusal() -> None:
    assert reasons(person(), ConsentPurpose.SERVICE) == set()
    no = decided(DecisionState.DENIED, purpose=ConsentPurpose.SERVICE)
    assert reasons(person(no), ConsentPurpose.SERVICE) == {Reason.CONSENT_REFUSED}


def test_the_permission_names_its_receipt() -> None:
    assert permission_ref(person(YES), ConsentPurpose.CARE, Channel.EMAIL, "a@example.com", NOW) == "rcp_10"


def test_the_primary_contact_point_counts() -> None:
    other = ReachPoint(type=PointType.EMAIL, canonical="b@example.com", status=PointStatus.BOUNCED)
    assert point_for(person(contact_points=(other, MAIL)), Channel.EMAIL) == MAIL
    assert point_for(person(), Channel.SMS) is None


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (("Europe/Oslo", ["CN"], ["+8613800138000"]), (("Europe/Oslo",), ZoneSource.CUSTOMER)),
        (("Moon/Base", ["CN"], []), (("Asia/Shanghai", "Asia/Urumqi"), ZoneSource.ADDRESS)),
        (("", ["", "XX"], ["+12125550100"]), (("America/New_York",), ZoneSource.PHONE)),
        (("", [], ["nonsense"]), ((), ZoneSource.TENANT)),
    ],
)
def test_a_zone_is_learned_from_what_is_known_best(told: tuple[str, list[str], list[str]], expected: object) -> None:
    assert zones_of(*told) == expected


def test_a_night_on_which_clocks_change_is_shorter_or_longer() -> None:
    """The golden values of New York: 10 hours in March 2026, 12 hours in November."""
    zone = ZoneInfo("America/New_York")
    for evening, hours in (
        (datetime(2026, 3, 7, 21), 10),
        (datetime(2026, 10, 31, 21), 12),
        (datetime(2026, 6, 1, 21), 11),
    ):
        start = evening.replace(tzinfo=zone).astimezone(UTC)
        end = quiet_until(start, NIGHT, person(), ConsentPurpose.CARE, ["America/New_York"])
        assert end is not None
        assert end - start == timedelta(hours=hours)


def test_who_is_always_quiet_is_never_disturbed() -> None:
    spans = (QuietSpan(start_minute=0, end_minute=720), QuietSpan(start_minute=720, end_minute=0))
    assert quiet_until(NOW, None, person(quiet_spans=spans), ConsentPurpose.CARE, ["UTC"]) is None


@given(
    at=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    zones=st.lists(
        st.sampled_from(
            ["Asia/Shanghai", "America/New_York", "Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu"]
        ),
        min_size=1,
        max_size=2,
        unique=True,
    ),
    start=st.integers(0, 1439),
    end=st.integers(0, 1439),
)
def test_the_next_permitted_minute_is_quiet_nowhere_and_the_first(
    at: datetime, zones: list[str], start: int, end: int
) -> None:
    """Against a search minute by minute that reads the clocks and nothing else."""
    at = at.replace(second=0, microsecond=0)
    hours = QuietSpan(start_minute=start, end_minute=end)

    def quiet(moment: datetime) -> bool:
        for name in zones:
            local = moment.astimezone(ZoneInfo(name))
            minute = local.hour * 60 + local.minute
            if (start <= minute < end) if start <= end else (minute >= start or minute < end):
                return True
        return False

    found = quiet_until(at, hours, person(), ConsentPurpose.CARE, zones)
    steps = range(3 * 1440)
    expected = next((at + timedelta(minutes=n) for n in steps if not quiet(at + timedelta(minutes=n))), None)
    if expected is not None:
        assert found == expected


def test_what_profiles_tells_is_kept(world: Care, heard: Heard) -> None:
    id = heard(
        preferences={
            "language_code": "zh-CN",
            "time_zone": "Asia/Shanghai",
            "quiet_windows": [
                {"start": "12:00", "end": "14:30", "weekdays": ["WEEKDAY_SUNDAY"], "purposes": ["PURPOSE_CARE"]}
            ],
        }
    )
    kept = world.store.customers.require(id)
    assert kept.display_name == "王芳"
    assert kept.time_zones == ("Asia/Shanghai",)
    assert kept.quiet_spans == (
        QuietSpan(start_minute=720, end_minute=870, weekdays=(6,), purposes=(ConsentPurpose.CARE,)),
    )
    assert kept.dates[0].yearly.occurrence(2026) == date(2026, 3, 3)
    assert kept.decisions[0].own_act
    assert reasons(kept) == set()
