"""Care in a terminal: programs, simulations, the calendar of a week, reasons and tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from libs.command.views.words import CHANNEL_MARKS, ago, moment, name_of, word

if TYPE_CHECKING:
    from kehu.care.v1.pressure_pb2 import Standing
    from kehu.care.v1.programs_pb2 import Program
    from kehu.care.v1.senders_pb2 import Sender
    from kehu.care.v1.touches_pb2 import Explanation, Finding, Simulation, Touch

FORM_MARKS: Final = {"GIFT": "🎁", "TRIP": "🚌", "VISIT": "⌂", "CALL": "☎", "LETTER": "✎"}
STYLES: Final = {
    "PLANNED": "cyan",
    "DEFERRED": "yellow",
    "CLAIMED": "cyan",
    "SENT": "green",
    "DELIVERED": "green",
    "RESPONDED": "bold green",
    "ASSIGNED": "magenta",
    "FAILED": "red",
    "UNCERTAIN": "red",
    "SUPPRESSED": "dim",
    "LAPSED": "dim",
    "SUPERSEDED": "dim",
}
"""State of a touch → its color."""
BAR: Final = 24
LINES_MAX: Final = 12
"""Lines of a day before the rest is only counted."""
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def programs(found: Iterable[Program]) -> RenderableType:
    """A line for each program."""
    table = Table(box=None, pad_edge=False)
    for column in ("program", "state", "version", "purpose", "plans", "owner", "id"):
        table.add_column(column, justify="right" if column in {"version", "plans"} else "left")
    for each in found:
        state = word(name_of(each, "state"))
        purpose = word(name_of(each, "purpose"))
        table.add_row(
            each.display_name, state, str(each.version), purpose, str(len(each.plans)), each.owner, f"[dim]{each.id}[/]"
        )
    return table


def simulation(played: Simulation) -> RenderableType:
    """Touches that would come, and every reason against the others."""
    total = played.customer_count
    funnel = Table(box=None, pad_edge=False, show_header=False)
    for name, count in (
        ("customers", total),
        ("in the audience", played.audience_count),
        ("agreed", played.consent_count),
    ):
        funnel.add_row(name, f"{count:,}", _bar(count, total))
    funnel.add_row("touches that come", f"[green]{played.sent_count:,}[/]")
    funnel.add_row("that do not", f"[red]{played.suppressed_count:,}[/]")
    against = Table(box=None, pad_edge=False, show_header=False)
    most = max((each.count for each in played.reasons), default=0)
    for each in played.reasons:
        against.add_row(word(name_of(each, "reason")), f"{each.count:,}", _bar(each.count, most, "red"))
    lines = Table(box=None, pad_edge=False)
    for column in ("when", "zone", "customer", "", "occasion", "against"):
        lines.add_column(column)
    for line in played.lines[:20]:
        at = moment(line.send_time, UTC) if line.HasField("send_time") else "[dim]–[/]"
        reasons = ", ".join(word(name_of(each, "reason")) for each in line.findings)
        lines.add_row(at, line.time_zone, line.customer_id, _mark(line), line.occasion, f"[dim]{reasons}[/]")
    parts: list[RenderableType] = [funnel, Text(), against, Text(), lines]
    if len(played.lines) > 20:
        parts.append(Text(f"and {len(played.lines) - 20:,} more", style="dim"))
    if not played.complete:
        parts.append(Text(f"only the first {total:,} customers were looked at", style="yellow"))
    return Group(*parts)


def week(
    monday: date,
    touches: Sequence[Touch],
    programs: Mapping[str, str],
    feasts: Mapping[date, Sequence[str]],
    zone: Any,
) -> RenderableType:
    """Seven days side by side, each with its hours, and what the week adds up to."""
    by_day: dict[date, list[Touch]] = {}
    for each in touches:
        by_day.setdefault(_local(each, zone).date(), []).append(each)
    days = [monday + timedelta(days=n) for n in range(7)]
    panels = [_day(day, by_day.get(day, []), programs, feasts.get(day, ()), zone) for day in days]
    states = Counter(name_of(each, "state") for each in touches)
    total = Text(f"Week of {monday:%d %B %Y}  ", style="bold")
    total.append(f"{len(touches):,} touches", style="dim")
    for state, count in states.most_common():
        total.append(f"  {count:,} {word(state)}", style=STYLES.get(state, ""))
    return Group(total, Columns(panels, equal=True, expand=True))


def _day(
    day: date, touches: Sequence[Touch], programs: Mapping[str, str], feasts: Sequence[str], zone: Any
) -> RenderableType:
    lines: list[RenderableType] = [Text(f"✿ {each}", style="bold red") for each in feasts]
    groups: dict[tuple[str, str, str, str], int] = {}
    for each in sorted(touches, key=lambda each: _local(each, zone)):
        at = f"{_local(each, zone):%H:%M}"
        name = programs.get(each.program_id, each.occasion or "–")
        key = (at, _mark(each), name, name_of(each, "state"))
        groups[key] = groups.get(key, 0) + 1
    for (at, mark, name, state), count in [*groups.items()][:LINES_MAX]:
        line = Text(f"{at} {mark} ", style="dim")
        line.append(name, style=STYLES.get(state, ""))
        line.append(f" ×{count}" if count > 1 else "", style="bold")
        lines.append(line)
    if len(groups) > LINES_MAX:
        lines.append(Text(f"and {len(groups) - LINES_MAX} more", style="dim"))
    if not lines:
        lines.append(Text("nothing", style="dim"))
    weekend = day.weekday() > 4
    return Panel(Group(*lines), title=f"{_DAYS[day.weekday()][:3]} {day:%d.%m.}", style="dim" if weekend else "")


def explanation(found: Explanation) -> RenderableType:
    """The reasons that were stored, beside those of now."""
    touch = found.touch
    head = Text(_mark(touch) + " ", style="bold")
    head.append(touch.occasion or word(name_of(touch, "form")), style="bold")
    head.append(f" to {touch.customer_id}, meant for {moment(touch.planned_time)}: ")
    state = name_of(touch, "state")
    head.append(word(state), style=STYLES.get(state, ""))
    parts: list[RenderableType] = [head, Text("When it was looked at", style="bold"), _findings(touch.findings)]
    parts += [Text("Now", style="bold"), _findings(found.findings_now)]
    if found.HasField("next_permitted_time"):
        parts.append(Text(f"It could go at {moment(found.next_permitted_time)}.", style="green"))
    elif found.findings_now:
        parts.append(Text("It could not go as things stand: somebody has to act first.", style="yellow"))
    return Group(*parts)


def _findings(found: Sequence[Finding]) -> RenderableType:
    if not found:
        return Text("  nothing is against it", style="green")
    table = Table(box=None, show_header=False)
    for each in found:
        end = f"until {moment(each.end_time)}" if each.HasField("end_time") else ""
        table.add_row(f"[red]{word(name_of(each, 'reason'))}[/]", each.explanation, f"[dim]{each.receipt_id}[/]", end)
    return table


def pressure(found: Standing) -> RenderableType:
    """A bar for each cap."""
    verdict = "one more fits" if found.permitted else "one more is too much"
    head = Text("exempt: a contract demands it" if found.exempt else verdict)
    head.stylize("green" if found.permitted else "red")
    table = Table(box=None, show_header=False)
    for each in found.loads:
        purpose = word(name_of(each.cap, "purpose")) if each.cap.purpose else "everything"
        free = f"fits from {moment(each.free_time)}" if each.HasField("free_time") else ""
        bar = _bar(each.used, max(each.cap.weight, each.used, 1), "red" if each.exceeded else "green")
        table.add_row(purpose, f"{each.used} of {each.cap.weight} in {each.cap.days} days", bar, free)
    return Group(head, table)


def tasks(found: Sequence[Touch], now: datetime) -> RenderableType:
    """Open tasks, the late ones in red."""
    if not found:
        return Text("nothing to do", style="green")
    table = Table(box=None, pad_edge=False)
    for column in ("due", "", "what", "for", "task"):
        table.add_column(column)
    for each in found:
        late = each.task.due_time.ToDatetime(tzinfo=UTC) < now
        due = f"[{'red' if late else 'default'}]{ago(each.task.due_time, now)}[/]"
        what = f"{word(name_of(each, 'form'))} {each.occasion}".strip()
        table.add_row(due, _mark(each), what, each.customer_id, f"[dim]{each.id}[/]")
    return table


def senders(found: Iterable[Sender]) -> RenderableType:
    """A line for each channel."""
    table = Table(box=None, pad_edge=False)
    for column in ("channel", "through", "a minute", "way out"):
        table.add_column(column, justify="right" if column == "a minute" else "left")
    for each in found:
        through = (
            f"{each.smtp.host}:{each.smtp.port} as {each.smtp.from_address}" if each.smtp.host else each.webhook.url
        )
        table.add_row(word(name_of(each, "channel")), through, f"{each.rate_per_minute:,}", each.unsubscribe_url or "–")
    return table


def letter(language: str, subject: str, body: str) -> RenderableType:
    """Words as a customer reads them."""
    return Panel(Text(body.rstrip()), title=Text(subject or language, style="bold"), subtitle=language, width=72)


def _mark(touch: Any) -> str:
    form = name_of(touch, "form")
    return FORM_MARKS.get(form) or CHANNEL_MARKS.get(name_of(touch, "channel"), "✉")


def _local(touch: Touch, zone: Any) -> datetime:
    return touch.planned_time.ToDatetime(tzinfo=UTC).astimezone(zone)


def _bar(count: int, most: int, style: str = "cyan") -> Text:
    filled = round(BAR * count / most) if most else 0
    return Text("█" * filled + "·" * (BAR - filled), style=style)
