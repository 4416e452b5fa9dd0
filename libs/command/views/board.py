"""The board of a pipeline: stages as columns, deals as cards, and its forecast as bars."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from libs.client.values import from_money
from libs.command.views.words import moment, name_of, word

if TYPE_CHECKING:
    from kehu.opportunities.v1.board_pb2 import Board, BoardCard, BoardStage
    from kehu.opportunities.v1.deals_pb2 import Deal, DealChange, DealFacts, Move
    from kehu.opportunities.v1.forecast_pb2 import SalesReport
    from kehu.opportunities.v1.pipelines_pb2 import Stage
    from kehu.opportunities.v1.plans_pb2 import ConvertedForecast, CurrencyForecast, Forecast, ForecastOverride

BAR = 32
"""Characters of the longest bar."""
_COLORS = {"closed": "green", "commit": "bright_green", "best case": "cyan", "pipeline": "blue", "omitted": "dim"}


def board(found: Board, now: datetime) -> RenderableType:
    """Stages as columns, each with its latest deals. What is late is red, what is about to be is yellow."""
    table = Table(box=None, expand=True, padding=(0, 1), show_header=True, header_style="bold")
    stages = {each.key: each for each in found.pipeline.stages}
    for each in found.stages:
        table.add_column(_heading(stages[each.stage], found.forecast), ratio=1, vertical="top")
    table.add_row(*(_column(each, stages[each.stage], now) for each in found.stages))
    name = Text(f"{found.pipeline.display_name}\n", style="bold")
    return Group(name, table, *map(_line, found.forecast.currencies))


def _column(shown: BoardStage, stage: Stage, now: datetime) -> RenderableType:
    cards: list[RenderableType] = [_card(each, stage, now) for each in shown.cards]
    return Group(*cards, Text("and more", style="dim")) if shown.more else Group(*cards)


def _heading(stage: Stage, forecast: Forecast) -> Text:
    text = Text(stage.display_name, style="bold")
    text.append(f" {stage.probability_basis_points / 100:g} %", style="dim")
    for currency in forecast.currencies:
        for each in currency.stages:
            if each.stage == stage.key:
                text.append(f"\n{each.sums.deals:,} · {money(each.sums.amount, currency.currency_code)}", style="dim")
    return text


def _card(deal: BoardCard, stage: Stage, now: datetime) -> Panel:
    age = (now - deal.stage_time.ToDatetime(tzinfo=UTC)).days
    body = Text(f"{from_money(deal.amount):,} {deal.amount.currency_code}" if deal.HasField("amount") else "amount ?")
    body.append(f"\n{deal.owner}", style="dim")
    old = stage.HasField("greatest_age") and age > stage.greatest_age.ToTimedelta().days
    body.append(f"  {age} d", style="bold red" if old else "dim")
    style = "blue"
    if deal.HasField("close_date"):
        left = (date(deal.close_date.year, deal.close_date.month, deal.close_date.day) - now.date()).days
        style = "red" if left < 0 else "yellow" if left < 7 else "blue"
        body.append(f"\n{'slipped by' if left < 0 else 'closes in'} {abs(left)} d", style=style)
    if deal.HasField("next_step"):
        body.append(f"\n→ {deal.next_step.text}", style="italic")
    return Panel(body, title=Text(deal.display_name or "(erased)"), title_align="left", border_style=style)


def _line(currency: CurrencyForecast) -> Text:
    code = currency.currency_code
    text = Text(f"\nexpected {money(currency.expected, code)}", style="bold")
    text.append(f"  closed {money(currency.closed.amount, code)}", style="green")
    if currency.slipped.deals:
        slipped = f"  slipped {money(currency.slipped.amount, code)} in {currency.slipped.deals:,} deals"
        text.append(slipped, style="red")
    return text


def forecast(found: Forecast) -> RenderableType:
    """A bar for each part of a forecast, by currency. Slipped deals are always there."""
    parts: list[RenderableType] = []
    for each in found.currencies:
        code = each.currency_code
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", title=code or "no amount", title_style="bold")
        for heading in ("", "deals", "amount", "by chances", ""):
            table.add_column(heading, justify="right" if heading else "left")
        rows = [("closed", each.closed), *((word(name_of(part, "category")), part.sums) for part in each.categories)]
        rows += [("slipped", each.slipped), ("undated", each.undated)]
        most = max(*(sums.amount for _, sums in rows), 1)
        for name, sums in rows:
            bar = Text("█" * round(BAR * sums.amount / most), style=_COLORS.get(name, "red"))
            table.add_row(name, f"{sums.deals:,}", money(sums.amount, code), money(sums.weighted, code), bar)
        parts += [table, Text(f"expected {money(each.expected, code)}", style="bold")]
    if found.HasField("converted"):
        parts.append(_converted(found.converted))
    parts += [_override(each) for each in found.overrides]
    told = f"as of {moment(found.as_of_time)}" if found.HasField("as_of_time") else "no deal yet"
    return Group(*parts, Text(told, style="dim"))


def _converted(found: ConvertedForecast) -> Text:
    """All currencies in one, with what has no rate."""
    code = found.forecast.currency_code
    text = Text(f"all in {code}: expected {money(found.forecast.expected, code)}", style="bold")
    text.append(f"  closed {money(found.forecast.closed.amount, code)}", style="green")
    if found.HasField("oldest_rate_date"):
        at = found.oldest_rate_date
        text.append(f"  rates since {at.year:04}-{at.month:02}-{at.day:02}", style="dim")
    if found.unconverted_deals:
        codes = ", ".join(each.currency_code for each in found.unconverted)
        text.append(f"  {found.unconverted_deals:,} deals left out, no rate for {codes}", style="red")
    return text


def _override(found: ForecastOverride) -> Text:
    whose = f" of {found.owner}" if found.owner else ""
    text = Text(f"{found.actor} expects{whose} {money(found.amount.minor_units, found.amount.currency_code)}", "yellow")
    text.append(f"  {found.reason}", style="italic")
    return text


def report(found: SalesReport) -> Table:
    """A row for each owner, product or month with its deals and money."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("", "won", "lost", "win rate", "revenue", "days to win"):
        table.add_column(heading, justify="right" if heading else "left")
    for each in found.results:
        rate = f"{each.win_rate:.1%} ({each.win_rate_low:.0%}-{each.win_rate_high:.0%})"
        days = f"{each.won_days_mean:.1f}, half within {each.won_days_median:g}" if each.won else ""
        name = "  ".join(filter(None, (each.month, each.key))) or "all"
        table.add_row(name, f"{each.won:,}", f"{each.lost:,}", rate, money(each.revenue, each.currency_code), days)
    return table


