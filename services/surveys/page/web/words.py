"""The page's own words, a file for each language. The questions are the survey's."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "languages"
LANGUAGES: Final[Mapping[str, Mapping[str, str]]] = {
    code: tomllib.loads((FOLDER / f"{code}.toml").read_text(encoding="utf-8")) for code in ("en", "zh")
}
"""Primary subtag → the page's words. The first language is what others fall back to."""
NAMES: Final[Mapping[str, str]] = {"en": "English", "zh": "中文", "de": "Deutsch", "fr": "Français", "ja": "日本語"}
"""Primary subtag → the language in itself."""


def words(language: str) -> Mapping[str, str]:
    """The page's words in a language, in English for one that it has not."""
    return LANGUAGES.get(_primary(language), LANGUAGES["en"])


def name_of(language: str) -> str:
    """The name of a language in itself, for the switch between languages."""
    return NAMES.get(_primary(language), language)


def _primary(language: str) -> str:
    return language.partition("-")[0].lower()
