"""Festivals that people keep, by culture. A tenant chooses which of them its customers are greeted on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from dateutil.easter import EASTER_WESTERN, easter

from libs.almanac.lunisolar import LunarDay, gregorian, new_years_eve, solar_term
from libs.chassis.domain import InvalidArgument, OpenEnum


class Culture(OpenEnum):
    """People who keep a festival."""

    CHINESE = "CHINESE"
    WESTERN = "WESTERN"
    INTERNATIONAL = "INTERNATIONAL"


class FestivalUnknown(InvalidArgument):
    """There is no festival {festival}: choose one of {known}."""

    wrong_field: ClassVar[str] = "festival"
    festival: str
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Festival:
    """A festival and the day it falls on."""

    key: str
    """Name in contracts, for example `MID_AUTUMN`."""
    names: Mapping[str, str]
    """Language → name as it is written there."""
    culture: Culture
    day: Callable[[int], date]
    """Year of the calendar that the festival follows → Gregorian day."""
    chinese_year: bool = False
    """Set when the year is a Chinese one, which ends in the next Gregorian year."""

    def between(self, start: date, end: date) -> list[date]:
        """Every day on which it is kept, from the first day up to and without the second."""
        days = map(self.day, range(start.year - self.chinese_year, end.year + 1))
        return [day for day in days if start <= day < end]


def _lunar(key: str, chinese: str, english: str, month: int, day: int) -> Festival:
    return Festival(
        key=key,
        names={"zh": chinese, "en": english},
        culture=Culture.CHINESE,
        day=lambda year: gregorian(LunarDay(year, month, day)),
        chinese_year=True,
    )


def _term(key: str, chinese: str, english: str, term: str) -> Festival:
    return Festival(
        key=key,
        names={"zh": chinese, "en": english},
        culture=Culture.CHINESE,
        day=lambda year: solar_term(year, term),
    )


def _fixed(key: str, chinese: str, english: str, month: int, day: int, *, culture: Culture) -> Festival:
    return Festival(
        key=key, names={"zh": chinese, "en": english}, culture=culture, day=lambda year: date(year, month, day)
    )


_ALL = (
    _lunar("SPRING_FESTIVAL", "春节", "Spring Festival", 1, 1),
    _lunar("LANTERN_FESTIVAL", "元宵节", "Lantern Festival", 1, 15),
    _term("QINGMING", "清明节", "Qingming", "清明"),
    _lunar("DRAGON_BOAT", "端午节", "Dragon Boat", 5, 5),
    _lunar("QIXI", "七夕节", "Qixi", 7, 7),
    _lunar("ZHONGYUAN", "中元节", "Zhongyuan", 7, 15),
    _lunar("MID_AUTUMN", "中秋节", "Mid-Autumn", 8, 15),
    _lunar("DOUBLE_NINTH", "重阳节", "Double Ninth", 9, 9),
    _term("WINTER_SOLSTICE", "冬至", "Winter Solstice", "冬至"),
    _lunar("LABA", "腊八节", "Laba", 12, 8),
    Festival(
        key="NEW_YEARS_EVE",
        names={"zh": "除夕", "en": "New Year's Eve"},
        culture=Culture.CHINESE,
        day=new_years_eve,
        chinese_year=True,
    ),
    _fixed("NEW_YEAR", "元旦", "New Year's Day", 1, 1, culture=Culture.INTERNATIONAL),
    _fixed("WOMENS_DAY", "妇女节", "Women's Day", 3, 8, culture=Culture.INTERNATIONAL),
    _fixed("LABOUR_DAY", "劳动节", "Labour Day", 5, 1, culture=Culture.INTERNATIONAL),
    _fixed("CHRISTMAS", "圣诞节", "Christmas", 12, 25, culture=Culture.WESTERN),
    Festival(
        key="EASTER",
        names={"zh": "复活节", "en": "Easter"},
        culture=Culture.WESTERN,
        day=lambda year: easter(year, EASTER_WESTERN),
    ),
)
FESTIVALS: Mapping[str, Festival] = {each.key: each for each in _ALL}
"""Key → festival."""


def festival(key: str) -> Festival:
    """The festival of this key. FestivalUnknown when no table knows it."""
    if key not in FESTIVALS:
        raise FestivalUnknown(festival=key, known=tuple(FESTIVALS))
    return FESTIVALS[key]