def deals(found: Iterable[Deal]) -> Table:
    """A row for each deal."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("deal", "state", "stage", "amount", "chance", "owner", "id"):
        table.add_column(heading, justify="right" if heading in ("amount", "chance") else "left")
    for each in found:
        table.add_row(
            Text(each.display_name or "(erased)"),
            word(name_of(each, "state")),
            each.stage,
            money(each.amount.minor_units, each.amount.currency_code) if each.HasField("amount") else "",
            f"{each.probability_basis_points / 100:g} %",
            Text(each.owner),
            each.id,
        )
    return table


def history(changes: Iterable[DealChange]) -> Table:
    """A row for each change of the facts of a deal."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("", "effective", "recorded", "by", "what", "stage", "amount", "chance"):
        table.add_column(heading)
    for each in changes:
        facts, waived = each.facts, " (waived)" if each.waived else ""
        table.add_row(
            str(each.number),
            moment(each.effective_time),
            moment(each.record_time),
            each.actor,
            word(name_of(each, "kind")) + waived,
            facts.stage,
            money(facts.amount.minor_units, facts.amount.currency_code) if facts.HasField("amount") else "",
            f"{facts.probability_basis_points / 100:g} %",
        )
    return table


def facts(found: DealFacts, at: datetime) -> Text:
    """A deal as it was at a time."""
    text = Text(f"{at:%Y-%m-%d %H:%M}  ", style="dim")
    text.append(f"{word(name_of(found, 'state'))} in {found.stage}", style="cyan")
    if found.HasField("amount"):
        text.append(f"  {money(found.amount.minor_units, found.amount.currency_code)}", style="bold")
    text.append(f"  {found.probability_basis_points / 100:g} %  {found.owner}")
    if found.HasField("close_date"):
        day = found.close_date
        text.append(f"  closes {day.year:04}-{day.month:02}-{day.day:02}", style="dim")
    return text


def lacking(move: Move) -> Text:
    """Tells what a move needs, or that nothing is in its way."""
    if not move.unmet:
        return Text(f"{move.from_stage} → {move.to_stage}: nothing is in the way", style="green")
    text = Text(f"{move.from_stage} → {move.to_stage} needs\n", style="yellow")
    for each in move.unmet:
        wanted = f"{word(name_of(each.criterion, 'measure'))}: {each.measured} of {max(each.criterion.at_least, 1)}"
        text.append(f"  {wanted}  ({'to leave' if name_of(each, 'side') == 'EXIT' else 'to enter'} {each.stage})\n")
    return text


def money(minor_units: int, currency: str) -> str:
    """An amount as people write it."""
    from kehu.common.v1.types_pb2 import Money

    return f"{from_money(Money(currency_code=currency, minor_units=minor_units)):,} {currency}".strip()
