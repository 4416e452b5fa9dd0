"""The way through a questionnaire: conditions, jumps and screeners, checked as a graph before anybody is asked.

Everything leads forward: a condition looks at earlier items only and a jump goes to later ones, so a questionnaire ends
whatever is answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from libs.chassis.domain import FieldViolation, InvalidArgument, OpenEnum
from services.surveys.questionnaires.domain.answers import Answer, Comparison, Rule
from services.surveys.questionnaires.domain.items import (
    AGREED,
    CHOOSING,
    DECLINED,
    RATING,
    SCALES,
    Item,
    ItemType,
)

ITEMS_MAX = 200
_PIPE = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """A way past some items."""

    after: str
    """Key of the item after which it is taken."""
    when: tuple[Rule, ...] = ()
    """Rules that all have to hold. Always taken without any."""
    to: str = ""
    """Key of a later item. Empty for the end."""
    screens_out: bool = False
    """Set when the respondent does not belong to those who are asked. `to` is empty then."""


class Ending(OpenEnum):
    """State of the way of a respondent."""

    OPEN = "OPEN"
    COMPLETE = "COMPLETE"
    SCREENED_OUT = "SCREENED_OUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way of one respondent through the items."""

    shown: tuple[str, ...]
    """Keys of the items that are asked, in order. Answers to others are kept and do not count."""
    ending: Ending
    next: str = ""
    """Key of the first item that is asked and not answered, while the route is open."""


def route(items: Sequence[Item], jumps: Sequence[Jump], answers: Mapping[str, Answer]) -> Route:
    """The way that answers lead. An item that may be left blank is passed only once it was seen, with a blank answer.

    Only answers to items on the way decide: what was answered before a condition was taken back does not.
    """
    places = {item.key: place for place, item in enumerate(items)}
    counted: dict[str, Answer] = {}
    shown: list[str] = []
    place = 0
    while place < len(items):
        item = items[place]
        place += 1
        if not all(rule.holds(counted) for rule in item.asked_when):
            continue
        shown.append(item.key)
        if item.key not in answers or (item.required and answers[item.key].is_blank):
            return Route(shown=tuple(shown), ending=Ending.OPEN, next=item.key)
        counted[item.key] = answers[item.key]
        for jump in jumps:
            if jump.after == item.key and all(rule.holds(counted) for rule in jump.when):
                if jump.screens_out:
                    return Route(shown=tuple(shown), ending=Ending.SCREENED_OUT)
                place = places[jump.to] if jump.to else len(items)
                break
    return Route(shown=tuple(shown), ending=Ending.COMPLETE)


def check(items: Sequence[Item], jumps: Sequence[Jump], languages: Sequence[str]) -> None:
    """InvalidArgument with every fault of a questionnaire: unknown keys, ways back, items that nobody is asked."""
    faults = [
        FieldViolation(field, description)
        for found in (
            _faults_of_items(items, languages),
            _faults_of_conditions(items),
            _faults_of_jumps(items, jumps),
        )
        for field, description in found
    ]
    if faults:
        raise InvalidArgument(violations=faults)


Fault = tuple[str, str]


def _faults_of_items(items: Sequence[Item], languages: Sequence[str]) -> Iterator[Fault]:
    if not 1 <= len(items) <= ITEMS_MAX:
        yield "items", f"there are {len(items)}: a questionnaire has 1 to {ITEMS_MAX}"
    seen: set[str] = set()
    for place, item in enumerate(items):
        field = f"items[{place}]"
        if item.key in seen:
            yield f"{field}.key", f"{item.key} is there twice"
        for language in languages:
            words = [item.texts, *(option.texts for option in (*item.options, *item.rows))]
            if not all(each.get(language, "").strip() for each in words):
                yield f"{field}.texts", f"{item.key} has no words in {language}"
        for text in item.texts.values():
            yield from (
                (f"{field}.texts", f"{{{{{key}}}}} names no item before {item.key}")
                for key in _PIPE.findall(text)
                if key not in seen
            )
        yield from _faults_of_type(field, item)
        seen.add(item.key)


