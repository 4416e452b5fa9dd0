"""The calls of a service, method by method."""

from __future__ import annotations

from typing import Final

from libs.monitoring import objectives
from libs.monitoring import queries as q
from libs.monitoring.dashboards.shared import BY_METHOD, BY_SERVICE, HANDLED, HERE, SECONDS, STARTED, UNARY, WINDOW
from libs.monitoring.grafana import Dashboard, Line, Panel, Row

CALLS: Final = Dashboard(
    name="calls",
    title="Kehu / Calls",
    about="The calls of a service, method by method.",
    rows=(
        Row(
            "By method",
            (
                Panel(
                    title="Calls by method",
                    about="Calls that arrived.",
                    unit="reqps",
                    lines=(Line(q.rate(STARTED, WINDOW, BY_METHOD, **HERE), "{{grpc_method}}"),),
                ),
                Panel(
                    title="Failed calls by method",
                    about="The share that ended with a fault of ours.",
                    unit="percentunit",
                    lines=(
                        Line(
                            q.share(
                                q.rate(HANDLED, WINDOW, BY_METHOD, **HERE, grpc_code=q.FAULTS),
                                q.rate(HANDLED, WINDOW, BY_METHOD, **HERE),
                            ),
                            "{{grpc_method}}",
                        ),
                    ),
                ),
                Panel(
                    title="Time by method, 95 %",
                    about="95 of 100 unary calls took less than this.",
                    unit="s",
                    lines=(Line(q.quantile(0.95, SECONDS, WINDOW, BY_METHOD, **UNARY), "{{grpc_method}}"),),
                ),
            ),
        ),
        Row(
            "Answers",
            (
                Panel(
                    title="Calls by status code",
                    about="How calls ended; OK among them.",
                    unit="reqps",
                    stacked=True,
                    lines=(Line(q.rate(HANDLED, WINDOW, ("grpc_code",), **HERE), "{{grpc_code}}"),),
                ),
                Panel(
                    title="Slow calls",
                    about=f"The share of unary calls above {objectives.SLOW:g} s, and what is allowed.",
                    unit="percentunit",
                    lines=(
                        Line(q.slower(SECONDS, objectives.SLOW, WINDOW, BY_SERVICE, **UNARY), "{{service}}"),
                        Line(f"vector({objectives.SLOW_SHARE:g})", "allowed"),
                    ),
                ),
                Panel(
                    title="Calls without a deadline",
                    about="Their callers would wait for ever for a server that is gone.",
                    unit="reqps",
                    lines=(
                        Line(
                            q.or_zero(
                                q.rate("kehu_rpc_without_deadline_total", WINDOW, BY_SERVICE, **HERE),
                                q.rate(STARTED, WINDOW, BY_SERVICE, **HERE),
                            ),
                            "{{service}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Saturation",
            (
                Panel(
                    title="Calls in flight, and the limit",
                    about="Unary calls that a process holds, and how many it admits at present.",
                    unit="none",
                    lines=(
                        Line(
                            q.best("sum", "grpc_server_in_flight", ("service", "instance"), **HERE, pool="unary"),
                            "{{service}} {{instance}}",
                        ),
                        Line(
                            f"{q.best('sum', 'kehu_rpc_limit', ('service', 'instance'), **HERE, role='api')}",
                            "{{service}} {{instance}} limit",
                        ),
                    ),
                ),
                Panel(
                    title="Wait for a thread, 95 %",
                    about="95 of 100 unary calls waited less than this before they were worked on.",
                    unit="s",
                    lines=(Line(q.quantile(0.95, "kehu_rpc_wait_seconds", WINDOW, BY_SERVICE, **HERE), "{{service}}"),),
                ),
                Panel(
                    title="Refused calls",
                    about="Calls refused to protect the others, by cause.",
                    unit="reqps",
                    lines=(
                        Line(
                            q.rate("kehu_rpc_refused_total", WINDOW, ("service", "cause"), **HERE),
                            "{{service}} {{cause}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)
