"""Allowed characters of texts that people read, and folding of texts so that spellings can be compared."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from datetime import date, datetime, timedelta
from functools import lru_cache

from services.profiles.customers.domain.violations import Violations

_INVISIBLE_LETTERS = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Characters that Unicode counts among letters or symbols although they leave no ink."""
_DIRECTION_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They make a text look like another one. Letters of right-to-left scripts need none of them."""
_UNDECOMPOSED = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ł": "l", "þ": "th"}
)
_SCRIPTS = {
    "LATIN": "Latn",
    "CJK": "Hani",
    "HIRAGANA": "Jpan",
    "KATAKANA": "Jpan",
    "HANGUL": "Hang",
    "CYRILLIC": "Cyrl",
    "GREEK": "Grek",
    "ARABIC": "Arab",
    "HEBREW": "Hebr",
    "THAI": "Thai",
    "DEVANAGARI": "Deva",
    "ARMENIAN": "Armn",
    "GEORGIAN": "Geor",
}
_LOOKALIKES = frozenset({"Latn", "Cyrl", "Grek"})
UNKNOWN_SCRIPT = "Zyyy"


def clean(value: str, field: str, limit: int, violations: Violations, *, required: bool = False) -> str:
    """The text in NFC without space around it. Refuses control characters, overrides of the writing direction, texts
    longer than `limit` characters and texts that cannot be seen."""
    text = unicodedata.normalize("NFC", value).strip()
    if not text:
        if required:
            violations.add(field, "is required")
        return text
    unfit = next((c for c in text if unicodedata.category(c) in ("Cc", "Cs") or c in _DIRECTION_OVERRIDES), "")
    if unfit:
        violations.add(field, f"holds the character U+{ord(unfit):04X}; control characters are not allowed")
    elif len(text) > limit:
        violations.add(field, f"has {len(text)} characters; at most {limit} are allowed")
    elif not any(_leaves_ink(character) for character in text):
        violations.add(field, "has no visible character")
    return text


def clean_name(value: str, field: str, limit: int, violations: Violations, *, required: bool = False) -> str:
    """Like `clean`, for names: also refuses a word that mixes look-alike scripts, as nobody is called `Аdа`."""
    text = clean(value, field, limit, violations, required=required)
    for word in re.findall(r"[^\W\d_]+", text):
        mixed = {script_of_letter(letter) for letter in word} & _LOOKALIKES
        if len(mixed) > 1:
            violations.add(field, f"{word!r} mixes letters of {' and '.join(sorted(mixed))} that look alike")
    return text


@lru_cache(10_000)
def script_of_letter(letter: str) -> str:
    """The ISO 15924 code of a letter's script, `Zyyy` for those we do not tell apart."""
    return _SCRIPTS.get(unicodedata.name(letter, "").partition(" ")[0], UNKNOWN_SCRIPT)


def script_of(text: str) -> str:
    """The script of most letters of a text. Japanese as soon as one of them is kana."""
    scripts = Counter(script_of_letter(letter) for letter in text if letter.isalpha())
    if scripts["Jpan"]:
        return "Jpan"
    return scripts.most_common(1)[0][0] if scripts.total() else UNKNOWN_SCRIPT


def fold(text: str) -> str:
    """The rest of a text when case, width, diacritics, spaces and punctuation do not count."""
    if text.isascii():
        return "".join(filter(str.isalnum, text.lower()))
    # Folding case can compose and decomposing can bring capitals to light, so one goes on each side of the other.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(c for c in decomposed if c.isalnum()).translate(_UNDECOMPOSED)


def check_interval(first: date | None, last: date | None, field: str, violations: Violations) -> None:
    """Refuse an interval of days that ends before it begins."""
    if first is not None and last is not None and last < first:
        violations.add(field, f"{last} is before the first day, {first}")


def check_past(at: datetime | None, now: datetime, field: str, violations: Violations) -> None:
    """Refuse a time that has not come yet. Other clocks may be a minute ahead of ours."""
    if at is not None and at > now + timedelta(minutes=1):
        violations.add(field, f"{at.isoformat()} is in the future; it is {now.isoformat()} now")


def _leaves_ink(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNPS" and character not in _INVISIBLE_LETTERS
