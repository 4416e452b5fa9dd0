"""Alerts and departures in a terminal: what speaks for an alert, who left and why, what winning back is worth."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from libs.command.views.board import money
from libs.command.views.words import moment, name_of, word

if TYPE_CHECKING:
    from kehu.care.v1.alerts_pb2 import Alert
    from kehu.care.v1.churn_pb2 import ChurnReasons, ChurnRecord, WinBackEstimate

BAR = 20


def alerts(found: Iterable[Alert], now: datetime) -> RenderableType:
    """A line for each alert. One that is overdue is red."""
    table = Table(box=None, pad_edge=False)
    for column in ("due", "alert", "points", "state", "owner", "customer", "id"):
        table.add_column(column, justify="right" if column == "points" else "left")
    for each in found:
        table.add_row(
            _due(each, now),
            word(name_of(each, "kind")),
            str(each.score),
            word(name_of(each, "state")),
            each.owner or "[dim]nobody[/]",
            each.customer_id,
            f"[dim]{each.id}[/]",
        )
    return table


def alert(told: Alert, now: datetime) -> RenderableType:
    """One alert, with a bar for what each reason counts."""
    head = Text(f"{word(name_of(told, 'kind'))} of {told.customer_id or 'nobody'}", style="bold")
    head.append(
        f"  {told.score} of 100, {word(name_of(told, 'state'))}, {told.owner or 'nobody answers for it'}", "not bold"
    )
    reasons = Table(box=None, show_header=False, pad_edge=False)
    for each in told.drivers:
        reasons.add_row("█" * max(1, BAR * each.points // 100), str(each.points), each.explanation or "•••••")
    if told.open:
        end = Text("due ").append_text(_due(told, now)).append(f"; kehu care alert close {told.id}", "dim")
    else:
        end = Text(f"closed {moment(told.close_time)}: {word(name_of(told, 'outcome'))}  {told.note}")
    return Group(head, reasons, end)


def reasons(known: ChurnReasons) -> RenderableType:
    """The reasons to leave as a tree."""
    tree = Tree("reasons", hide_root=True)
    branches: dict[str, Tree] = {"": tree}
    for path in sorted(known.paths):
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            here, above = "/".join(parts[:depth]), "/".join(parts[: depth - 1])
            if here not in branches:
                branches[here] = branches[above].add(parts[depth - 1])
    return tree


def departures(found: Iterable[ChurnRecord]) -> RenderableType:
    """A line for each departure. One who came back is green."""
    table = Table(box=None, pad_edge=False)
    for column in ("left", "customer", "reason", "to", "tier", "back", "id"):
        table.add_column(column)
    for each in found:
        back = f"[green]{moment(each.won_back_time)}[/]" if each.HasField("won_back_time") else "perhaps"
        table.add_row(
            moment(each.lost_time),
            each.customer_id,
            each.reason_path,
            each.competitor,
            each.tier,
            back if each.recoverable or not each.open else "[red]no[/]",
            f"[dim]{each.id}[/]",
        )
    return table


def estimate(found: WinBackEstimate) -> RenderableType:
    """What winning a customer back is worth, as the sum that it is."""
    code = found.currency_code
    chance = Text(f"{found.probability:.0%} of a margin of {money(found.second_life_minor_units, code)}")
    chance.append(f", less {money(found.cost_minor_units, code)} for an attempt: ")
    chance.append(money(found.expected_minor_units, code), "bold green" if found.worth_while else "bold red")
    chance.append(f"  ({found.won_count} of {found.ended_count} attempts for such reasons were won)", "dim")
    return Group(chance, *(Text(f"against it: {each}", "red") for each in found.against))


def _due(told: Alert, now: datetime) -> Text:
    late = told.open and told.due_time.ToDatetime(now.tzinfo) < now
    return Text(moment(told.due_time), "bold red" if late else "")
