"""Parts of several dashboards: the variables, the ways to group, and panels that are on two of them."""

from __future__ import annotations

from typing import Final

from libs.monitoring import queries as q
from libs.monitoring.grafana import Line, Panel

WINDOW: Final = "$__rate_interval"
HERE: Final = {"namespace": "~$namespace", "service": "~$service"}
PLACE: Final = 'namespace=~"$namespace", service=~"$service"'
UNARY: Final = {**HERE, "grpc_type": "UNARY"}
OURS: Final = {**HERE, "role": q.OURS["role"]}
BY_SERVICE: Final = ("service",)
BY_METHOD: Final = ("service", "grpc_method")
BY_SUBSCRIPTION: Final = ("service", "subscription")
BY_PROCESS: Final = ("service", "role", "instance")

STARTED: Final = "grpc_server_started_total"
HANDLED: Final = "grpc_server_handled_total"
SECONDS: Final = "grpc_server_handling_seconds"
STORE_SECONDS: Final = "kehu_store_operation_seconds"
LAG: Final = "kehu_inbox_lag_seconds"

OLDEST: Final = Panel(
    title="Oldest event that waits",
    about="How long the oldest event of a service has waited to be published; an alert fires above 60 s.",
    unit="s",
    lines=(Line(q.best("max", "kehu_outbox_oldest_seconds", BY_SERVICE, **HERE), "{{service}}"),),
)

READY: Final = Panel(
    title="Processes that are ready",
    about="By their own word on /readyz.",
    unit="none",
    lines=(Line(q.best("sum", "kehu_ready", ("service", "role"), **HERE), "{{service}} {{role}}"),),
)

MEMORY: Final = Panel(
    title="Memory, share of the limit",
    about="Resident memory of each process by the limit of its container; without one, by the memory of the machine.",
    unit="percentunit",
    lines=(
        Line(
            f"{q.best('max', 'process_resident_memory_bytes', BY_PROCESS, **OURS)}"
            f" / {q.best('min', 'kehu_memory_limit_bytes', BY_PROCESS, **HERE)}",
            "{{service}} {{role}} {{instance}}",
        ),
    ),
)
