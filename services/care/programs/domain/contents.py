"""Words with merge fields, and the linter that keeps prices and offers out of care."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from libs.chassis.domain import OpenEnum
from services.care.customers.domain.projection import ConsentPurpose
from services.care.programs.domain.refusals import MergeFieldUnknown, OfferInCare


class Purpose(OpenEnum):
    """Purpose of attention."""

    CARE = "CARE"
    RETENTION = "RETENTION"
    ONBOARDING = "ONBOARDING"
    SERVICE_NOTICE = "SERVICE_NOTICE"
    SURVEY = "SURVEY"

    @property
    def consent(self) -> ConsentPurpose:
        """The consent that it needs."""
        known = {Purpose.SERVICE_NOTICE: ConsentPurpose.SERVICE, Purpose.SURVEY: ConsentPurpose.SURVEY}
        return known.get(self, ConsentPurpose.CARE)


MERGE_FIELDS: Final[Mapping[str, type]] = {
    "display_name": str,
    "occasion": str,
    "date": date,
    "owner": str,
    "program": str,
    "unsubscribe": str,
    "survey": str,
}
"""Name of a merge field → the type of its value. Nothing that somebody told us of a person is among them."""
EXAMPLES: Final[Mapping[str, object]] = {
    "display_name": "王芳",
    "occasion": "中秋节",
    "date": date(2026, 9, 25),
    "owner": "ada",
    "program": "Greetings",
    "unsubscribe": "https://example.com/unsubscribe/…",
    "survey": "https://example.com/survey/…",
}
"""Values of a preview."""

_FIELD = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_OFFERS = re.compile(
    r"优惠|促销|特价|限时|立减|打折|[0-9一二三四五六七八九]\s*折|满减|代金券|优惠券|抢购|秒杀|"
    r"\b(?:coupons?|vouchers?|discounts?|promo(?:tion)?s?|special offers?|buy now|order now|[0-9]+\s*% off|on sale)\b",
    re.IGNORECASE,
)
_PRICES = re.compile(
    r"[¥￥$€£₩]\s*[0-9]|[0-9][0-9.,]*\s*(?:元|块钱|人民币|[¥￥$€£₩])|"
    r"\b(?:CNY|RMB|USD|EUR|GBP|JPY|HKD|SGD)\s*[0-9]|[0-9]\s*(?:CNY|RMB|USD|EUR|GBP|JPY|HKD|SGD)\b|"
    r"\bprices?\b|价格|售价",
    re.IGNORECASE,
)
_LINTED: Final[Mapping[Purpose, Sequence[re.Pattern[str]]]] = {
    Purpose.CARE: (_OFFERS, _PRICES),
    Purpose.ONBOARDING: (_OFFERS, _PRICES),
    Purpose.RETENTION: (_OFFERS,),
    Purpose.SERVICE_NOTICE: (_OFFERS,),
    Purpose.SURVEY: (_OFFERS,),
}
"""Purpose → what its words must not hold. A notice of an invoice names its amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Words in one language."""

    language_code: str
    subject: str = ""
    body: str

    def refusals(self, purpose: Purpose) -> Iterator[MergeFieldUnknown | OfferInCare]:
        """Everything that is wrong with the words."""
        for text in (self.subject, self.body):
            unknown = [name for name in _FIELD.findall(text) if name not in MERGE_FIELDS]
            yield from (MergeFieldUnknown(name=name, known=tuple(MERGE_FIELDS)) for name in dict.fromkeys(unknown))
            for pattern in _LINTED.get(purpose, ()):
                if found := pattern.search(text):
                    yield OfferInCare(found=found.group(), purpose=purpose)

    def filled(self, values: Mapping[str, object]) -> tuple[str, str]:
        """(subject, body) with values in place of the merge fields."""

        def value(match: re.Match[str]) -> str:
            found = values.get(match.group(1), "")
            return found.isoformat() if isinstance(found, date) else str(found)

        # A line break in a value must not begin another header of a mail.
        subject = " ".join(_FIELD.sub(value, self.subject).split())
        return subject, _FIELD.sub(value, self.body)


def in_language(contents: Sequence[Content], language_code: str) -> Content | None:
    """The words for somebody: in the very language, else in the language of another region, else the first."""
    wanted = language_code.lower()
    exact = [each for each in contents if each.language_code.lower() == wanted]
    near = [each for each in contents if _base(each.language_code) == _base(wanted)]
    return next(iter((*exact, *near, *contents)), None)


def _base(language_code: str) -> str:
    return language_code.lower().partition("-")[0]
