"""The card of a customer: who it is, how to reach and how not to, what was bought, what was said and promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from kehu.common.v1.types_pb2 import Channel
from kehu.interactions.v1.context_pb2 import CustomerContext
from kehu.profiles.v1.consent_pb2 import ConsentReceipt
from kehu.profiles.v1.contact_points_pb2 import ContactPoint
from kehu.profiles.v1.customer360_pb2 import Customer360
from kehu.profiles.v1.customer_pb2 import Customer, TypedDate
from kehu.profiles.v1.transactions_pb2 import Transaction, TransactionSummary
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from libs.client.values import enum_name, from_money, short_names
from libs.command.views.dates import describe, next_time
from libs.command.views.standing import standing
from libs.command.views.timeline import contact_line, promise_line
from libs.command.views.words import ago, moment, name_of, spark, word
from libs.command.views.worth import Sheet, sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Content of a card. What could not be fetched is None and left out with a note."""

    customer: Customer
    summary: TransactionSummary | None
    transactions: Sequence[Transaction]
    """The latest ones, for the line of months."""
    context: CustomerContext | None
    missing: Sequence[str]
    """Sentences about what could not be fetched."""
    worth: Sheet | None = None
    view: Customer360 | None = None
    """Owner, segments and entitlements."""


def render(card: Card, now: datetime) -> RenderableType:
    """The card as a panel."""
    customer = card.customer
    parts: list[RenderableType] = [_headline(customer, now)]
    for title, body in (
        ("Reach", _reach(customer)),
        ("Consent", _consent(customer)),
        ("Wishes", _wishes(customer)),
        ("Dates", _dates(customer, now.date())),
        ("Purchases", _purchases(card, now)),
        ("Worth", sheet(card.worth) if card.worth else None),
        ("Standing", standing(card.view, now) if card.view else None),
        ("Contacts", _contacts(card, now)),
        ("Promises", _promises(card, now)),
    ):
        if body is not None:
            parts += [Text(), Text(title, style="bold"), body]
    parts += [Text(f"\n{sentence}", style="yellow") for sentence in card.missing]
    return Panel(
        Group(*parts),
        title=f"[bold]{escape(_full_name(customer))}[/bold]",
        subtitle=f"[dim]{customer.id} · revision {customer.revision}[/dim]",
        padding=(1, 2),
        width=110,
    )


def _full_name(customer: Customer) -> str:
    """The display name with its reading: 王小明 Wáng Xiǎomíng."""
    readings = [name.pinyin for name in customer.names if name.pinyin]
    return "  ".join([customer.display_name or customer.id, *readings[:1]])


def _headline(customer: Customer, now: datetime) -> RenderableType:
    lifecycle = name_of(customer, "lifecycle")
    colour = {"ACTIVE": "green", "AT_RISK": "yellow", "DORMANT": "yellow", "CHURNED": "red"}.get(lifecycle, "cyan")
    words = [
        word(name_of(customer, "kind")),
        f"[{colour}]{word(lifecycle)}[/{colour}]",
        f"owner {escape(customer.owner)}" if customer.owner else "[dim]no owner[/dim]",
        f"known since {moment(customer.create_time)[:10]}",
    ]
    if customer.HasField("delete_time"):
        words.append(f"[bold red]deleted {ago(customer.delete_time, now)}[/bold red]")
    others = [escape(" ".join(filter(None, [n.given, n.middle, n.family]))) for n in customer.names[1:]]
    others += [escape(alias) for alias in customer.aliases]
    lines = [" · ".join(words)]
    if customer.HasField("lifecycle_move"):
        move = customer.lifecycle_move
        since = f"{word(lifecycle)} since {moment(move.move_time)[:10]}, was {word(name_of(move, 'from_lifecycle'))}"
        lines.append(f"[dim]{since}: {escape(move.explanation)}[/dim]")
    if others:
        lines.append(f"[dim]also[/dim] {', '.join(others)}")
    if customer.external_ids:
        lines.append("[dim]elsewhere[/dim] " + ", ".join(escape(f"{e.system}:{e.id}") for e in customer.external_ids))
    if customer.merged_ids:
        lines.append("[dim]merged from[/dim] " + ", ".join(customer.merged_ids))
    return Text.from_markup("\n".join(lines))


def _reach(customer: Customer) -> RenderableType | None:
    if not customer.contact_points:
        return Text("no way to reach this customer is known", style="yellow")
    table = _grid()
    for point in customer.contact_points:
        status = name_of(point, "status")
        verified = point.HasField("verify_time")
        table.add_row(
            "★" if point.primary else " ",
            word(name_of(point, "type")),
            Text(point.canonical or point.raw, style="" if status == "ACTIVE" else "strike dim"),
            _verification(point) if verified else Text("not verified", style="dim"),
            Text("" if status == "ACTIVE" else word(status), style="red"),
            Text(point.label, style="dim"),
        )
    return table


