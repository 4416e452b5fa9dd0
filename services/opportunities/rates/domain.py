"""Dated tables of exchange rates, and conversions that never guess a rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, FieldViolation, InvalidArgument
from libs.money import CURRENCIES, exponent

_DIGITS = 60
"""Digits that a conversion is worked out with: those of the greatest sum of amounts times a rate, and some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Units of a currency that one unit of the base of a table buys."""

    currency_code: str
    value: str
    """A decimal number such as 1.0846."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateTable(Entity):
    """The rates of one day against a base currency, as a bank publishes them."""

    ID_PREFIX: ClassVar[str] = "rate"

    base_currency_code: str
    valid_date: date
    rates: tuple[Rate, ...] = ()
    source: str = ""

    def record(self, told: RateTable) -> Change[RateTable]:
        """With these rates, which take the place of any that were told for the day before."""
        told.check()
        recorded = replace(self, rates=told.rates, source=told.source)
        return (recorded, [RatesRecorded(table=recorded)]) if recorded != self else (self, [])

    def check(self) -> None:
        """Refuses unsound rates with everything that is wrong."""
        if found := tuple(self._violations()):
            raise InvalidArgument(violations=found)

    def _violations(self) -> Iterator[FieldViolation]:
        if self.base_currency_code not in CURRENCIES:
            yield FieldViolation("base_currency_code", f"{self.base_currency_code!r} is no ISO 4217 code such as EUR")
        seen = {self.base_currency_code}
        for number, each in enumerate(self.rates):
            path = f"rates[{number}]"
            if each.currency_code not in CURRENCIES:
                yield FieldViolation(f"{path}.currency_code", f"{each.currency_code!r} is no ISO 4217 code such as EUR")
            if each.currency_code in seen:
                yield FieldViolation(f"{path}.currency_code", f"{each.currency_code} is there already")
            if not Decimal(each.value) > 0:
                yield FieldViolation(f"{path}.value", f"{each.value} is not above 0: leave out what is not known")
            seen.add(each.currency_code)

    def value(self, currency_code: str) -> Decimal | None:
        """Units of a currency for one unit of the base. None when the table lacks it."""
        if currency_code == self.base_currency_code:
            return Decimal(1)
        return next((Decimal(each.value) for each in self.rates if each.currency_code == currency_code), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RatesRecorded(Event):
    """Rates of a day were recorded, perhaps anew."""

    table: RateTable


@dataclass(frozen=True, slots=True)
class Rates:
    """The tables that hold on a day, the newest first.

    A rate of two currencies is taken from the newest table that has both, so it never mixes days. There is none when no
    table has both.
    """

    tables: Sequence[RateTable]

    def table_of(self, source: str, target: str) -> RateTable | None:
        """The table that gives the rate of two currencies."""
        both = (each for each in self.tables if each.value(source) is not None and each.value(target) is not None)
        return next(both, None)

    def convert(self, minor_units: int, source: str, target: str) -> int | None:
        """An amount in minor units of another currency, half to even. None when there is no rate."""
        if source == target:
            return minor_units
        table = self.table_of(source, target)
        if table is None:
            return None
        of_source, of_target = table.value(source), table.value(target)
        if of_source is None or of_target is None:
            return None
        with localcontext(prec=_DIGITS):
            units = Decimal(minor_units).scaleb(exponent(target) - exponent(source)) * of_target / of_source
            return int(units.quantize(Decimal(1), ROUND_HALF_EVEN))
