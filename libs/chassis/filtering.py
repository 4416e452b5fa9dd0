"""Conditions on documents: built in Python by use-cases, or parsed from an AIP-160 filter sent by a caller.

Services never write MongoDB syntax: `to_mongo` does, and `libs.engine.store.matching` is its twin in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from libs.chassis.codec import plain
from libs.chassis.domain import InvalidArgument

MAX_LENGTH, MAX_DEPTH, MAX_TERMS = 2000, 10, 50
INT64 = 2**63
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Bounds of times that callers may compare with."""


class Condition:
    """Something that a document meets or not."""

    def __and__(self, other: Condition) -> Condition:
        return all_of(self, other)

    def __or__(self, other: Condition) -> Condition:
        return any_of(self, other)


@dataclass(frozen=True, slots=True)
class Compare(Condition):
    """One field against one value. On an array, any of its elements may meet it."""

    path: str
    operator: str  # one of == != < <= > >= in not_in prefix exists missing
    value: Any = None


@dataclass(frozen=True, slots=True)
class AllOf(Condition):
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf(Condition):
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Element(Condition):
    """One element of an array meets the whole condition, whose paths start inside the element."""

    path: str
    condition: Condition


class field:  # noqa: N801  (reads as a word: field("state") == State.OPEN)
    """A field by its dotted path. Comparing it gives a condition."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, path: str) -> None:
        self.path = path

    def __eq__(self, value: object) -> Compare:  # type: ignore[override]
        return Compare(self.path, "==", plain(value))

    def __ne__(self, value: object) -> Compare:  # type: ignore[override]
        return Compare(self.path, "!=", plain(value))

    def __lt__(self, value: object) -> Compare:
        return Compare(self.path, "<", plain(value))

    def __le__(self, value: object) -> Compare:
        return Compare(self.path, "<=", plain(value))

    def __gt__(self, value: object) -> Compare:
        return Compare(self.path, ">", plain(value))

    def __ge__(self, value: object) -> Compare:
        return Compare(self.path, ">=", plain(value))

    def one_of(self, values: Sequence[object]) -> Compare:
        return Compare(self.path, "in", [plain(value) for value in values])

    def none_of(self, values: Sequence[object]) -> Compare:
        return Compare(self.path, "not_in", [plain(value) for value in values])

    def starts_with(self, prefix: str) -> Compare:
        return Compare(self.path, "prefix", prefix)

    def exists(self) -> Compare:
        return Compare(self.path, "exists")

    def missing(self) -> Compare:
        return Compare(self.path, "missing")

    def any_element(self, condition: Condition) -> Element:
        """One and the same element of the array meets `condition`."""
        return Element(self.path, condition)


def all_of(*parts: Condition | None) -> Condition:
    """Every part holds. Absent parts are left out."""
    kept = tuple(part for part in parts if part is not None)
    return kept[0] if len(kept) == 1 else AllOf(kept)


def any_of(*parts: Condition) -> Condition:
    """At least one part holds."""
    return parts[0] if len(parts) == 1 else AnyOf(parts)


def conjuncts(condition: Condition | None) -> Iterator[Compare | AnyOf | Element]:
    """The parts that must all hold, whatever the nesting."""
    if isinstance(condition, AllOf):
        for part in condition.parts:
            yield from conjuncts(part)
    elif isinstance(condition, Compare | AnyOf | Element):
        yield condition


def paths_in(condition: Condition | None) -> set[str]:
    """Every field that a condition mentions."""
    match condition:
        case AllOf(parts=parts) | AnyOf(parts=parts):
            return {path for part in parts for path in paths_in(part)}
        case Element(path=path, condition=inner):
            return {f"{path}.{each}" for each in paths_in(inner)}
        case Compare(path=path):
            return {path}
    return set()


# ---------------------------------------------------------------------------------------------- to MongoDB

_MONGO = {"==": "$eq", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte", "in": "$in"}


def to_mongo(condition: Condition | None) -> dict[str, Any]:
    """The MongoDB query of a condition."""
    match condition:
        case None | AllOf(parts=()):
            return {}
        case AllOf(parts=parts):
            return {"$and": [to_mongo(part) for part in parts]}
        case AnyOf(parts=parts):
            return {"$or": [to_mongo(part) for part in parts]}
        case Element(path=path, condition=inner):
            return {path: {"$elemMatch": to_mongo(inner)}}
        case Compare(path=path, operator="!=", value=value):
            # A field that is not there is neither equal nor unequal (AIP-160).
            return {path: {"$nin": [value, None]}}
        case Compare(path=path, operator="not_in", value=values):
            return {path: {"$nin": [*values, None]}}
        case Compare(path=path, operator="prefix", value=value):
            return {path: {"$regex": f"^{re.escape(value)}"}}
        case Compare(path=path, operator="exists"):
            return {path: {"$exists": True, "$ne": None}}
        case Compare(path=path, operator="missing"):
            return {path: None}
        case Compare(path=path, operator=operator, value=value):
            return {path: {_MONGO[operator]: value}}
    raise TypeError(f"not a condition: {condition!r}")


# --------------------------------------------------------------------------------------------- AIP-160 text


class FilterSpec:
    """The fields that a caller may filter on, with their types: str, int, bool, datetime or an enum."""

    def __init__(self, fields: Mapping[str, type]) -> None:
        self.fields = dict(fields)


def parse(text: str, spec: FilterSpec) -> Condition | None:
    """The condition of an AIP-160 filter, or None for an empty one.

    Supported: `= != < <= > >= :`, `AND`, `OR` (binds tighter than AND), `NOT` and `-` before a comparison, parentheses
    and a trailing `*` for prefixes. Everything else is refused with InvalidArgument saying where and what is allowed.
    """
    if not text.strip():
        return None
    if len(text) > MAX_LENGTH:
        raise _wrong(f"is longer than {MAX_LENGTH} characters")
    if "\0" in text:
        raise _wrong(f"has a NUL at character {text.index(chr(0)) + 1}")
    return _Parser(text, spec).parse()


_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<operator><=|>=|!=|=|<|>|:)
    | (?P<paren>[()])
    | (?P<minus>-(?=[A-Za-z(_]))
    | (?P<word>[^\s()"'=<>!:]+(?::[^\s()"'=<>!]+)*)
    )""",
    re.VERBOSE,
)
_NEGATED = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


