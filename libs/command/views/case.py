"""Cases as people read them: a card, a table, and clocks stretch by stretch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from libs.command.views.words import name_of, word

if TYPE_CHECKING:
    from kehu.interactions.v1.cases_pb2 import Case
    from kehu.interactions.v1.clocks_pb2 import ClockVersion
    from kehu.interactions.v1.sla_pb2 import ExplainedClock


def card(case: Case) -> Group:
    """A case with its rounds and its clocks."""
    head = Text(case.subject or "(erased)", style="bold")
    head.append(f"  {word(name_of(case, 'state'))}", style="cyan")
    head.append(f"  priority {case.priority}  {case.owner or 'nobody yet'}  ")
    head.append(case.id, style="dim")
    rounds = [
        Text(f"  {each.number}. from {at(each.open_time)}  {each.cause} {each.explanation}".rstrip())
        for each in case.episodes
    ]
    clocks = [
        Text(f"  {word(name_of(each, 'metric'))} {each.number}: {len(each.events)} events", style="dim")
        for each in case.clocks.clocks
    ]
    return Group(head, *rounds, *clocks)


def table(cases: Iterable[Case]) -> Table:
    """Cases, a line each."""
    shown = Table(box=None, pad_edge=False)
    for name in ("priority", "state", "subject", "owner", "since", "id"):
        shown.add_column(name, style="dim" if name == "id" else "")
    for each in cases:
        state = word(name_of(each, "state"))
        shown.add_row(str(each.priority), state, each.subject, each.owner, at(each.state_time), each.id)
    return shown


def clocks(explained: Iterable[ExplainedClock]) -> Group:
    """Every clock with its stretches."""
    return Group(*(part for each in explained for part in _clock(each)))


def _clock(explained: ExplainedClock) -> Iterator[Text]:
    clock = explained.clock
    head = Text(f"{word(name_of(explained, 'metric'))} {explained.number}", style="bold")
    head.append(f"  {word(name_of(clock, 'state'))}", style="cyan")
    head.append(f"  spent {_span(clock.spent.ToTimedelta())}, left {_span(clock.left.ToTimedelta())}")
    if clock.HasField("due_time"):
        head.append(f", due {at(clock.due_time)}")
    if clock.HasField("breached_time"):
        head.append(f", breached {at(clock.breached_time)}", style="red")
    yield head
    for version in clock.versions if len(clock.versions) > 1 else ():
        yield _version(version)
    for stretch in explained.stretches:
        length = stretch.end_time.ToDatetime() - stretch.start_time.ToDatetime()
        why = " ".join(filter(None, (stretch.label, *stretch.reasons)))
        kind = word(name_of(stretch, "kind"))
        yield Text(f"  {at(stretch.start_time)} to {at(stretch.end_time)}  {_span(length)}  {kind} {why}".rstrip())


def _version(version: ClockVersion) -> Text:
    """A target that was in force for a time, with what it asked for and what became of it."""
    target = version.target
    until = f" until {at(version.until_time)}" if version.HasField("until_time") else ", in force"
    words = f"  since {at(version.since_time)}{until}: {_span(target.work.ToTimedelta())} of version"
    words += f" {target.policy_version}, calendar as of revision {target.calendar.revision}"
    words += f", due {at(version.due_time)}" if version.HasField("due_time") else ", paused"
    line = Text(words, style="dim")
    if version.HasField("breached_time"):
        line.append(f", breached {at(version.breached_time)}", style="red")
    return line


def at(time: Any) -> str:
    """A time to the minute, in UTC."""
    moment: datetime = time.ToDatetime(UTC)
    return f"{moment:%Y-%m-%d %H:%M}" if moment.year > 1970 else "-"


def _span(length: timedelta) -> str:
    minutes = round(abs(length) / timedelta(minutes=1))
    return f"{'-' if length < timedelta(0) else ''}{minutes // 60}:{minutes % 60:02}"
