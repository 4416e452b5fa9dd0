"""Views of a customer's owner, segments and entitlements."""

from __future__ import annotations

from datetime import datetime

from kehu.profiles.v1.customer360_pb2 import Customer360
from kehu.profiles.v1.entitlements_pb2 import CustomerEntitlements
from kehu.profiles.v1.owners_pb2 import Ownership
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from libs.command.views.words import ago, moment, name_of, word


def standing(view: Customer360, now: datetime) -> RenderableType | None:
    """A row for each thing known. None for nothing."""
    table = Table.grid(padding=(0, 2, 0, 0))
    if view.HasField("ownership") and view.ownership.HasField("since_time"):
        table.add_row("owner", _owner(view.ownership, now))
        for hold in view.ownership.holds:
            table.add_row("", Text(f"held by {hold.key}: {hold.reason}", style="dim"))
    for i, membership in enumerate(view.segments):
        why = ", ".join(reason.clause for reason in membership.reasons)
        line = Text(membership.segment_key).append(f"  {ago(membership.enter_time, now)}: {why}", style="dim")
        table.add_row("" if i else "segments", line)
    for i, benefit in enumerate(view.entitlements.benefits):
        line = Text(f"{benefit.display_name or benefit.benefit}: {allowance(benefit)}")
        table.add_row("" if i else "entitled to", line.append(f"  {benefit.explanation}", style="dim"))
    return table if table.row_count else None


def allowance(benefit: CustomerEntitlements.Benefit) -> str:
    """`2 a month`, `once`, `without limit`, `not at all`."""
    period = name_of(benefit, "period")
    if not benefit.HasField("allowance"):
        return "without limit"
    if not benefit.allowance:
        return "not at all"
    return f"{benefit.allowance} in all" if period == "ONCE" else f"{benefit.allowance} a {word(period)}"


def _owner(ownership: Ownership, now: datetime) -> Text:
    since = f"{word(name_of(ownership, 'reason'))} {ago(ownership.since_time, now)}"
    match name_of(ownership, "state"):
        case "OWNED":
            return Text(ownership.owner).append(f"  {since}", style="dim")
        case "RECYCLE_WARNED":
            return Text(ownership.owner).append(f"  to the pool at {moment(ownership.recycle_time)}", style="yellow")
        case "POOLED":
            return Text("in the pool", style="yellow").append(
                f"  {since}, had by {ownership.previous_owner or 'nobody'}"
            )
    return Text("nobody", style="dim")
