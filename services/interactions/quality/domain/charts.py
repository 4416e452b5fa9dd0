"""Control charts after Shewhart (1931), and defects per million with an exact interval (Garwood 1936)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import ClassVar

from libs.chassis.domain import InvalidArgument, OpenEnum
from libs.statistics.estimates import rate

DEVIATIONS = 3
"""Deviations between the center and its limits."""
MILLION = 1_000_000


class MoreDefectsThanUnits(InvalidArgument):
    """{defects} defects in {units} units is no share."""

    wrong_field: ClassVar[str] = "points"
    defects: int
    units: int


class ChartKind(OpenEnum):
    """Kind of a control chart."""

    SHARES = "SHARES"
    RATES = "RATES"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartPoint:
    """Point of a control chart."""

    label: str = ""
    defects: int = 0
    units: int
    value: float = 0.0
    lower_limit: float = 0.0
    upper_limit: float = 0.0
    outside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlChart:
    """Control chart with limits at three deviations."""

    kind: ChartKind
    center: float
    points: tuple[ChartPoint, ...]


def chart(kind: ChartKind, points: Sequence[ChartPoint], center: float | None = None) -> ControlChart:
    """The chart of some counts: p = c ± 3·√(c(1-c)/n), or u = c ± 3·√(c/n), never below 0, and shares never above 1."""
    for each in points:
        if kind is ChartKind.SHARES and each.defects > each.units:
            raise MoreDefectsThanUnits(defects=each.defects, units=each.units)
    units = sum(each.units for each in points)
    middle = center if center is not None else sum(each.defects for each in points) / units if units else 0.0
    middle = min(middle, 1.0) if kind is ChartKind.SHARES else middle
    return ControlChart(kind=kind, center=middle, points=tuple(_limited(kind, each, middle) for each in points))


def _limited(kind: ChartKind, point: ChartPoint, center: float) -> ChartPoint:
    variance = center * (1 - center) if kind is ChartKind.SHARES else center
    reach = DEVIATIONS * sqrt(variance / point.units)
    low, high = max(center - reach, 0.0), center + reach
    high = min(high, 1.0) if kind is ChartKind.SHARES else high
    value = point.defects / point.units
    return replace(point, value=value, lower_limit=low, upper_limit=high, outside=not low <= value <= high)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectRate:
    """Defects per million opportunities with their interval."""

    per_million: float
    lower: float
    upper: float


def defect_rate(defects: int, units: int, opportunities: int) -> DefectRate:
    """Defects per million opportunities. Units and opportunities are above 0."""
    found = rate(defects, units * opportunities)
    if found is None:
        raise InvalidArgument.field("units", f"{units} is not above 0")
    return DefectRate(per_million=found.value * MILLION, lower=found.lower * MILLION, upper=found.upper * MILLION)
