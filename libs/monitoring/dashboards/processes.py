"""The processes and their database."""

from __future__ import annotations

from typing import Final

from libs.monitoring import queries as q
from libs.monitoring.dashboards.shared import BY_PROCESS, HERE, MEMORY, OURS, READY, STORE_SECONDS, WINDOW
from libs.monitoring.grafana import Dashboard, Line, Panel, Row

STORE: Final = Dashboard(
    name="store",
    title="Kehu / Store",
    about="The database, as the services feel it.",
    rows=(
        Row(
            "Operations",
            (
                Panel(
                    title="Operations by collection",
                    about="Statements sent to the database.",
                    unit="ops",
                    lines=(
                        Line(
                            q.rate(f"{STORE_SECONDS}_count", WINDOW, ("service", "collection"), **HERE),
                            "{{collection}}",
                        ),
                    ),
                ),
                Panel(
                    title="Time by collection, 95 %",
                    about="95 of 100 took less than this.",
                    unit="s",
                    lines=(
                        Line(
                            q.quantile(0.95, STORE_SECONDS, WINDOW, ("service", "collection"), **HERE), "{{collection}}"
                        ),
                    ),
                ),
                Panel(
                    title="Time by operation, 95 %",
                    about="95 of 100 took less than this.",
                    unit="s",
                    lines=(
                        Line(
                            q.quantile(0.95, STORE_SECONDS, WINDOW, ("service", "operation"), **HERE),
                            "{{service}} {{operation}}",
                        ),
                    ),
                ),
                Panel(
                    title="Slow operations",
                    about="The share above a quarter of a second; an alert fires above 5 %.",
                    unit="percentunit",
                    lines=(
                        Line(
                            q.slower(STORE_SECONDS, 0.25, WINDOW, ("service", "collection"), **HERE), "{{collection}}"
                        ),
                    ),
                ),
            ),
        ),
    ),
)

PROCESSES: Final = Dashboard(
    name="processes",
    title="Kehu / Processes",
    about="Every process: ready, restarted, fed, and of which release.",
    rows=(
        Row(
            "State",
            (
                READY,
                Panel(
                    title="Restarts within an hour",
                    about="In place; a rollout brings new processes and does not count.",
                    unit="none",
                    lines=(
                        Line(
                            f"sum by (service, role) (changes({q.series('process_start_time_seconds', **OURS)}[1h]))",
                            "{{service}} {{role}}",
                        ),
                    ),
                ),
                Panel(
                    title="Processes by release",
                    about="One release per service, except during a rollout.",
                    unit="none",
                    lines=(
                        Line(
                            f"count by (service, version, revision) ({q.series('kehu_build_info', **HERE)})",
                            "{{service}} {{version}} {{revision}}",
                        ),
                    ),
                ),
                Panel(
                    title="Schema",
                    about="What the code needs and what the database is at.",
                    unit="none",
                    lines=(
                        Line(q.best("min", "kehu_schema_version", ("service", "kind"), **HERE), "{{service}} {{kind}}"),
                    ),
                ),
            ),
        ),
        Row(
            "Resources",
            (
                Panel(
                    title="Processor time",
                    about="Of one core; a process of Python uses little more than one.",
                    unit="percentunit",
                    lines=(
                        Line(
                            q.rate("process_cpu_seconds_total", WINDOW, BY_PROCESS, **OURS),
                            "{{service}} {{role}} {{instance}}",
                        ),
                    ),
                ),
                Panel(
                    title="Memory",
                    about="Resident memory.",
                    unit="bytes",
                    lines=(
                        Line(
                            q.best("max", "process_resident_memory_bytes", BY_PROCESS, **OURS),
                            "{{service}} {{role}} {{instance}}",
                        ),
                    ),
                ),
                MEMORY,
                Panel(
                    title="Open files",
                    about="Connections among them.",
                    unit="none",
                    lines=(
                        Line(
                            q.best("max", "process_open_fds", BY_PROCESS, **OURS), "{{service}} {{role}} {{instance}}"
                        ),
                    ),
                ),
            ),
        ),
    ),
)
