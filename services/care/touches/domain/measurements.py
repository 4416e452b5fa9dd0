"""Measurements: the usage of a period, or a score, as another system tells it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from libs.chassis.domain import Change, Entity


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(Entity):
    """The last value of a measure for one customer."""

    ID_PREFIX: ClassVar[str] = "msr"

    customer_id: str
    measure: str
    period: str = ""
    value: int = 0
    saving_minor_units: int = 0
    count: int = 0
    """Number of times that it was measured, which tells one crossing of a mark from the next."""

    def measure_again(self, other: Measurement) -> Change[Measurement]:
        """With another value."""
        told = {name: getattr(other, name) for name in ("period", "value", "saving_minor_units")}
        return replace(self, **told, count=self.count + 1), []

    def erase(self) -> Change[Measurement]:
        """Without values."""
        return replace(self, value=0, saving_minor_units=0), []
