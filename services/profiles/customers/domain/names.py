"""Names of people: how they are written, shown, read and found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from libs.chassis.domain import OpenEnum
from services.profiles.customers.domain import pinyin
from services.profiles.customers.domain.text import check_interval, clean, clean_name, fold, script_of
from services.profiles.customers.domain.violations import Violations

_FAMILY_NAME_FIRST = frozenset({"Hani", "Jpan", "Hang"})
_LONGEST_KEY, _MOST_KEYS = 60, 100


class NameOrder(OpenEnum):
    """Part of a name that is said and written first."""

    GIVEN_FIRST = "GIVEN_FIRST"
    FAMILY_FIRST = "FAMILY_FIRST"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonName:
    """A name of a person in one script."""

    given: str = ""
    family: str = ""
    middle: str = ""
    script: str = ""
    """ISO 15924, for example `Hani`."""
    order: NameOrder | None = None
    pinyin: str = ""
    """The reading with tone marks, family name first."""
    prefix: str = ""
    valid_from_date: date | None = None
    valid_to_date: date | None = None

    def display(self) -> str:
        """The name as staff see it: `张三`, `克特·米勒`, `Ada Lovelace`. Without middle names and honorific."""
        parts = [self.given, self.family] if self.order is NameOrder.GIVEN_FIRST else [self.family, self.given]
        if self.script not in _FAMILY_NAME_FIRST:
            joint = " "
        elif self.order is NameOrder.GIVEN_FIRST:
            joint = "·"
        else:
            joint = ""
        return joint.join(part for part in parts if part)

    def completed(self, field: str, violations: Violations) -> PersonName:
        """The name in NFC, with script, order and pinyin filled in where they were left out."""
        name = replace(
            self,
            given=clean_name(self.given, f"{field}.given", 100, violations),
            family=clean_name(self.family, f"{field}.family", 100, violations),
            middle=clean_name(self.middle, f"{field}.middle", 100, violations),
            pinyin=clean(self.pinyin, f"{field}.pinyin", 300, violations),
            prefix=clean_name(self.prefix, f"{field}.prefix", 50, violations),
        )
        if not (name.given or name.family):
            violations.add(field, "needs a given or a family name")
        if name.script and not re.fullmatch("[A-Z][a-z]{3}", name.script):
            violations.add(f"{field}.script", f"{name.script!r} is no ISO 15924 code such as Hani or Latn")
        check_interval(name.valid_from_date, name.valid_to_date, f"{field}.valid_to_date", violations)
        script = name.script or script_of(name.family + name.given)
        natural = NameOrder.FAMILY_FIRST if script in _FAMILY_NAME_FIRST else NameOrder.GIVEN_FIRST
        reading = pinyin.romanize(name.family, name.given) if script == "Hani" else ""
        return replace(name, script=script, order=name.order or natural, pinyin=name.pinyin or reading)

    def search_keys(self) -> Iterator[str]:
        """Texts that a searcher may begin to type for this name."""
        yield fold(self.family + self.given)
        yield fold(self.given + self.family)
        yield fold(self.given + self.middle + self.family)
        yield fold(self.middle)
        if self.script == "Hani":
            yield from _pinyin_keys(self.pinyin, pinyin.syllables(self.family, self.given))
            yield from _pinyin_keys("", pinyin.syllables("", self.given))


def without_stale_pinyin(drafts: Sequence[PersonName], current: Sequence[PersonName]) -> tuple[PersonName, ...]:
    """The drafts without pinyin that we had computed for another name: a caller who reads a customer, mends a name and
    writes it back sends the old reading along."""
    computed = {
        name.pinyin: (name.family, name.given)
        for name in current
        if name.pinyin == pinyin.romanize(name.family, name.given)
    }
    return tuple(
        replace(draft, pinyin="")
        if computed.get(draft.pinyin, (draft.family, draft.given)) != (draft.family, draft.given)
        else draft
        for draft in drafts
    )


def title_keys(title: str) -> Iterator[str]:
    """Beginnings to search a display name or an alias by: the whole, or from any of its words on."""
    words = title.split()
    for first in range(len(words)):
        yield fold("".join(words[first:]))
    if script_of(title) == "Hani":
        yield from _pinyin_keys("", pinyin.syllables("", title))


def search_keys(display_name: str, aliases: Sequence[str], names: Sequence[PersonName]) -> tuple[str, ...]:
    """Every folded beginning under which a customer is found, sorted."""
    found = {key for name in names for key in name.search_keys()}
    # A display name that only repeats a name would be read like words: 单 as dān.
    titles = {display_name, *aliases} - {name.display() for name in names}
    found |= {key for title in titles for key in title_keys(title)}
    return tuple(sorted({key[:_LONGEST_KEY] for key in found if key}))[:_MOST_KEYS]


def _pinyin_keys(written: str, read: Sequence[str]) -> Iterator[str]:
    """Toneless pinyin in full, with `v` for `ü` as keyboards have it, and in initials."""
    whole = written or "".join(read)
    yield fold(whole)
    yield fold(re.sub("[üǖǘǚǜ]", "v", whole.casefold()))
    initials = "".join(fold(syllable)[:1] for syllable in read)
    yield fold(whole)[:1] + initials[1:]
