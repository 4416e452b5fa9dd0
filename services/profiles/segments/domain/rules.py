"""Rules over what is known of a customer: comparisons joined by and and or, and which of them decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

Single: TypeAlias = str | int | datetime
Value: TypeAlias = Single | frozenset[str]
"""A set holds when any of its members does, and differs when none is equal."""
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """Verdict of a rule, and the comparisons that decided it, each with the value that was found."""

    holds: bool
    because: tuple[tuple[Clause, str], ...]


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison. What is missing meets none of them but `missing`."""

    field: str
    operator: str
    """One of == != < <= > >= prefix exists missing."""
    value: Single | None = None

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return f"{self.field}:*"
            case "missing":
                return f"NOT {self.field}:*"
            case "prefix":
                return f'{self.field} = "{self.value}*"'
            case operator:
                return f"{self.field} {'=' if operator == '==' else operator} {_in_words(self.value)}"

    def judge(self, facts: Mapping[str, Value]) -> Verdict:
        """True when the comparison holds."""
        found = facts.get(self.field)
        return Verdict(self._holds(found), ((self, _in_words(found)),))

    def _holds(self, found: Value | None) -> bool:
        if isinstance(found, frozenset):
            match self.operator:
                case "!=":
                    return self.value not in found
                case "missing":
                    return not found
                case _:
                    return any(self._holds(member) for member in found)
        if found is None or self.operator in ("exists", "missing"):
            return (found is None) == (self.operator == "missing")
        match self.operator:
            case "==":
                return found == self.value
            case "!=":
                return found != self.value
            case "prefix":
                return str(found).startswith(str(self.value))
        return _ordered(found, self.operator, self.value)


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple[Rule, ...]

    def judge(self, facts: Mapping[str, Value]) -> Verdict:
        """True when all hold: because of all of them, or because of those that do not."""
        verdicts = [part.judge(facts) for part in self.parts]
        holds = all(verdict.holds for verdict in verdicts)
        return Verdict(holds, tuple(each for v in verdicts if v.holds is holds for each in v.because))


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Rule, ...]

    def judge(self, facts: Mapping[str, Value]) -> Verdict:
        """True when one holds: because of those that do, or because none does."""
        verdicts = [part.judge(facts) for part in self.parts]
        holds = any(verdict.holds for verdict in verdicts)
        return Verdict(holds, tuple(each for v in verdicts if v.holds is holds for each in v.because))


Rule: TypeAlias = Clause | AllOf | AnyOf


def clauses(rule: Rule) -> Iterator[Clause]:
    """Every comparison of a rule."""
    if isinstance(rule, Clause):
        yield rule
        return
    for part in rule.parts:
        yield from clauses(part)


def required(rule: Rule) -> Iterator[Clause]:
    """The comparisons without which the rule cannot hold."""
    if isinstance(rule, Clause):
        yield rule
    elif isinstance(rule, AllOf):
        for part in rule.parts:
            yield from required(part)


def _ordered(left: Single, operator: str, right: Single | None) -> bool:
    order = 0
    match left, right:
        case (int(), int()) | (str(), str()) | (datetime(), datetime()):
            order = (left > right) - (left < right)  # type: ignore[operator]
        case _:
            return False
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]


def _in_words(value: Value | None) -> str:
    match value:
        case None:
            return ""
        case frozenset():
            shown = sorted(value)
            return ", ".join(shown[:_SHOWN]) + (f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else "")
        case datetime():
            return value.isoformat(timespec="seconds")
        case _:
            return str(value)
