"""Programs in TOML files: clock times and words in place of minutes and enum names.

    display_name = "Mid-Autumn"
    purpose = "care"                     # care, retention, onboarding, service-notice, survey
    phase = "after-sale"
    time_zone = "Asia/Shanghai"          # where nobody knows better
    quiet = "21:00-08:00"

    [[plans]]                            # one for each tier; the one without a tier is for everybody else
    tier = "A"
    on_festival = { festival = "MID_AUTUMN", languages = ["zh"] }
    at = "09:00"
    form = "message"                     # message, gift, trip, visit, call, letter
    channel = "email"
    [[plans.contents]]
    language_code = "zh"
    subject = "中秋快乐，{{display_name}}"
    body = "…"

Triggers are the fields of the contract: recurrence, on_date, on_festival, on_solar_term, on_fact, on_usage, on_score,
on_silence, surprise.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from kehu.care.v1.programs_pb2 import Program

_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_WORDS: Final = frozenset({"purpose", "phase", "form", "channel", "kind", "fact", "period", "direction"})
"""Fields whose values are words of the contract."""


class ProgramFileError(ValueError):
    """The file holds no program that can be read. The message says where and why."""


def read(file: Path) -> Program:
    """The program of a file."""
    from kehu.care.v1.programs_pb2 import Program

    from libs.client.values import fill

    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProgramFileError(f"{file}: {error}") from error
    try:
        return fill(Program(), program(told))
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise ProgramFileError(f"{file}: {error}") from error


def program(told: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the contract for what a file says. ProgramFileError names what cannot be read."""
    fields: dict[str, Any] = _worded(told)
    quiet = fields.pop("quiet", None)
    if quiet is not None:
        start, dash, end = str(quiet).partition("-")
        if not dash:
            raise ProgramFileError(f"quiet = {quiet!r} is no stretch of the clock; one is 21:00-08:00")
        fields["quiet_hours"] = {"start_minute": _minute("quiet", start), "end_minute": _minute("quiet", end)}
    for plan in fields.get("plans", ()):
        at = plan.pop("at", None)
        if at is not None:
            plan["minute"] = _minute("at", str(at))
    return fields


def _worded(told: Any) -> Any:
    """The same with words of the contract in capitals."""
    if isinstance(told, Mapping):
        return {
            name: value.upper().replace("-", "_") if name in _WORDS and isinstance(value, str) else _worded(value)
            for name, value in told.items()
        }
    return [_worded(each) for each in told] if isinstance(told, list) else told


def _minute(name: str, text: str) -> int:
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        raise ProgramFileError(f"{name} = {text.strip()!r} is no time of a clock; one is 09:00")
    return int(found[1]) * 60 + int(found[2])
