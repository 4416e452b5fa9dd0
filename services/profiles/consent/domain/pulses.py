"""Pulses: a sign, once a minute, that events about consent flow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Event

PULSE_EVERY: Final = timedelta(minutes=1)
"""Time between two pulses of a tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentPulse(Entity):
    """The pulse of one tenant."""

    ID_PREFIX: ClassVar[str] = "pls"

    next_time: datetime

    def begin(self, now: datetime) -> Change[ConsentPulse]:
        """Begins to beat. One that beats already goes on."""
        return (self, []) if self.revision else (self, [ConsentPulsed(pulse_time=now)])

    def beat(self, now: datetime) -> Change[ConsentPulse]:
        """Beats once. Nothing happens before its time."""
        if now < self.next_time:
            return self, []
        return replace(self, next_time=now + PULSE_EVERY), [ConsentPulsed(pulse_time=now)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentPulsed(Event):
    """Tells that events about consent flow."""

    pulse_time: datetime
