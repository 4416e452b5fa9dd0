"""Views of forecasts: intervals as bars, nights as a chart, quotas, movements, accuracy and late deals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from libs.command.views.board import money
from libs.command.views.words import moment, name_of, word

if TYPE_CHECKING:
    from kehu.opportunities.v1.deals_pb2 import Deal
    from kehu.opportunities.v1.models_pb2 import SimulatedForecast
    from kehu.opportunities.v1.plans_pb2 import CoverageReport
    from kehu.opportunities.v1.snapshots_pb2 import AccuracyReport, ForecastComparison, ForecastSnapshot

WIDTH = 48
"""Characters of a scale from nothing to the most that is shown."""


def band(closed: int, low: int, middle: int, high: int, most: int) -> Text:
    """What is won already, the interval around what is expected, and its middle, on one scale."""
    scale = WIDTH / max(most, 1)
    won, start, mark, end = (min(round(each * scale), WIDTH) for each in (closed, low, middle, high))
    text = Text()
    for place in range(max(end, won, 1) + 1):
        if place == mark:
            text.append("●", style="bold cyan")
        elif place < won:
            text.append("█", style="green")
        elif start <= place <= end:
            text.append("─", style="cyan")
        else:
            text.append(" ")
    return text


def simulation(found: SimulatedForecast) -> RenderableType:
    """The interval of one simulation, and all that one has to know to trust it."""
    code, shown = found.currency_code, found.distribution
    lines = [
        band(found.closed, shown.p10, shown.p50, shown.p90, shown.p90),
        Text(
            f"P10 {money(shown.p10, code)}   P50 {money(shown.p50, code)}   P90 {money(shown.p90, code)}", style="bold"
        ),
        Text(f"won already {money(found.closed, code)}", style="green"),
        Text(f"mean {money(round(shown.mean), code)} ± {money(round(shown.error), code)} of drawing", style="dim"),
    ]
    how = f"{shown.draws:,} draws, seed {shown.seed}, rho {found.rho:.2f}" if shown.draws else "worked out exactly"
    lessons = f"lessons of {moment(found.learned_time)}" if found.HasField("learned_time") else "chances of stages"
    new = f", {found.new_deals:.1f} wins of new deals" if found.new_deals else ""
    lines.append(Text(f"{found.open_deals:,} open deals{new}; {how}; {lessons}", style="dim"))
    if found.undated_deals or found.unconverted_deals:
        left = f"left out: {found.undated_deals:,} without a date, {found.unconverted_deals:,} without a rate"
        lines.append(Text(left, style="yellow"))
    return Group(*lines)


def chart(found: Sequence[ForecastSnapshot]) -> RenderableType:
    """A line for each night and currency, the earliest first, on one scale for each currency."""
    table = _table("night", "won", "P10", "P50", "P90", "")
    nights = [(each, simulated) for each in found for simulated in each.simulations]
    for each, simulated in nights:
        code, shown = simulated.currency_code, simulated.distribution
        most = max(other.distribution.p90 for _, other in nights if other.currency_code == code)
        amounts = (money(amount, code) for amount in (simulated.closed, shown.p10, shown.p50, shown.p90))
        table.add_row(day(each.snapshot_date), *amounts, band(simulated.closed, shown.p10, shown.p50, shown.p90, most))
    return table


def coverage(found: CoverageReport) -> RenderableType:
    """A line for each quota: how much of it is won, and how often the open deals would cover the rest."""
    table = _table("", "quota", "won", "attained", "open", "covers", "expected", "")
    for each in found.coverages:
        quota, code = each.quota, each.quota.amount.currency_code
        covers = f"{each.coverage:.1f} x" if each.HasField("coverage") else "met"
        table.add_row(
            quota.key or "everybody",
            money(quota.amount.minor_units, code),
            money(each.closed.amount, code),
            f"{each.attainment:.0%}",
            money(each.open.amount, code),
            covers,
            f"{each.expected_attainment:.0%}",
            Text(f"{each.unconverted_deals:,} without a rate" if each.unconverted_deals else "", style="yellow"),
        )
    return table


def comparison(found: ForecastComparison) -> RenderableType:
    """What moved between two nights, by currency."""
    parts: list[RenderableType] = []
    for each in found.currencies:
        code = each.currency_code
        table = _table(code or "no amount", "deals", "amount", "by chances")
        rows: list[tuple[str, Any]] = [("closed", each.closed)]
        rows += [(word(name_of(part, "category")), part.sums) for part in each.categories]
        rows += [("slipped", each.slipped), ("undated", each.undated)]
        for name, sums in rows:
            table.add_row(name, f"{sums.deals:+,}", _signed(sums.amount, code), _signed(sums.weighted, code))
        parts += [table, Text.assemble("expected ", _signed(each.expected, code))]
    return Group(*parts)


def accuracy(found: AccuracyReport) -> RenderableType:
    """A line for each kind of forecast, whose it was and how far it looked ahead."""
    table = _table("", "days ahead", "currency", "error", "bias", "interval held", "forecasts")
    for row in found.rows:
        name, each = row.owner or word(name_of(row, "basis")), row.accuracy
        shares = [f"{getattr(each, part):.0%}" if each.HasField(part) else "" for part in ("wape", "bias", "covered")]
        ahead = f"{row.days_from}-{row.days_to}"
        table.add_row(name, ahead, row.currency_code, *shares, f"{each.forecasts:,}")
    return table


def late(deals: Iterable[Deal], today: date) -> RenderableType:
    """A line for each open deal whose close date is over."""
    table = _table("deal", "late", "amount", "stage", "owner", "id")
    for each in deals:
        close = date(each.close_date.year, each.close_date.month, each.close_date.day)
        amount = money(each.amount.minor_units, each.amount.currency_code) if each.HasField("amount") else ""
        days = Text(f"{(today - close).days:,} d", style="red")
        name = Text(each.display_name or "(erased)", style="bold")
        table.add_row(name, days, amount, each.stage, each.owner, Text(each.id, style="dim"))
    return table


def day(message: Any) -> str:
    """A day as it is written."""
    return f"{message.year:04}-{message.month:02}-{message.day:02}"


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if heading and number else "left")
    return table


def _signed(minor_units: int, code: str) -> Text:
    style = "green" if minor_units > 0 else "red" if minor_units else "dim"
    return Text(f"{'+' if minor_units > 0 else ''}{money(minor_units, code)}", style=style)