def _verification(point: ContactPoint) -> Text:
    method = word(name_of(point, "verification_method"))
    return Text(f"✓ by {method}, {moment(point.verify_time)[:10]}", style="green")


_CONSENT_MARKS = {
    "GRANTED": ("✓", "green"),
    "DENIED": ("✗", "red"),
    "WITHDRAWN": ("✗", "bold red"),
    "EXPIRED": ("–", "yellow"),
}


def _consent(customer: Customer) -> RenderableType | None:
    """A row per purpose and a column per channel that was decided about. `any` holds where no channel was named."""
    decisions = customer.consent.decisions
    if not decisions:
        return Text("nothing was decided", style="dim")
    channels = sorted({decision.channel for decision in decisions})
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    for channel in channels:
        table.add_column(word(enum_name(Channel.DESCRIPTOR, channel)) if channel else "any channel", justify="center")
    for purpose in short_names(ConsentReceipt.Purpose.DESCRIPTOR):
        marks = []
        for channel in channels:
            found = [d for d in decisions if name_of(d, "purpose") == purpose and d.channel == channel]
            marks.append(
                Text(" ").join(_mark(name_of(d, "state"), d.contact_point) for d in found)
                if found
                else Text("·", "dim")
            )
        table.add_row(word(purpose), *marks)
    return table


def _mark(state: str, contact_point: str) -> Text:
    mark, style = _CONSENT_MARKS.get(state, ("?", "dim"))
    return Text(f"{mark} {contact_point}".rstrip(), style=style)


def _wishes(customer: Customer) -> RenderableType | None:
    wishes = customer.preferences
    table = _grid()
    if wishes.channels:
        names = [word(enum_name(Channel.DESCRIPTOR, channel)) for channel in wishes.channels]
        table.add_row("channels", " › ".join(names))
    if wishes.language_code:
        table.add_row("language", escape(wishes.language_code))
    if wishes.time_zone:
        table.add_row("time zone", escape(wishes.time_zone))
    for window in wishes.quiet_windows:
        days = " ".join(name_of(window, "weekdays", day)[:3].title() for day in window.weekdays) or "every day"
        purposes = ", ".join(word(name_of(window, "purposes", purpose)) for purpose in window.purposes)
        table.add_row("quiet", f"{window.start}-{window.end} {days}" + (f" for {purposes}" if purposes else ""))
    return table if table.row_count else None


def _dates(customer: Customer, today: date) -> RenderableType | None:
    if not customer.dates:
        return None
    table = _grid()
    for kept in customer.dates:
        table.add_row(_date_name(kept), describe(kept), _until(next_time(kept, today), today))
    return table


def _date_name(kept: TypedDate) -> str:
    return escape(kept.label) or {"BIRTH": "birthday"}.get(name_of(kept, "kind"), word(name_of(kept, "kind")))


def _until(day: date | None, today: date) -> Text:
    if day is None:
        return Text()
    left = (day - today).days
    return Text(
        f"{day:%Y-%m-%d}, " + ("today" if left == 0 else f"in {left} days"), style="magenta" if left < 30 else "dim"
    )


def _purchases(card: Card, now: datetime) -> RenderableType | None:
    summary = card.summary
    if summary is None or not summary.count:
        return None
    totals = ", ".join(
        f"{word(name_of(total, 'type'))} {from_money(total.amount):,} {total.amount.currency_code} ({total.count})"
        for total in summary.totals
    )
    table = _grid()
    table.add_row("in all", totals)
    table.add_row("last", f"{moment(summary.last_time)[:10]}, {ago(summary.last_time, now)}")
    table.add_row("by month", _months(card.transactions))
    return table


def _months(transactions: Sequence[Transaction]) -> str:
    """Counts the sales in each of the twelve months up to the latest one."""
    sales = [t.occurred_time.ToDatetime(tzinfo=UTC) for t in transactions if name_of(t, "type") == "SALE"]
    if not sales:
        return ""
    last = max(at.year * 12 + at.month for at in sales)
    counts = Counter(at.year * 12 + at.month for at in sales)
    months = list(range(last - 11, last + 1))
    return f"{spark([counts[month] for month in months])}  {_month(months[0])} to {_month(last)}"


def _month(number: int) -> str:
    year, month = divmod(number - 1, 12)
    return f"{year}-{month + 1:02d}"


def _contacts(card: Card, now: datetime) -> RenderableType | None:
    if card.context is None or not card.context.interactions:
        return None
    lines = [contact_line(interaction, now) for interaction in card.context.interactions[:5]]
    if card.context.HasField("waiting_since_time"):
        lines.insert(
            0, Text(f"waiting for an answer, {ago(card.context.waiting_since_time, now)}", style="bold yellow")
        )
    return Group(*lines)


def _promises(card: Card, now: datetime) -> RenderableType | None:
    if card.context is None:
        return None
    promises = [*card.context.broken_promises, *card.context.promises]
    return Group(*(promise_line(promise, now) for promise in promises)) if promises else None


def _grid() -> Table:
    return Table.grid(padding=(0, 2, 0, 0))
