"""The public reference data, read into the domain's own values."""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from services.profiles.worth.domain.contribution import Figures

CALIBRATION_END = date(1997, 9, 30)


def expected(folder: Path, name: str) -> Any:
    """The figures that a right implementation gets."""
    return json.loads((folder / "expected.json").read_text(encoding="utf-8"))[name]


@cache
def cdnow(folder: Path) -> dict[str, list[Figures]]:
    """Customer → figures of the days on which he or she bought, in US cents."""
    found: dict[str, dict[date, Figures]] = defaultdict(dict)
    with (folder / "transactions" / "cdnow_sample_transactions.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            day = date.fromisoformat(row["date"])
            before = found[row["sample_id"]].get(day)
            sales = int(Decimal(row["amount"]) * 100) + (before.sales if before else 0)
            found[row["sample_id"]][day] = Figures(currency_code="USD", day=day, sales=sales, sale_count=1)
    return {customer: list(days.values()) for customer, days in found.items()}


@cache
def retail_lines(folder: Path) -> list[dict[str, str]]:
    """The lines of invoices of the on-line retailer."""
    with gzip.open(folder / "transactions" / "online_retail_2010-12_to_2011-05.csv.gz", "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def mils(line: dict[str, str]) -> int:
    """The amount of a line in thousandths of a pound: unit prices have three decimals."""
    return int(Decimal(line["Quantity"]) * Decimal(line["UnitPrice"]) * 1000)


def telco(folder: Path) -> list[dict[str, str]]:
    """The customers of the telephone company."""
    with (folder / "churn" / "telco_churn.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))
