"""Complaints as people read them: a card, a table, the whole story in the order of time, and a Pareto."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from libs.command.views import case
from libs.command.views.board import money
from libs.command.views.words import name_of, word

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp
    from kehu.interactions.v1.complaints_pb2 import (
        Complaint,
        ComplaintReport,
        ComplaintStory,
        ComplaintTally,
        TimeToSatisfaction,
    )
    from kehu.interactions.v1.problems_pb2 import Problem
    from kehu.interactions.v1.remedies_pb2 import Goodwill

BAR = 32
"""Characters of the longest bar."""
Step = tuple[datetime, str, str]
"""Time, words, and the style of what happened."""


def card(complaint: Complaint) -> Text:
    """A complaint in a line, with the time since which it stands there."""
    text = Text(complaint.complained_of or "(erased)", style="bold")
    text.append(f"  {word(name_of(complaint, 'state'))}", style="cyan")
    severity = word(name_of(complaint, "severity"))
    text.append(f"  {severity}", style="red" if severity == "safety" else "")
    text.append(f"  since {case.at(complaint.state_time)}  ")
    text.append(complaint.id, style="dim")
    return text


def table(complaints: Iterable[Complaint]) -> Table:
    """Complaints, a line each."""
    shown = Table(box=None, pad_edge=False)
    for name in ("received", "state", "severity", "cause", "complained of", "id"):
        shown.add_column(name, style="dim" if name == "id" else "")
    for each in complaints:
        words = [word(name_of(each, name)) for name in ("state", "severity")]
        shown.add_row(case.at(each.received_time), *words, each.taxonomy_path, each.complained_of[:60], each.id)
    return shown


def story(told: ComplaintStory) -> Group:
    """Everything that happened, in the order of time, then how its case stands."""
    shown = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    shown.add_column(style="dim", no_wrap=True)
    shown.add_column()
    for at, words, style in sorted(_steps(told), key=lambda step: step[0]):
        shown.add_row(f"{at:%Y-%m-%d %H:%M}", Text(words, style))
    return Group(card(told.complaint), *_facts(told.complaint), shown, case.card(told.case))


def _steps(told: ComplaintStory) -> Iterator[Step]:
    complaint = told.complaint
    yield from _step(complaint.first_time, "the customer spoke of it for the first time")
    asks = f", asks for: {complaint.requested_remedy}" if complaint.requested_remedy else ""
    yield from _step(complaint.received_time, f"received{asks}", "bold")
    yield from _step(complaint.escalated_time, "escalated: somebody may be hurt", "bold red")
    if complaint.HasField("acknowledgement"):
        plan = complaint.acknowledgement
        late = ", too late" if complaint.HasField("timely") and not complaint.timely else ""
        words = f"acknowledged{late}: {plan.plan} Promised by {case.at(plan.eta_time)}"
        yield from _step(plan.time, words, "red" if late else "green")
    for promise in told.promises:
        yield from _step(promise.made_time, f"promised: {promise.text}")
        yield from _step(promise.kept_time, f"kept: {promise.text}", "green")
        yield from _step(promise.broken_time, f"broken: {promise.text} {promise.broken_reason}".rstrip(), "red")
    for given in told.goodwill:
        what = f"{word(name_of(given, 'action'))} of {money(given.amount, given.currency_code)}"
        above = f", above {', '.join(given.exceeded)}: {given.approver_id} is asked" if given.exceeded else ""
        yield from _step(given.asked_time, f"{given.asked_by} asked for a {what}{above}")
        end = word(name_of(given, "state"))
        yield from _step(given.decided_time, f"{what} {end} by {given.decided_by}: {given.authority or given.reason}")
    yield from _case_steps(told)
    yield from _step(complaint.reached_out_time, "the quiet customer was reached out to")
    yield from _step(complaint.confirmed_time, "the customer confirms that it is made good", "bold green")
    for deal in complaint.later_deals:
        bought = f"bought again: {deal.deal_id} for {money(deal.minor_units, deal.currency_code)}"
        yield from _step(deal.won_time, bought, "green")


def _case_steps(told: ComplaintStory) -> Iterator[Step]:
    for wish in told.case.wishes:
        yield from _step(wish.time, f"the customer wishes: {wish.text}")
    for loan in told.case.loans:
        yield from _step(loan.since_time, f"lent to {loan.agent_id}: {loan.note}")
    for owner in told.case.ownership[1:]:
        yield from _step(owner.since_time, f"{owner.owner} answers for it now {owner.reason}".rstrip())
    for each in told.case.episodes:
        if each.number > 1:
            yield from _step(each.open_time, f"came back: {each.reopen_reason}", "yellow")
        yield from _step(each.resolved_time, f"resolved: {each.explanation}", "green")
        yield from _step(each.close_time, f"closed, {word(name_of(each, 'closing'))}")


def _facts(complaint: Complaint) -> Iterator[Text]:
    """Everything that is known of it and has no time of its own."""
    if complaint.taxonomy_path:
        behind = complaint.attribution
        named = [each for each in (behind.touchpoint, behind.employee, behind.product) if each != "NOT_ATTRIBUTABLE"]
        yield Text(f"  cause: {complaint.taxonomy_path}{''.join(f', {each}' for each in named)}")
    yield from (Text(f"  found: {each}") for each in complaint.findings)
    if complaint.decision:
        yield Text(f"  answered: {complaint.decision}")
    yield from (Text(f"  appealed: {each}", "yellow") for each in complaint.appeals)
    if complaint.regulator_ref:
        yield Text(f"  with the regulator: {complaint.regulator_ref}")
    if complaint.feedback:
        yield Text(f"  told at the end: {complaint.feedback}")


def _step(stamp: Timestamp, words: str, style: str = "") -> Iterator[Step]:
    if words and stamp.seconds:
        yield stamp.ToDatetime(UTC), words, style


def report(found: ComplaintReport, satisfied: TimeToSatisfaction) -> Group:
    """Products and causes with their share in time, then how long customers wait for satisfaction."""
    head = Text(f"{found.complaints:,} complaints", style="bold")
    judged = found.timely + found.untimely
    if judged:
        head.append(f", {found.timely / judged:.1%} of {judged:,} in time", style="cyan")
    head.append(f", {found.disputed:,} disputed")
    if found.HasField("mean_forward"):
        head.append(f", {found.mean_forward.ToTimedelta().total_seconds() / 86_400:.1f} days to whoever answers")
    half = f"half after {_days(satisfied.median)}" if satisfied.HasField("median") else "fewer than half so far"
    words = f"{satisfied.confirmed:,} customers confirmed, {half}; {satisfied.censored:,} did not, or not yet"
    more = [Text("There are more than were counted.", style="yellow")] if found.truncated else []
    return Group(head, _pareto(found.products), _pareto(found.causes), Text(words, style="dim"), *more)


def _pareto(tallies: Iterable[ComplaintTally]) -> Table:
    listed = list(tallies)
    total, most, running = sum(each.complaints for each in listed), max((e.complaints for e in listed), default=1), 0
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("", "count", "running", "in time", ""):
        shown.add_column(name, justify="right" if name else "left")
    for each in listed:
        running += each.complaints
        judged = each.timely + each.untimely
        share = f"{each.timely / judged:.1%}" if judged else ""
        bar = Text("█" * round(BAR * each.complaints / most), "red" if running <= 0.8 * total else "blue")
        shown.add_row(each.key, f"{each.complaints:,}", f"{running / total:.1%}", share, bar)
    return shown


def _days(length: Any) -> str:
    return f"{length.ToTimedelta().total_seconds() / 86_400:.1f} days"


def goodwill(found: Iterable[Goodwill]) -> Table:
    """Goodwill, a line each."""
    shown = Table(box=None, pad_edge=False)
    for name in ("asked", "state", "what", "by", "approver", "rule or limits exceeded", "id"):
        shown.add_column(name, style="dim" if name == "id" else "")
    for each in found:
        what = f"{word(name_of(each, 'action'))} {money(each.amount, each.currency_code)}"
        why = each.authority or ", ".join(each.exceeded)
        asked, state = case.at(each.asked_time), word(name_of(each, "state"))
        shown.add_row(asked, state, what, each.asked_by, each.approver_id, why, each.id)
    return shown


def problem(found: Problem) -> Group:
    """A problem with its tree of causes and the remedy that is planned."""
    head = Text(found.title, style="bold")
    head.append(f"  {word(name_of(found, 'state'))}  ", style="cyan")
    head.append(found.id, style="dim")
    plan = found.plan
    remedy = f"remedy: {word(name_of(plan, 'action'))} {money(plan.amount, plan.currency_code)}, {plan.apology}"
    planned = [Text(f"  {remedy}")] if found.HasField("plan") else []
    return Group(head, *_causes(found, "", 1), *planned)


def _causes(found: Problem, parent: str, depth: int) -> Iterator[Text]:
    for each in found.causes:
        if each.parent == parent:
            yield Text(f"{'  ' * depth}{'✔' if each.confirmed else '?'} {each.text}", "green" if each.confirmed else "")
            yield from _causes(found, each.key, depth + 1)
