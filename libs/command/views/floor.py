"""The floor of a call center: a board of queues, agents, decisions, service levels, staffing and causes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from libs.command.views.words import moment, name_of, word

if TYPE_CHECKING:
    from kehu.interactions.v1.calls_pb2 import CallForecast, ServiceLevelReport
    from kehu.interactions.v1.quality_pb2 import CausePareto
    from kehu.interactions.v1.routing_pb2 import AgentTimes, ExplainAssignmentResponse, QueueAgent, QueueState
    from kehu.interactions.v1.staffing_pb2 import Staffing

BAR = 32
"""Characters of the longest bar."""
LATE_SECONDS = 60
"""Wait from which a board turns red."""
_COLORS = {"AVAILABLE": "green", "BUSY": "cyan", "WRAP_UP": "blue", "BREAK": "yellow", "OFFLINE": "dim"}


def board(states: Sequence[QueueState], now: datetime) -> RenderableType:
    """A row for each queue. A wait of a minute is red, half of it yellow."""
    table = _table("", "", "waiting", "longest", "", "agents", "busy", "away", "wait told", "held")
    most = max([each.waiting for each in states], default=0) or 1
    for each in states:
        longest = (now - each.oldest_enqueue_time.ToDatetime(tzinfo=UTC)).total_seconds() if each.waiting else 0
        color = "red" if longest >= LATE_SECONDS else "yellow" if longest >= LATE_SECONDS / 2 else "green"
        opened = Text("open", "green") if each.open else Text(_opens(each), "dim")
        estimate = each.estimate
        told = clock(estimate.p90_seconds) if estimate.known else "nobody knows"
        held = f"{estimate.held_p90 / estimate.told:.0%} of {estimate.told}" if estimate.told else ""
        table.add_row(
            Text(each.display_name, "bold"),
            opened,
            Text(str(each.waiting), color),
            Text(clock(longest) if each.waiting else "", color),
            Text("█" * round(10 * each.waiting / most), color),
            f"{each.available_agents} of {each.available_agents + each.busy_agents}",
            str(each.busy_agents),
            str(each.away_agents),
            told,
            held,
        )
    return Group(table, Text(f"as of {now:%H:%M:%S} UTC", style="dim"))


def _opens(state: QueueState) -> str:
    return f"opens {moment(state.open_time)}" if state.HasField("open_time") else "closed for good"


def agents(found: Iterable[QueueAgent], now: datetime) -> Table:
    """A row for each agent with its activity, since when, its work and skills."""
    table = _table("", "", "since", "work", "skills", "")
    for each in found:
        activity = name_of(each, "activity")
        since = now - each.activity_time.ToDatetime(tzinfo=UTC) if each.HasField("activity_time") else None
        held = sum(work.units for work in each.held)
        skills = " ".join(f"{skill.name}:{skill.level}" for skill in each.skills)
        table.add_row(
            Text(each.principal, "bold"),
            Text(word(activity), _COLORS.get(activity, "")),
            clock(since.total_seconds()) if since is not None else "",
            f"{held} of {each.capacity_units}",
            skills,
            Text(each.id, "dim"),
        )
    return table


def times(found: AgentTimes) -> RenderableType:
    """A bar for each activity, then occupancy and adherence."""
    table, most = _table("", "time", ""), max([each.time.ToSeconds() for each in found.activities], default=0) or 1
    for each in found.activities:
        activity, seconds = name_of(each, "activity"), each.time.ToSeconds()
        table.add_row(
            word(activity), clock(seconds), Text("█" * round(BAR * seconds / most), _COLORS.get(activity, ""))
        )
    told = [f"occupancy {found.occupancy:.0%}"] if found.HasField("occupancy") else []
    told += [f"adherence {found.adherence:.0%}"] if found.HasField("adherence") else []
    return Group(table, Text("  ".join(told), style="bold"))


def decisions(found: ExplainAssignmentResponse) -> RenderableType:
    """Every decision with its rank and its candidates."""
    parts: list[RenderableType] = []
    for each in found.decisions:
        rank = each.priority
        made = ", ".join(
            f"{name} {getattr(rank, name):.2f}" for name in ("tier", "slack", "age", "severity", "handover")
        )
        parts.append(
            Text.assemble(
                (f"{moment(each.decide_time)}  place {each.place} of {each.waiting}", "bold"),
                f"  {word(name_of(each, 'method'))}  rank {rank.rank:.2f} = {rank.weight:g} × ({made})",
            )
        )
        table = _table("agent", "penalty", "gap", "load", "transfers", "affinity", "idle")
        for candidate in each.candidates:
            figures = (candidate.penalty, candidate.skill_gap, candidate.load, candidate.transfer_risk)
            table.add_row(
                Text(candidate.agent_id, "bold green" if candidate.agent_id == each.agent_id else ""),
                *(f"{figure:.2f}" for figure in figures),
                f"{candidate.affinity:.0f}",
                clock(candidate.idle_seconds),
            )
        parts.append(table)
        ruled_out = ", ".join(f"{count.agents} by {word(name_of(count, 'reason'))}" for count in each.unfit)
        parts += [Text(f"ruled out: {ruled_out}", style="dim")] if ruled_out else []
    return Group(*parts) if parts else Text("nobody was asked yet", style="yellow")


def level(found: ServiceLevelReport) -> RenderableType:
    """A row for each tier, and what came of it. No speed without it."""
    table = _table("", "came", "answered", "in time", "level", "goal", "gave up", "at once", "mean wait")
    for name, each in [*((tier.tier or "no tier", tier) for tier in found.tiers), ("everybody", found.everybody)]:
        met = each.HasField("service_level") and each.service_level >= each.goal_share
        table.add_row(
            Text(name, "bold"),
            f"{each.offered:,}",
            f"{each.answered:,}",
            f"{each.answered_in_time:,}",
            Text(f"{each.service_level:.1%}" if each.HasField("service_level") else "", "green" if met else "red"),
            f"{each.goal_share:.0%} in {each.goal_seconds:g} s",
            f"{each.abandoned:,}",
            f"{each.short_abandoned:,}",
            clock(each.mean_wait_seconds) if each.HasField("mean_wait_seconds") else "",
        )
    rule = f"giving up within {found.short_abandon_seconds:g} s is {word(name_of(found, 'short_abandon_rule'))}"
    outcome = found.outcome
    came = (
        Text(f"{outcome.resolved_share:.1%} of {outcome.done:,} left nothing to do", style="bold")
        if outcome.HasField("resolved_share")
        else Text("nobody knows what came of it", style="yellow")
    )
    return Group(table, Text(rule, style="dim"), came)


def staffing(rows: Iterable[tuple[str, float, Staffing]], agent_hours: float) -> RenderableType:
    """A row for each interval with its calls, agents and what callers get."""
    table = _table("", "calls", "agents", "rostered", "", "in time", "mean wait", "occupancy")
    listed = list(rows)
    most = max([each.agents for _, _, each in listed], default=0) or 1
    for label, calls, each in listed:
        table.add_row(
            label,
            f"{calls:,.1f}",
            str(each.agents),
            str(each.rostered),
            Text("█" * round(BAR * each.agents / most), "cyan"),
            f"{each.service_level:.1%}" if each.HasField("service_level") else "",
            f"{each.mean_wait:.1f} s" if each.HasField("mean_wait") else "",
            f"{each.occupancy:.0%}" if each.HasField("occupancy") else "",
        )
    return Group(table, Text(f"{agent_hours:,.1f} hours of agents", style="bold"))


def forecast(found: CallForecast) -> RenderableType:
    """The half hours with calls, and how far such forecasts were off."""
    rows = [(moment(each.start_time, UTC), each.calls, each.staffing) for each in found.intervals if each.calls >= 0.05]
    told = f"learned from {found.learned_days} days, {found.learned_holidays} of them holidays"
    if found.HasField("error_share"):
        told += f"; off by {found.error_share:.1%} in the last four weeks, {found.naive_error_share:.1%} by repetition"
    return Group(staffing(rows, found.agent_hours), Text(told, style="dim"))


def pareto(found: CausePareto) -> RenderableType:
    """A bar for each cause, with the running share."""
    table = _table("", "count", "share", "running", "")
    most = max([each.count for each in found.causes], default=0) or 1
    for each in found.causes:
        bar = Text("█" * round(BAR * each.count / most), "red" if each.running_share <= 0.8 else "blue")
        table.add_row(
            each.cause or "not noted", f"{each.count:,}", f"{each.share:.1%}", f"{each.running_share:.1%}", bar
        )
    return Group(table, Text(f"{found.total:,} together", style="dim"))


def clock(seconds: float) -> str:
    """A time as minutes and seconds, or hours and minutes."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02}" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02}"


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        column: Any = {"justify": "right"} if heading else {}
        table.add_column(heading, **column)
    return table
