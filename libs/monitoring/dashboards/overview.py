"""Is every service well? One page."""

from __future__ import annotations

from typing import Final

from libs.monitoring import objectives
from libs.monitoring import queries as q
from libs.monitoring.dashboards.shared import (
    BY_SERVICE,
    HANDLED,
    HERE,
    LAG,
    MEMORY,
    OLDEST,
    PLACE,
    READY,
    SECONDS,
    STARTED,
    UNARY,
    WINDOW,
)
from libs.monitoring.grafana import Dashboard, Line, Panel, Row

FAILED_SHARE: Final = Panel(
    title="Failed calls",
    about="The share of unary calls that ended with a fault of ours, and what is allowed over thirty days.",
    unit="percentunit",
    lines=(
        Line(
            q.share(
                q.rate(HANDLED, WINDOW, BY_SERVICE, **UNARY, grpc_code=q.FAULTS),
                q.rate(HANDLED, WINDOW, BY_SERVICE, **UNARY),
            ),
            "{{service}}",
        ),
        Line(f"vector({objectives.ALLOWANCE:g})", "allowed"),
    ),
)

OVERVIEW: Final = Dashboard(
    name="overview",
    title="Kehu / Overview",
    about="Is every service well? Calls, the promise, events and processes on one page.",
    rows=(
        Row(
            "Calls",
            (
                Panel(
                    title="Calls",
                    about="Calls that arrived, of all methods.",
                    unit="reqps",
                    lines=(Line(q.rate(STARTED, WINDOW, BY_SERVICE, **HERE), "{{service}}"),),
                ),
                FAILED_SHARE,
                Panel(
                    title="Time of unary calls",
                    about="Half of the calls, and 95 of 100, took less than this; exact to a bucket of the histogram.",
                    unit="s",
                    lines=(
                        Line(q.quantile(0.5, SECONDS, WINDOW, BY_SERVICE, **UNARY), "{{service}} half"),
                        Line(q.quantile(0.95, SECONDS, WINDOW, BY_SERVICE, **UNARY), "{{service}} 95 %"),
                    ),
                ),
            ),
        ),
        Row(
            "Events",
            (
                Panel(
                    title="Events published",
                    about="Events that the broker confirmed.",
                    unit="ops",
                    lines=(Line(q.rate("kehu_outbox_published_total", WINDOW, BY_SERVICE, **HERE), "{{service}}"),),
                ),
                OLDEST,
                Panel(
                    title="From a change to its effect",
                    about="95 of 100 events took less than this from the change to their effect in the service.",
                    unit="s",
                    lines=(Line(q.quantile(0.95, LAG, WINDOW, BY_SERVICE, **HERE), "{{service}}"),),
                ),
            ),
        ),
        Row(
            "Promise and processes",
            (
                Panel(
                    title="Failed calls within an hour",
                    about=f"Wakes somebody above {14.4 * objectives.ALLOWANCE:.2%}: the allowance of thirty days would"
                    " be gone in two.",
                    unit="percentunit",
                    lines=(
                        Line(f"{objectives.failed('1h')}{{{PLACE}}}", "{{service}}"),
                        Line(f"vector({objectives.ALLOWANCE:g})", "allowed"),
                    ),
                ),
                READY,
                Panel(
                    title="Memory, share of the limit",
                    about="Of the process of each kind that is nearest to the limit of its container.",
                    unit="percentunit",
                    lines=(Line(f"max by (service, role) ({MEMORY.lines[0].expr})", "{{service}} {{role}}"),),
                ),
            ),
        ),
    ),
)
