"""Cases as people read them: a card, a table, clocks stretch by stretch, and the story of a complaint."""

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
    from kehu.interactions.v1.complaints_pb2 import ComplaintStory
    from kehu.interactions.v1.sla_pb2 import ExplainedClock


def card(case: Case) -> Group:
    """A case with its rounds and its clocks."""
    head = Text(case.subject or "(erased)", style="bold")
    head.append(f"  {word(name_of(case, 'state'))}", style="cyan")
    head.append(f"  priority {case.priority}  {case.owner or 'nobody yet'}  ")
    head.append(case.id, style="dim")
    rounds = [
        Text(f"  {each.number}. from {_at(each.open_time)}  {each.cause} {each.explanation}".rstrip())
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
        shown.add_row(str(each.priority), state, each.subject, each.owner, _at(each.state_time), each.id)
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
        head.append(f", due {_at(clock.due_time)}")
    if clock.HasField("breached_time"):
        head.append(f", breached {_at(clock.breached_time)}", style="red")
    yield head
    for stretch in explained.stretches:
        length = stretch.end_time.ToDatetime() - stretch.start_time.ToDatetime()
        why = " ".join(filter(None, (stretch.label, *stretch.reasons)))
        kind = word(name_of(stretch, "kind"))
        yield Text(f"  {_at(stretch.start_time)} to {_at(stretch.end_time)}  {_span(length)}  {kind} {why}".rstrip())


def story(told: ComplaintStory) -> Group:
    """A complaint from receipt to its end."""
    complaint = told.complaint
    head = Text(complaint.complained_of or "(erased)", style="bold")
    head.append(f"  {word(name_of(complaint, 'state'))}", style="cyan")
    lines = [f"received {_at(complaint.received_time)}, first said {_at(complaint.first_time)}"]
    if complaint.HasField("acknowledgement"):
        given = complaint.acknowledgement
        lines.append(f"acknowledged {_at(given.time)}: {given.plan}, by {_at(given.eta_time)}")
    if complaint.taxonomy_path:
        behind = complaint.attribution
        lines.append(f"cause {complaint.taxonomy_path}: {behind.touchpoint}, {behind.employee}, {behind.product}")
    lines += [f"found: {each}" for each in complaint.findings]
    lines += [f"answered: {complaint.decision}"] if complaint.decision else []
    lines += [
        f"goodwill {word(name_of(each, 'action'))} {each.amount} {each.currency_code} ({word(name_of(each, 'state'))})"
        for each in told.goodwill
    ]
    lines += [f"promise: {each.text} ({word(name_of(each, 'state'))})" for each in told.promises]
    lines += [f"appealed: {each}" for each in complaint.appeals]
    lines += [f"told at the end: {complaint.feedback}"] if complaint.feedback else []
    return Group(head, *(Text(f"  {each}") for each in lines), card(told.case))


def _at(time: Any) -> str:
    """A time to the minute, in UTC."""
    moment: datetime = time.ToDatetime(UTC)
    return f"{moment:%Y-%m-%d %H:%M}" if moment.year > 1970 else "-"


def _span(length: timedelta) -> str:
    minutes = round(abs(length) / timedelta(minutes=1))
    return f"{'-' if length < timedelta(0) else ''}{minutes // 60}:{minutes % 60:02}"
