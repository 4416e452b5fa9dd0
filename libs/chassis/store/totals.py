"""Sums over many documents: keys to group by, and measures of each group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class DayOf:
    """Groups by the calendar date of a time in a time zone."""

    path: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class Count:
    """The number of documents, or of those that lack a field."""

    lacking: str = ""


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of a number. A document without it adds nothing."""

    path: str


@dataclass(frozen=True, slots=True)
class Least:
    """The least value of a field."""

    path: str


@dataclass(frozen=True, slots=True)
class Greatest:
    """The greatest value of a field."""

    path: str


Key: TypeAlias = str | DayOf
Measure: TypeAlias = Count | Sum | Least | Greatest
