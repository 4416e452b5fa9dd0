"""Readings of Chinese names: many characters have another reading as a family name than as a word."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

_FAMILY_READINGS = {
    "万俟": "mò qí", "仲长": "zhòng cháng", "令狐": "líng hú", "单于": "chán yú", "宰父": "zǎi fǔ", "尉迟": "yù chí",
    "澹台": "tán tái", "那拉": "nà lā", "乐": "yuè", "乜": "niè", "么": "yāo", "仇": "qiú", "任": "rén", "佴": "nài",
    "便": "pián", "冠": "guàn", "区": "ōu", "华": "huà", "单": "shàn", "卜": "bǔ", "占": "zhān", "召": "shào",
    "员": "yùn", "哈": "hǎ", "句": "gōu", "干": "gān", "折": "shé", "撒": "sǎ", "於": "yū", "曾": "zēng",
    "朴": "piáo", "查": "zhā", "洗": "xiǎn", "燕": "yān", "牟": "mù", "盖": "gě", "相": "xiàng", "祭": "zhài",
    "秘": "bì", "种": "chóng", "粘": "nián", "纪": "jǐ", "繁": "pó", "缪": "miào", "翟": "zhái", "能": "nài",
    "舍": "shè", "葛": "gě", "薄": "bó", "藏": "zāng", "观": "guàn", "覃": "qín", "解": "xiè", "过": "guō",
    "郇": "xún", "那": "nā", "都": "dū", "阚": "kàn", "隗": "wěi", "黑": "hè",
}  # fmt: skip
"""Family names that pypinyin reads as words, with the readings of Xiandai Hanyu Cidian."""


def syllables(family: str, given: str) -> list[str]:
    """One reading with tone mark for each character of a name, family name first."""
    return [*_family_syllables(family), *_read(given)]


def romanize(family: str, given: str) -> str:
    """The name in pinyin with tone marks, for example `Shàn Xióngxìn`."""
    parts = _family_syllables(family), _read(given)
    return " ".join(_join(part).capitalize() for part in parts if part)


@lru_cache(10_000)
def _read(characters: str) -> tuple[str, ...]:
    """One reading with tone mark for each character, as a word."""
    pypinyin = _dictionary()
    return tuple(map(str, pypinyin.lazy_pinyin(characters, style=pypinyin.Style.TONE)))


@cache
def _dictionary() -> Any:
    """pypinyin with its phrases: 56 MB and half a second, which a process that reads no Chinese name never pays."""
    import pypinyin

    return pypinyin


def _family_syllables(family: str) -> list[str]:
    """Character by character, because a pair of married names is no word. Compounds that are words are listed."""
    if family in _FAMILY_READINGS:
        return _FAMILY_READINGS[family].split()
    return [_FAMILY_READINGS.get(character) or _read(character)[0] for character in family]


def _join(parts: Sequence[str]) -> str:
    """Syllables as one word, with the apostrophe that keeps `Xī'ān` apart from `Xiān` (GB/T 28039)."""
    word = parts[0]
    for part in parts[1:]:
        starts_with_a_vowel = unicodedata.normalize("NFD", part)[0] in "aoe"
        word += f"'{part}" if starts_with_a_vowel else part
    return word
