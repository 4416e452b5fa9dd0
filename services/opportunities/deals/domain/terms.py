"""Parts of a deal: amounts, lines, the team and its shares, people, competitors, the next step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import InvalidArgument, OpenEnum
from libs.money import CURRENCIES

MINOR_UNITS_MAX = 10**15
"""More is a mistake of units. Thousands of such amounts still fit into 64 bits."""
ONE = 1000
"""Thousandths of a quantity of one."""
WHOLE = 10_000
"""Basis points of all shares of a deal together."""


class CurrencyUnknown(InvalidArgument):
    """{currency_code} is no currency: give an ISO 4217 code such as CNY."""

    wrong_field: ClassVar[str] = "amount.currency_code"
    currency_code: str


class CurrenciesMixed(InvalidArgument):
    """A deal has one currency, not {currencies}: make a deal of each."""

    wrong_field: ClassVar[str] = "amount.currency_code"
    currencies: Sequence[str]


class AmountOutOfRange(InvalidArgument):
    """The amount {minor_units} is outside of 1 to {greatest} minor units: leave it out while it is not known."""

    wrong_field: ClassVar[str] = "amount.minor_units"
    minor_units: int
    greatest: int = MINOR_UNITS_MAX


class LineOutOfRange(InvalidArgument):
    """The line of {product} comes to {minor_units} minor units: it needs from 1 to {greatest}."""

    wrong_field: ClassVar[str] = "lines"
    product: str
    minor_units: int
    greatest: int = MINOR_UNITS_MAX


class LinesUnequalAmount(InvalidArgument):
    """The lines add up to {lines} minor units, the amount is {amount}: leave the amount out, or make them equal."""

    wrong_field: ClassVar[str] = "lines"
    lines: int
    amount: int


class SharesIncomplete(InvalidArgument):
    """The shares of the team add up to {total} basis points: they have to be {whole} together."""

    wrong_field: ClassVar[str] = "splits"
    total: int
    whole: int = WHOLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount in the smallest unit of one currency."""

    currency_code: str
    minor_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurring:
    """Money that comes every month, which is never added to what comes once."""

    monthly: Money
    months: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A product in a deal."""

    product: str
    thousandths: int = ONE
    """Quantity in thousandths of the product's unit."""
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The share of one member of the team."""

    member: str
    role: str = ""
    basis_points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DealContact:
    """A person on the customer's side."""

    contact_id: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Competitor:
    """A rival for the deal."""

    name: str
    product: str = ""
    strengths: tuple[str, ...] = ()
    weaknesses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """Something that is to be done next, and by when."""

    text: str
    due_time: datetime | None = None


class LostReason(OpenEnum):
    """Reason for losing a deal."""

    PRICE = "PRICE"
    COMPETITOR = "COMPETITOR"
    PRODUCT = "PRODUCT"
    TIMING = "TIMING"
    NO_DECISION = "NO_DECISION"
    RELATIONSHIP = "RELATIONSHIP"
    OTHER = "OTHER"


def check_amounts(amount: Money | None, recurring: Recurring | None, lines: Sequence[Line]) -> Money | None:
    """The one-off amount, from the lines when only they are given. Refuses what is no amount of one currency."""
    monthly = (recurring.monthly,) if recurring is not None else ()
    for line in lines:
        if not 0 < line.amount.minor_units <= MINOR_UNITS_MAX:
            raise LineOutOfRange(product=line.product, minor_units=line.amount.minor_units)
    every = [each for each in (amount, *monthly, *(line.amount for line in lines)) if each is not None]
    currencies = sorted({each.currency_code for each in every})
    if len(currencies) > 1:
        raise CurrenciesMixed(currencies=currencies)
    if unknown := next((each for each in currencies if each not in CURRENCIES), None):
        raise CurrencyUnknown(currency_code=unknown)
    total = sum(line.amount.minor_units for line in lines)
    if lines and amount is None:
        amount = Money(currency_code=currencies[0], minor_units=total)
    for each in (amount, *monthly):
        if each is not None and not 0 < each.minor_units <= MINOR_UNITS_MAX:
            raise AmountOutOfRange(minor_units=each.minor_units)
    if lines and amount is not None and amount.minor_units != total:
        raise LinesUnequalAmount(lines=total, amount=amount.minor_units)
    return amount


def check_splits(splits: Iterable[Split]) -> None:
    """Refuses shares that are not all of a deal. None at all mean that all of it is the owner's."""
    shares = [each.basis_points for each in splits]
    if shares and (sum(shares) != WHOLE or min(shares) < 1):
        raise SharesIncomplete(total=sum(shares))
