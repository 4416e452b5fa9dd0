"""Preferences, and quiet windows over midnight and over changes of the clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import InvalidArgument
from services.profiles.customers.domain.consents import Purpose
from services.profiles.customers.domain.contact_points import Channel
from services.profiles.customers.domain.preferences import Preferences, QuietWindow, Weekday
from tests.unit.profiles.builders import person

NIGHT = QuietWindow(start="21:00", end="08:00")


def quiet(*windows: QuietWindow, zone: str = "Asia/Shanghai") -> Preferences:
    return Preferences(time_zone=zone, quiet_windows=windows)


def until(preferences: Preferences, local: str, purpose: Purpose = Purpose.CARE) -> str | None:
    """The end of quiet as the clock on the customer's wall shows it."""
    zone = ZoneInfo(preferences.time_zone)
    end = preferences.quiet_until(datetime.fromisoformat(local).replace(tzinfo=zone), purpose)
    return end and end.astimezone(zone).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("local", "end"),
    [
        ("2026-05-04T20:59", "2026-05-04 20:59"),
        ("2026-05-04T21:00", "2026-05-05 08:00"),
        ("2026-05-05T00:00", "2026-05-05 08:00"),
        ("2026-05-05T07:59:59", "2026-05-05 08:00"),
        ("2026-05-05T08:00", "2026-05-05 08:00"),
    ],
)
def test_a_window_may_pass_midnight(local: str, end: str) -> None:
    assert until(quiet(NIGHT), local) == end


def test_a_window_starts_on_its_weekdays_only() -> None:
    friday_night = quiet(QuietWindow(start="22:00", end="10:00", weekdays=(Weekday.FRIDAY,)))
    assert until(friday_night, "2026-05-09T09:00") == "2026-05-09 10:00"  # Saturday morning belongs to Friday.
    assert until(friday_night, "2026-05-09T23:00") == "2026-05-09 23:00"


def test_a_window_may_be_for_some_purposes() -> None:
    preferences = quiet(QuietWindow(start="21:00", end="08:00", purposes=(Purpose.MARKETING,)))
    assert until(preferences, "2026-05-04T22:00", Purpose.SERVICE) == "2026-05-04 22:00"
    assert until(preferences, "2026-05-04T22:00", Purpose.MARKETING) == "2026-05-05 08:00"


def test_windows_that_touch_are_one_quiet() -> None:
    preferences = quiet(NIGHT, QuietWindow(start="08:00", end="09:30"), QuietWindow(start="12:00", end="13:00"))
    assert until(preferences, "2026-05-04T23:00") == "2026-05-05 09:30"


def test_who_is_always_quiet_has_no_end() -> None:
    assert until(quiet(QuietWindow(start="00:00", end="00:00")), "2026-05-04T12:00") is None


def test_only_in_the_evening_is_said_by_its_complement() -> None:
    assert until(quiet(QuietWindow(start="20:00", end="18:00")), "2026-05-04T20:00") == "2026-05-05 18:00"


@pytest.mark.parametrize(
    ("local", "fold", "end"),
    [
        ("2026-03-08T01:59", 0, "2026-03-08T07:00:00+00:00"),  # 02:30 does not exist: free at 03:00 EDT.
        ("2026-11-01T01:10", 0, "2026-11-01T05:30:00+00:00"),  # 01:30 EDT, the first of two.
        ("2026-11-01T01:10", 1, "2026-11-01T06:30:00+00:00"),  # 01:30 EST, the second.
    ],
)
def test_quiet_follows_the_wall_clock_when_it_is_changed(local: str, fold: int, end: str) -> None:
    preferences = quiet(QuietWindow(start="01:00", end="02:30"), zone="America/New_York")
    if "11-01" in local:
        preferences = quiet(QuietWindow(start="01:00", end="01:30"), zone="America/New_York")
    at = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("America/New_York"), fold=fold)
    assert preferences.quiet_until(at, Purpose.CARE) == datetime.fromisoformat(end)


def test_half_hour_zones_and_half_hour_changes_work() -> None:
    assert until(quiet(NIGHT, zone="Asia/Kolkata"), "2026-05-04T21:00") == "2026-05-05 08:00"
    assert until(quiet(NIGHT, zone="Australia/Lord_Howe"), "2026-10-03T23:00") == "2026-10-04 08:00"


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)),  # noqa: DTZ001
    st.integers(0, 1439),
    st.integers(1, 1439),
    st.sampled_from(
        ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu"]
    ),
)
def test_the_end_of_quiet_is_the_first_free_minute(at: datetime, start: int, length: int, zone: str) -> None:
    end = (start + length) % 1440
    window = QuietWindow(start=f"{start // 60:02}:{start % 60:02}", end=f"{end // 60:02}:{end % 60:02}")
    preferences = quiet(window, zone=zone)
    free = preferences.quiet_until(at, Purpose.CARE)
    assert free is not None
    minute = at
    while minute < free:
        assert window.minutes_left(minute.astimezone(ZoneInfo(zone))) > 0
        minute += timedelta(minutes=1)
    assert window.minutes_left(free.astimezone(ZoneInfo(zone))) == 0


@pytest.mark.parametrize(
    ("preferences", "field", "complaint"),
    [
        (Preferences(time_zone="Mars/Base"), "time_zone", "no IANA time zone"),
        (Preferences(time_zone="../etc/passwd"), "time_zone", "no IANA time zone"),
        (Preferences(quiet_windows=(NIGHT,)), "time_zone", "is required"),
        (Preferences(language_code="chinese!"), "language_code", "no BCP 47 tag"),
        (Preferences(channels=(Channel.SMS, Channel.SMS)), "channels", "twice"),
        (quiet(QuietWindow(start="24:00", end="08:00")), "quiet_windows[0].start", "between 00:00 and 23:59"),
    ],
)
def test_preferences_that_cannot_be_followed_are_refused_by_path(
    preferences: Preferences, field: str, complaint: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        person(preferences=preferences)
    assert refused.value.violations[0].field == f"customer.preferences.{field}"
    assert complaint in refused.value.violations[0].description


@pytest.mark.parametrize(
    ("given_tag", "tag"), [("ZH-hans-cn", "zh-Hans-CN"), ("en", "en"), ("de-1996", "de-1996"), ("es-419", "es-419")]
)
def test_language_tags_get_their_usual_case(given_tag: str, tag: str) -> None:
    assert person(preferences=Preferences(language_code=given_tag)).preferences.language_code == tag
