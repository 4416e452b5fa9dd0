"""Views of a cluster and its queues for the person who runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from libs.command.ops.drain import NodePlan, Verdict
from libs.command.ops.findings import Finding, some, span
from libs.command.ops.lag import Lag, Queue
from libs.command.ops.status import Process, Status
from libs.command.ops.verify import Verified
from libs.command.ops.warnings import Warned

_COLOURS = {Verdict.FREE: "green", Verdict.STEPS: "green", Verdict.WAITS: "yellow", Verdict.NEVER: "red"}


def status(found: Status, where: str) -> RenderableType:
    """Processes, leases, and what is wrong."""
    images = sorted({image for process in found.processes for image in process.images})
    versions = sorted({told.version for process in found.processes for told in process.told if told.version})
    parts: list[RenderableType] = [Text(where, style="dim")]
    for name, values in (("image", images), ("version", versions)):
        if len(values) == 1:
            parts.append(Text(f"{name} {values[0]}", style="dim"))
    table = _table("process", ">ready", "rollout", ">restarts", ">oldest", "schema", *(["image"] * (len(images) > 1)))
    for process in found.processes:
        oldest = span((found.now - process.pods[0].born).total_seconds()) if process.pods else "–"
        stored, code = process.schema
        cells = [
            Text(process.name, style="bold"),
            Text(
                f"{process.ready}/{process.desired}", style="green" if process.ready >= process.desired > 0 else "red"
            ),
            Text(_rollout(process), style="" if process.rollout == "complete" else "yellow"),
            Text(str(process.restarts), style="yellow" if process.restarts else ""),
            Text(oldest),
            Text("–" if stored is None else f"{stored}" if stored == code else f"{stored} of {code}"),
        ]
        table.add_row(*cells, *([Text(some([_short(image) for image in process.images]))] * (len(images) > 1)))
    parts += ["", table]
    if found.leases:
        leases = _table("lease", "holder", ">renewed", ">changes")
        for lease in found.leases:
            ago = span((found.now - lease.renewed).total_seconds()) + " ago" if lease.renewed else "in MongoDB"
            style = "red" if lease.expired(found.now) else ""
            changes = "–" if lease.changes is None else str(lease.changes)
            leases.add_row(lease.name, Text(lease.holder or "nobody", style=style), Text(ago, style=style), changes)
        parts += ["", leases]
    parts += [Text(f"\n{note}", style="dim") for note in found.notes]
    return Group(*parts, *findings([*found.findings()], "Everything runs as it should."))


def lag(found: Lag, max_wait: float, *, every: bool = False) -> RenderableType:
    """A line for each subscription, or for each of its partitions."""
    table = _table("subscription", ">waiting", ">in work", ">consumers", ">in/s", ">out/s", ">oldest", ">parked")
    service = ""
    for each in found.subscriptions:
        if each.service != service and service:
            table.add_section()
        service = each.service
        for queue in [*each.parts] if every else [each.total]:
            parked = Text(str(each.parked), style="red" if each.parked else "dim")
            table.add_row(*_queue(queue), parked if queue.name == each.parts[0].name or not every else "")
    rest = ", ".join(f"{queue.ready} in {queue.name}" for queue in found.retrying if queue.ready) or "none"
    lines = [Text(f"waiting for another attempt: {rest}", style="dim")]
    if found.others:
        lines.append(Text(f"{found.others} queues of others are left out", style="dim"))
    shown: list[RenderableType] = [Text(found.source, style="dim"), "", table, "", *lines]
    return Group(*shown, *findings([*found.findings(max_wait)], "Consumers keep up."))


def drain(plans: Sequence[NodePlan]) -> RenderableType:
    """Shows the obstacles to a drain of each node."""
    parts: list[RenderableType] = []
    for each in plans:
        verdict = Text("would be blocked", style="red") if each.blocked else Text("can be drained", style="green")
        steps = "" if each.blocked else f", in {each.steps} round{'s' * (each.steps != 1)}, {each.seconds} s at most"
        parts.append(Text.assemble((each.node, "bold"), " ", verdict, f"{steps} and what replacements take to be ready"
                                   if steps else ""))  # fmt: skip
        table = _table("pod", "what happens", "budget")
        for move in each.moves:
            table.add_row(
                Text(move.pod, style="" if move.ours else "dim"),
                Text(move.verdict, style=_COLOURS[move.verdict]),
                move.budget,
            )
        parts.append(Padding(table, (0, 0, 0, 2)))
        blocking = [_bad(Finding(move.pod, move.why, move.advice)) for move in each.moves if move.blocks]
        alone = "its only ready pods are here and no budget keeps one"
        interrupted = [_bad(Finding(name, alone, "run two replicas"), "!") for name in each.interrupted]
        parts += [*blocking, *interrupted]
        parts += [Text(f"  {each.command}", style="dim"), ""]
    parts.append(Text("Whether another node has room for the pods cannot be seen from one namespace.", style="dim"))
    return Group(*parts)


def warnings(found: Sequence[Warned], now: datetime) -> RenderableType:
    """A line for each complaint, the latest last."""
    table = _table(">ago", ">times", "object", "reason", "message")
    for one in found:
        style = "yellow" if one.serious else "dim"
        table.add_row(
            span((now - one.last).total_seconds()),
            str(one.count),
            Text(f"{one.kind.lower()}/{one.name}" + (f" and {one.others} more" if one.others else "")),
            Text(one.reason, style=style),
            Text(one.message),
        )
    return table


def verified(found: Verified) -> RenderableType:
    """Shows the differences by object."""
    parts: list[RenderableType] = []
    thing = ""
    for each in found.drifts:
        if not each.path:
            missing = each.found is None
            state = "is missing" if missing else "is not in the manifest"
            advice = "install it again" if missing else "take it away, or into the chart"
            parts.append(_bad(Finding(each.thing, state + (f", by {each.by}" if each.by else ""), advice)))
            continue
        if each.thing != thing:
            thing = each.thing
            parts.append(Text.assemble(("✗", "red"), " ", (thing, "bold")))
        lines = Text.assemble(f"{each.path}\n", ("wanted ", "dim"), _value(each.wanted), ("\nfound  ", "dim"))
        lines.append_text(Text(_value(each.found), style="yellow"))
        lines.append(f"\nby     {each.by}" if each.by else "", style="dim")
        parts.append(Padding(lines, (0, 0, 0, 2)))
    if not found.drifts:
        parts.append(Text(f"✓ {found.compared} objects are as the manifest says.", style="green"))
    if found.left_out:
        parts += [Text(f"\nleft out: {each}", style="dim") for each in found.left_out[:1]]
        parts += [Text(f"left out: {each}", style="dim") for each in found.left_out[1:]]
    return Group(*parts)


def _value(value: object) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def findings(found: Sequence[Finding], well: str) -> Iterator[RenderableType]:
    """Shows the findings with the next step of each, or that all is well."""
    yield ""
    if not found:
        yield Text(f"✓ {well}", style="green")
    for finding in found:
        yield _bad(finding)


def _bad(finding: Finding, mark: str = "✗") -> RenderableType:
    table = Table.grid(padding=(0, 1, 0, 0))
    said = Text.assemble((finding.what, "bold"), ": ", finding.state)
    table.add_row(Text(mark, style="red" if mark == "✗" else "yellow"), said)
    table.add_row("", Text(f"→ {finding.advice}", style="yellow"))
    return table


def _table(*headings: str) -> Table:
    """A plain table. A heading that begins with > is of a column of numbers.

    The first column says which row it is, so it is never cut: in a narrow terminal the others fold.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for place, heading in enumerate(headings):
        right = heading.startswith(">")
        table.add_column(heading.lstrip(">"), justify="right" if right else "left", no_wrap=not place, overflow="fold")
    return table


def _queue(queue: Queue) -> list[RenderableType]:
    idle = not queue.consumers
    return [
        Text(queue.name, style="bold" if queue.ready else ""),
        Text(str(queue.ready), style="yellow" if queue.ready else "dim"),
        "–" if queue.unacked is None else str(queue.unacked),
        Text(str(queue.consumers), style="red" if idle else ""),
        _rate(queue.rate_in),
        _rate(queue.rate_out),
        span(queue.oldest, at_least=queue.at_least),
    ]


def _rate(rate: float | None) -> str:
    if rate is None:
        return "–"
    return f"{rate:.1f}" if rate < 10 else f"{rate:.0f}"


def _rollout(process: Process) -> str:
    return process.rollout + (f" (rev {process.revision})" if process.revision else "")


def _short(image: str) -> str:
    return image.rpartition("/")[2]
