"""Zones, and times on somebody's clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from libs.chassis.domain import FieldViolation, InvalidArgument
from libs.worktime.refusals import TimeNotCountable

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Instants that can be counted from. The zone database says little outside of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CivilTime:
    """A time on the clock of a zone."""

    date: date
    time_zone: str
    minute: int = 0

    def instant(self) -> datetime:
        """The same in UTC. InvalidArgument when there is no such zone, or the date is far from our time."""
        if not EARLIEST.date() <= self.date < LATEST.date():
            raise InvalidArgument.field("term.civil_time.date", f"{self.date} is not in the years 1970 to 2199")
        return instant(self.date, self.minute, zone(self.time_zone, "term.civil_time.time_zone"))


def zone(name: str, path: str) -> ZoneInfo:
    """The zone of an IANA name. InvalidArgument that names the field `path` when there is none."""
    if violations := zone_violations(name, path):
        raise InvalidArgument(violations=violations)
    return ZoneInfo(name)


def zone_violations(name: str, path: str) -> list[FieldViolation]:
    """The wrong field `path`, when its value is no IANA name of a zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError for a folder of zones, such as Asia
        return [FieldViolation(path, f"{name!r} is no IANA time zone; one is for example Asia/Shanghai")]
    return []


def instant(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """The instant (UTC) of a minute of the clock after the midnight of a date. 1440 and more lie on later dates.

    Where clocks are set forward the offset from before applies, where they are set back the first of the two (fold 0
    of PEP 495).
    """
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    return wall.replace(tzinfo=zone).astimezone(UTC)


def check_countable(at: datetime) -> None:
    """Refuses an instant that nothing can be counted from."""
    if not EARLIEST <= at < LATEST:
        raise TimeNotCountable(time=at)
