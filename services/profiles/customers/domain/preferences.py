"""Wishes of a customer about channel, time and language of being contacted."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from libs.chassis.domain import OpenEnum
from services.profiles.customers.domain.consents import Purpose
from services.profiles.customers.domain.contact_points import Channel
from services.profiles.customers.domain.violations import Violations

_CLOCK_TIME = re.compile("([01][0-9]|2[0-3]):([0-5][0-9])")
_LANGUAGE_TAG = re.compile(
    "(?P<language>[a-z]{2,3})(-(?P<script>[a-z]{4}))?(-(?P<region>[a-z]{2}|[0-9]{3}))?"
    "(?P<variants>(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)",
    re.IGNORECASE,
)
_MINUTES_OF_A_DAY = 24 * 60
_QUARTER = timedelta(minutes=15)
_FARTHEST = timedelta(days=8)
"""A week and a bit: quiet windows repeat every week, so a customer who is quiet for longer is quiet for ever."""


class Weekday(OpenEnum):
    """A day of the week."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


_WEEK = tuple(Weekday)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietWindow:
    """A span of local wall-clock time in which a customer is not to be disturbed."""

    start: str
    """The first quiet minute, `HH:MM`."""
    end: str
    """The first minute that is free again. Not after `start` means on the next day."""
    weekdays: tuple[Weekday, ...] = ()
    """The days on which it starts. Empty means every day."""
    purposes: tuple[Purpose, ...] = ()
    """Channels that have to be silent. Empty means everything."""

    def minutes_left(self, local: datetime) -> int:
        """Minutes of wall-clock time until the window ends. 0 when it is not quiet at this local time."""
        start, end = _minutes(self.start), _minutes(self.end)
        length = (end - start - 1) % _MINUTES_OF_A_DAY + 1
        now = local.hour * 60 + local.minute
        for day, began in ((local, start), (local - timedelta(days=1), start - _MINUTES_OF_A_DAY)):
            starts_that_day = not self.weekdays or _WEEK[day.weekday()] in self.weekdays
            if starts_that_day and began <= now < began + length:
                return began + length - now
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """Preferences of a customer."""

    channels: tuple[Channel, ...] = ()
    """The favourite first. Empty when any will do."""
    language_code: str = ""
    """BCP 47."""
    time_zone: str = ""
    """IANA."""
    quiet_windows: tuple[QuietWindow, ...] = ()

    def completed(self, field: str, violations: Violations) -> Preferences:
        """The preferences with the language tag in its usual case. Refuses what does not exist or does not fit."""
        if len(set(self.channels)) < len(self.channels):
            violations.add(f"{field}.channels", "names a channel twice")
        tag = _LANGUAGE_TAG.fullmatch(self.language_code)
        if self.language_code and tag is None:
            violations.add(f"{field}.language_code", f"{self.language_code!r} is no BCP 47 tag such as zh-Hans-CN")
        if self.time_zone and self.time_zone not in time_zones():
            violations.add(f"{field}.time_zone", f"{self.time_zone!r} is no IANA time zone such as Asia/Shanghai")
        if self.quiet_windows and not self.time_zone:
            violations.add(f"{field}.time_zone", "is required, or nobody knows when quiet windows begin")
        for i, window in enumerate(self.quiet_windows):
            for name, text in (("start", window.start), ("end", window.end)):
                if not _CLOCK_TIME.fullmatch(text):
                    violations.add(f"{field}.quiet_windows[{i}].{name}", f"{text!r} is no time between 00:00 and 23:59")
        return replace(self, language_code=_usual_case(tag) if tag else self.language_code)

    def quiet_until(self, at: datetime, purpose: Purpose) -> datetime | None:
        """End of the quiet that reigns at a moment. The moment itself when none does, None when it never ends.

        Windows are about what a clock on the wall shows, so one that passes over a change of the clocks is as much
        longer or shorter as that day is.
        """
        windows = [window for window in self.quiet_windows if not window.purposes or purpose in window.purposes]
        if not windows:
            return at
        zone = ZoneInfo(self.time_zone)
        moment = at
        while moment - at < _FARTHEST:
            local = moment.astimezone(zone)
            left = max(window.minutes_left(local) for window in windows)
            if left == 0:
                return moment
            end = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=left)
            # Clocks change on a quarter of an hour UTC: until the next one, wall-clock minutes are minutes.
            moment = min(end, _next_quarter(moment))
        return None


@cache
def time_zones() -> frozenset[str]:
    """The names of all time zones."""
    return frozenset(zoneinfo.available_timezones())


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _next_quarter(at: datetime) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + ((at - epoch) // _QUARTER + 1) * _QUARTER


def _usual_case(tag: re.Match[str]) -> str:
    def parts() -> Iterator[str]:
        yield tag["language"].lower()
        if tag["script"]:
            yield tag["script"].capitalize()
        if tag["region"]:
            yield tag["region"].upper()
        yield from tag["variants"].lower().split("-")[1:]

    return "-".join(parts())