def _faults_of_type(field: str, item: Item) -> Iterator[Fault]:
    if item.type in CHOOSING and len(item.options) < 2:
        yield f"{field}.options", f"{item.key} needs at least 2 options"
    if item.type not in CHOOSING and item.options:
        yield f"{field}.options", f"{item.type} has no options"
    for name, given in (("options", item.options), ("rows", item.rows)):
        if len({each.key for each in given}) < len(given):
            yield f"{field}.{name}", f"{item.key} has a key twice"
    if item.type in RATING and not item.low < item.high:
        yield f"{field}.high", f"{item.high} is not above {item.low}, the low end"
    if (item.type is ItemType.MATRIX) is not bool(item.rows):
        yield f"{field}.rows", "a matrix has rows, and nothing else has"
    if item.type is ItemType.CONSENT and item.required:
        yield f"{field}.required", "a consent is given freely, so it is never required"
    if item.type is ItemType.PICTURE and not item.picture_ref:
        yield f"{field}.picture_ref", f"{item.key} has no picture"
    if item.reverse_scored and item.scale is None:
        yield f"{field}.reverse_scored", f"{item.type} has no scale to turn around"


def _faults_of_rules(field: str, rules: Sequence[Rule], before: Mapping[str, Item]) -> Iterator[Fault]:
    for place, rule in enumerate(rules):
        here = f"{field}[{place}]"
        if rule.item not in before:
            yield f"{here}.item", f"{rule.item} is no item before it"
            continue
        if rule.comparison in (Comparison.AT_LEAST, Comparison.AT_MOST):
            number = len(rule.values) == 1 and rule.values[0].lstrip("-").isdigit()
            if not number or before[rule.item].type not in (*SCALES, ItemType.SCALE, ItemType.NUMBER):
                yield f"{here}.values", f"{rule.comparison} takes one whole number, of an item that has a number"
        elif rule.comparison in (Comparison.ONE_OF, Comparison.NONE_OF):
            known = _values(before[rule.item])
            if not rule.values or (known is not None and not {*rule.values} <= known):
                yield f"{here}.values", f"name answers of {rule.item}: {', '.join(sorted(known or ())) or 'any'}"


def _values(item: Item) -> set[str] | None:
    """Every answer that an item can have. None when there is no end of them."""
    if item.type is ItemType.CONSENT:
        return {AGREED, DECLINED}
    if item.type in CHOOSING:
        return {option.key for option in item.options}
    if item.scale is not None and item.type not in (ItemType.MATRIX, ItemType.PAIR_EXPECTATION_PERCEPTION):
        return {str(number) for number in range(item.scale[0], item.scale[1] + 1)}
    return None


def _faults_of_conditions(items: Sequence[Item]) -> Iterator[Fault]:
    before: dict[str, Item] = {}
    for place, item in enumerate(items):
        yield from _faults_of_rules(f"items[{place}].asked_when", item.asked_when, before)
        before[item.key] = item


def _faults_of_jumps(items: Sequence[Item], jumps: Sequence[Jump]) -> Iterator[Fault]:
    places = {item.key: place for place, item in enumerate(items)}
    sound = True
    for number, jump in enumerate(jumps):
        field = f"jumps[{number}]"
        if jump.after not in places:
            yield f"{field}.after", f"{jump.after} is no item"
            sound = False
            continue
        before = {item.key: item for item in items[: places[jump.after] + 1]}
        yield from _faults_of_rules(f"{field}.when", jump.when, before)
        if jump.screens_out and jump.to:
            yield f"{field}.to", "who is screened out goes nowhere"
        if jump.to and places.get(jump.to, -1) <= places[jump.after]:
            yield f"{field}.to", f"{jump.to} is no item after {jump.after}: a way back would never end"
            sound = False
    if sound:
        yield from _unreachable(items, jumps, places)


def _unreachable(items: Sequence[Item], jumps: Sequence[Jump], places: Mapping[str, int]) -> Iterator[Fault]:
    reached = {0}
    for place, item in enumerate(items):
        if place not in reached:
            yield f"items[{place}]", f"no way leads to {item.key}"
            continue
        from_here = [jump for jump in jumps if jump.after == item.key]
        reached |= {places[jump.to] for jump in from_here if jump.to}
        if all(jump.when for jump in from_here):
            reached.add(place + 1)