class _Parser:
    def __init__(self, text: str, spec: FilterSpec) -> None:
        self.spec = spec
        self.tokens = list(self._tokens(text))
        self.at = 0
        self.terms = 0

    @staticmethod
    def _tokens(text: str) -> Iterator[tuple[str, str]]:
        at, end = 0, len(text.rstrip())
        after_field = False
        while at < end:
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise _wrong(f"cannot read {text[at : at + 20]!r} at character {at + 1}")
            kind, value = found.lastgroup, found.group(found.lastgroup)
            at = found.end()
            if kind == "word" and ":" in value and not after_field:
                # `field:value`: a colon is an operator unless it stands inside a value such as a time.
                name, rest = value.split(":", 1)
                yield "word", name
                yield "operator", ":"
                yield "word", rest
            else:
                yield kind, value
            after_field = kind == "operator"

    def parse(self) -> Condition:
        condition = self._conjunction(0)
        if self.at < len(self.tokens):
            raise _wrong(f"unexpected {self.tokens[self.at][1]!r}")
        return condition

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self.at += 1
        return token

    def _conjunction(self, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise _wrong(f"is nested deeper than {MAX_DEPTH}")
        parts = [self._disjunction(depth)]
        while self._peek() not in (("end", ""), ("paren", ")")):
            if self._peek() == ("word", "AND"):
                self._take()
            parts.append(self._disjunction(depth))  # two comparisons side by side mean AND
        return all_of(*parts)

    def _disjunction(self, depth: int) -> Condition:
        parts = [self._term(depth)]
        while self._peek() == ("word", "OR"):
            self._take()
            parts.append(self._term(depth))
        return any_of(*parts)

    def _term(self, depth: int) -> Condition:
        kind, value = self._take()
        negated = kind == "minus" or (kind, value) == ("word", "NOT")
        if negated:
            kind, value = self._take()
        if kind == "paren" and value == "(":
            if negated:
                raise _wrong("NOT stands before one comparison, not before parentheses")
            condition = self._conjunction(depth + 1)
            if self._take() != ("paren", ")"):
                raise _wrong("a parenthesis is not closed")
            return condition
        if kind != "word":
            raise _wrong(f"expected a field name, found {value or 'the end'!r}")
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise _wrong(f"has more than {MAX_TERMS} comparisons")
        return self._comparison(value, negated)

    def _comparison(self, name: str, negated: bool) -> Condition:
        kind_of_value = self.spec.fields.get(name)
        if kind_of_value is None:
            raise not_indexed(name, self.spec.fields)
        kind, operator = self._take()
        if kind != "operator":
            raise _wrong(f"expected a comparison after {name!r}, found {operator or 'the end'!r}")
        kind, text = self._take()
        if kind not in ("word", "string"):
            raise _wrong(f"expected a value after {name!r} {operator}, found {text or 'the end'!r}")
        if kind == "string":
            text = re.sub(r"\\(.)", r"\1", text[1:-1])
        if operator == ":" and text == "*" and kind == "word":
            return field(name).missing() if negated else field(name).exists()
        if operator == ":":
            operator = "="
        if negated:
            operator = _NEGATED[operator]
        if kind_of_value is str and text.endswith("*") and len(text) > 1:
            if operator != "=":
                raise _wrong(f"{name}: a prefix can only be asked for with = or :")
            text = text[:-1]
            if "*" in text:
                raise _wrong(f"{name}: only one * is allowed, at the end")
            return field(name).starts_with(text)
        if kind_of_value is str and text.startswith("*"):
            raise _wrong(f"{name}: * is allowed at the end only")
        value = _literal(name, text, kind_of_value)
        return Compare(name, "==" if operator == "=" else operator, plain(value))


def _literal(name: str, text: str, kind: Any) -> Any:
    try:
        if issubclass(kind, Enum):
            return {member.value: member for member in kind}[text]  # an open enum takes any word for a member
        if kind is bool:
            return {"true": True, "false": False}[text]
        if kind is int:
            return _within(int(text), -INT64, INT64 - 1)
        if kind is datetime:
            return _within(_utc(datetime.fromisoformat(text)), EARLIEST, LATEST)
        return kind(text)
    except (ValueError, KeyError, OverflowError):
        raise _wrong(f"{name}: {text!r} is not {_describe(kind)}") from None


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("no offset")
    return at.astimezone(UTC)


def _within(value: Any, least: Any, greatest: Any) -> Any:
    if not least <= value <= greatest:
        raise ValueError("out of bounds")
    return value


def _describe(kind: Any) -> str:
    if issubclass(kind, Enum):
        return "one of " + ", ".join(str(member.value) for member in kind)
    return {
        bool: "true or false",
        int: "a whole number of at most 64 bits",
        datetime: "a time with offset between 1900 and 2200, such as 2026-03-08T09:30:00+08:00",
    }.get(kind, f"a {kind.__name__}")


def _wrong(description: str) -> InvalidArgument:
    return InvalidArgument.field("filter", description, reason="FILTER_INVALID")


def not_indexed(name: str, allowed: Sequence[str] | Mapping[str, Any]) -> InvalidArgument:
    """The refusal of a filter or order that no index serves. It lists what is served."""
    return InvalidArgument(
        violations=[
            *InvalidArgument.field(
                "filter",
                f"{name!r} has no index; allowed: {', '.join(sorted(allowed))}",
                reason="NOT_INDEXED",
            ).violations
        ],
        reason="NOT_INDEXED",
        field=name,
    )
