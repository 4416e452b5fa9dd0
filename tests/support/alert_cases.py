"""For every alert, what makes it fire, what it then says, and what must leave it silent.

Series and values are written as `promtool` takes them, one value a minute: `0+2x30` rises by 2 for thirty minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Given = Mapping[str, str]
"""Series → its values."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """How one alert behaves."""

    firing: Given
    at: str
    """When it is looked at, from the beginning."""
    labels: Mapping[str, str]
    """What the alert carries besides severity."""
    value: str = ""
    """How the figure reads in the description."""
    silent: tuple[Given, ...]


WHERE = {"namespace": "crm", "service": "profiles"}
API = {**WHERE, "role": "api", "pod": "a", "instance": "10.0.0.1:9090"}
WORKER = {**WHERE, "role": "worker", "pod": "w", "instance": "10.0.0.2:9090"}
METHOD = {"grpc_service": "kehu.profiles.v1.CustomersService", "grpc_method": "GetCustomer"}
UNARY = {**METHOD, "grpc_type": "UNARY"}
STREAM = {**METHOD, "grpc_type": "SERVER_STREAM"}
COUNTS = {"subscription": "counts"}


def s(name: str, /, *labels: Mapping[str, str], **more: str) -> str:
    """A series with these labels."""
    merged = {key: value for each in (*labels, more) for key, value in each.items()}
    written = ", ".join(f'{key}="{value}"' for key, value in merged.items())
    return f"{name}{{{written}}}"


def handled(failed: float, fine: float, *, code: str = "INTERNAL", kind: Mapping[str, str] = UNARY) -> Given:
    """So many calls a minute."""
    return {
        s("grpc_server_handled_total", API, kind, grpc_code=code): f"0+{failed}x120",
        s("grpc_server_handled_total", API, kind, grpc_code="OK"): f"0+{fine}x120",
    }


def timed(name: str, bound: str, within: float, *labels: Mapping[str, str], total: float = 100) -> Given:
    """So many observations a minute within a bound, and in all."""
    return {
        s(f"{name}_bucket", *labels, le=bound): f"0+{within}x120",
        s(f"{name}_count", *labels): f"0+{total}x120",
    }


def leases(*held: str, lease: str = "relay") -> Given:
    """What each of the workers says of a lease."""
    return {s("kehu_lease_held", WORKER, lease=lease, pod=str(n), instance=str(n)): v for n, v in enumerate(held)}


CASES: Mapping[str, Case] = {
    "KehuErrorBudgetFast": Case(
        firing=handled(2, 98),
        at="30m",
        labels=WHERE,
        value="2%",
        silent=(
            handled(1, 99),
            handled(20, 80, code="INVALID_ARGUMENT"),
            handled(20, 80, code="UNAVAILABLE", kind=STREAM),
        ),
    ),
    "KehuErrorBudgetSlow": Case(
        firing=handled(8, 992), at="40m", labels=WHERE, value="0.8%", silent=(handled(5, 995),)
    ),
    "KehuErrorBudgetLeak": Case(
        firing=handled(4, 996), at="90m", labels=WHERE, value="0.4%", silent=(handled(2, 998),)
    ),
    "KehuMethodFailing": Case(
        firing=handled(10, 90),
        at="30m",
        labels={**WHERE, **METHOD},
        value="10%",
        silent=(handled(4, 96), handled(0.1, 0.9), handled(10, 90, code="NOT_FOUND")),
    ),
    "KehuCallsSlow": Case(
        firing=timed("grpc_server_handling_seconds", "0.5", 90, API, UNARY),
        at="30m",
        labels=WHERE,
        value="10%",
        silent=(
            timed("grpc_server_handling_seconds", "0.5", 96, API, UNARY),
            timed("grpc_server_handling_seconds", "0.5", 0, API, STREAM),
        ),
    ),
    "KehuMethodSlow": Case(
        firing=timed("grpc_server_handling_seconds", "2.5", 80, API, UNARY),
        at="30m",
        labels={**WHERE, **METHOD},
        value="20%",
        silent=(
            timed("grpc_server_handling_seconds", "2.5", 95, API, UNARY),
            timed("grpc_server_handling_seconds", "2.5", 0, API, UNARY, total=1),
        ),
    ),
    "KehuCallsRefused": Case(
        firing={
            s("kehu_rpc_refused_total", API, cause="in_flight"): "0+5x60",
            s("kehu_rpc_refused_total", API, cause="streams"): "0x60",
            s("grpc_server_started_total", API, UNARY): "0+100x60",
        },
        at="30m",
        labels={**WHERE, "cause": "in_flight"},
        value="5%",
        silent=(
            {
                s("kehu_rpc_refused_total", API, cause="in_flight"): "0+1x60",
                s("grpc_server_started_total", API, UNARY): "0+100x60",
            },
        ),
    ),
    "KehuServerFull": Case(
        firing={s("grpc_server_in_flight", API, pool="unary"): "60x60", s("kehu_rpc_limit", API): "64x60"},
        at="30m",
        labels=API,
        value="93.75%",
        silent=(
            {s("grpc_server_in_flight", API, pool="unary"): "40x60", s("kehu_rpc_limit", API): "64x60"},
            {s("grpc_server_in_flight", API, pool="stream"): "200x60", s("kehu_rpc_limit", API): "64x60"},
            {s("grpc_server_in_flight", API, pool="unary"): "0 0 60 0x60", s("kehu_rpc_limit", API): "64x60"},
        ),
    ),
    "KehuCallsWithoutDeadline": Case(
        firing={s("kehu_rpc_without_deadline_total", API, UNARY): "0+1x120"},
        at="90m",
        labels={**WHERE, **METHOD},
        value="60",
        silent=({s("kehu_rpc_without_deadline_total", API, UNARY): "0+0.1x120"},),
    ),
    "KehuOutboxLate": Case(
        firing={s("kehu_outbox_oldest_seconds", WORKER): "0+60x30", s("kehu_outbox_oldest_seconds", API): "0x30"},
        at="10m",
        labels=WHERE,
        value="10m 0s",
        silent=(
            {s("kehu_outbox_oldest_seconds", WORKER): "50x30"},
            {s("kehu_outbox_oldest_seconds", WORKER): "0 60 120 0x30"},
        ),
    ),
    "KehuOutboxStuck": Case(
        firing={s("kehu_outbox_oldest_seconds", WORKER): "1000x30"},
        at="10m",
        labels=WHERE,
        value="16m 40s",
        silent=({s("kehu_outbox_oldest_seconds", WORKER): "600x30"},),
    ),
    "KehuOutboxGrowing": Case(
        firing={s("kehu_outbox_pending", WORKER): "0+100x60"},
        at="40m",
        labels=WHERE,
        value="4k",
        silent=(
            {s("kehu_outbox_pending", WORKER): "4000x60"},
            {s("kehu_outbox_pending", WORKER): "0+10x60"},
            {s("kehu_outbox_pending", WORKER): "6000-100x60"},
        ),
    ),
    "KehuOutboxReturned": Case(
        firing={s("kehu_outbox_returned_total", WORKER): "0+1x60"},
        at="30m",
        labels=WHERE,
        value="15",
        silent=({s("kehu_outbox_returned_total", WORKER): "0 0 2x60"},),
    ),
    "KehuInboxLate": Case(
        firing=timed("kehu_inbox_lag_seconds", "60.0", 80, WORKER, COUNTS),
        at="30m",
        labels={**WHERE, **COUNTS},
        value="20%",
        silent=(timed("kehu_inbox_lag_seconds", "60.0", 98, WORKER, COUNTS),),
    ),
    "KehuRetriesGrow": Case(
        firing={
            s("kehu_inbox_retried_total", WORKER, COUNTS): "0+10x60",
            s("kehu_inbox_events_total", WORKER, COUNTS, outcome="retried"): "0+10x60",
            s("kehu_inbox_events_total", WORKER, COUNTS, outcome="applied"): "0+90x60",
        },
        at="30m",
        labels={**WHERE, **COUNTS},
        value="10%",
        silent=(
            {
                s("kehu_inbox_retried_total", WORKER, COUNTS): "0+2x60",
                s("kehu_inbox_events_total", WORKER, COUNTS, outcome="applied"): "0+98x60",
            },
            {
                s("kehu_inbox_retried_total", WORKER, COUNTS): "0 0 3 3x60",
                s("kehu_inbox_events_total", WORKER, COUNTS, outcome="retried"): "0 0 3 3x60",
            },
        ),
    ),
    "KehuEventsParked": Case(
        firing={s("kehu_inbox_parked_total", WORKER, COUNTS): "0x30 2x60"},
        at="40m",
        labels={**WHERE, **COUNTS},
        value="2",
        silent=({s("kehu_inbox_parked_total", WORKER, COUNTS): "5x90"},),
    ),
    "KehuJournalSilent": Case(
        firing={
            s("kehu_outbox_published_total", WORKER): "0+60x60",
            s("kehu_inbox_events_total", WORKER, subscription="journal", outcome="applied"): "7x60",
            s("kehu_inbox_events_total", WORKER, COUNTS, outcome="applied"): "0+60x60",
        },
        at="40m",
        labels=WHERE,
        value="1",
        silent=(
            {
                s("kehu_outbox_published_total", WORKER): "0+60x60",
                s("kehu_inbox_events_total", WORKER, subscription="journal", outcome="applied"): "0+1x60",
            },
            {
                s("kehu_outbox_published_total", WORKER): "9x60",
                s("kehu_inbox_events_total", WORKER, subscription="journal", outcome="applied"): "9x60",
            },
        ),
    ),
    "KehuLeaseUnheld": Case(
        firing=leases("1 0x30", "0x30"),
        at="10m",
        labels={**WHERE, "lease": "relay"},
        silent=(
            leases("1x30", "0x30"),
            leases("1 1 0 0x30", "0 0 0 1x30"),
            leases("0x30", "0x30", lease="timer.promises"),
        ),
    ),
    "KehuLeaseHeldTwice": Case(
        firing=leases("1x30", "1x30"),
        at="10m",
        labels={**WHERE, "lease": "relay"},
        value="2",
        silent=(leases("1x30", "0x30"), leases("1 1 0x30", "0 1 1x30")),
    ),
    "KehuServiceDown": Case(
        firing={
            s("up", WORKER): "1x5 0x30",
            s("up", API): "1x35",
            s("up", WORKER, instance="10.0.0.3:9090"): "1x5 _x30",
        },
        at="15m",
        labels={**WHERE, "role": "worker"},
        value="2",
        silent=(
            {s("up", WORKER): "1x5 0x30", s("up", WORKER, instance="10.0.0.3:9090"): "1x35"},
            {s("up", service="node-exporter", role="exporter"): "1x5 0x30"},
        ),
    ),
    "KehuNothingScraped": Case(
        firing={s("up", service="node-exporter", role="exporter"): "1x60"},
        at="20m",
        labels={},
        silent=({s("up", API): "0x60"},),
    ),
    "KehuProcessDown": Case(
        firing={s("up", API): "1x5 0x30"},
        at="15m",
        labels=API,
        silent=({s("up", API): "1 0 0 1x30"},),
    ),
    "KehuProcessNotReady": Case(
        firing={s("kehu_ready", WORKER): "1x5 0x30"},
        at="15m",
        labels=WORKER,
        silent=({s("kehu_ready", WORKER): "1 0 0 0 1x30"},),
    ),
    "KehuProcessRestarts": Case(
        firing={s("process_start_time_seconds", WORKER): "1x4 2x4 3x4 4x30"},
        at="20m",
        labels={**WHERE, "role": "worker"},
        value="3",
        silent=(
            {s("process_start_time_seconds", WORKER): "1x4 2x30"},
            # A rollout: other processes, each of which started once.
            {s("process_start_time_seconds", WORKER, pod=f"w{n}", instance=f"{n}"): f"{n}x30" for n in range(5)},
        ),
    ),
    "KehuLoopFailing": Case(
        firing={s("kehu_loop_failures_total", WORKER, loop="profiles.segments"): "0+1x30"},
        at="25m",
        labels={**WHERE, "loop": "profiles.segments"},
        value="15",
        silent=({s("kehu_loop_failures_total", WORKER, loop="profiles.segments"): "0 0 1x30"},),
    ),
    "KehuItemsDeferred": Case(
        firing={
            s("kehu_timer_deferred", WORKER, timer="segments"): "0x5 3x60",
            s("kehu_timer_deferred", WORKER, timer="segments", pod="x", instance="10.0.0.4:9090"): "0x65",
        },
        at="40m",
        labels={**WHERE, "timer": "segments"},
        value="3",
        silent=({s("kehu_timer_deferred", WORKER, timer="segments"): "3x10 0x60"},),
    ),
    "KehuMemoryNearLimit": Case(
        firing={
            s("process_resident_memory_bytes", API): "243000000x30",
            s("kehu_memory_limit_bytes", API): "256000000x30",
        },
        at="20m",
        labels=API,
        value="94.92%",
        silent=(
            {
                s("process_resident_memory_bytes", API): "128000000x30",
                s("kehu_memory_limit_bytes", API): "256000000x30",
            },
        ),
    ),
    "KehuSchemaBehind": Case(
        firing={
            s("kehu_schema_version", API, kind="code"): "2x30",
            s("kehu_schema_version", API, kind="stored"): "1x30",
        },
        at="20m",
        labels=WHERE,
        value="2",
        silent=(
            {
                s("kehu_schema_version", API, kind="code"): "1x30",
                s("kehu_schema_version", API, kind="stored"): "2x30",
            },
            {
                s("kehu_schema_version", API, kind="code"): "1 2x30",
                s("kehu_schema_version", API, kind="stored"): "1 1 1 2x30",
            },
        ),
    ),
    "KehuReleasesMixed": Case(
        firing={
            s("kehu_build_info", API, version="0.1.0", revision="a"): "1x90",
            s("kehu_build_info", API, pod="b", version="0.2.0", revision="b"): "1x90",
        },
        at="80m",
        labels=WHERE,
        value="2",
        silent=(
            {
                s("kehu_build_info", API, version="0.1.0", revision="a"): "1x90",
                s("kehu_build_info", WORKER, version="0.1.0", revision="a"): "1x90",
            },
            {
                s("kehu_build_info", API, version="0.1.0", revision="a"): "1x20 _x90",
                s("kehu_build_info", API, version="0.2.0", revision="b"): "_x10 1x90",
            },
        ),
    ),
    "KehuDatabaseSlow": Case(
        firing=timed("kehu_store_operation_seconds", "0.25", 90, API, {"collection": "customers", "operation": "get"}),
        at="30m",
        labels={**WHERE, "collection": "customers"},
        value="10%",
        silent=(
            timed("kehu_store_operation_seconds", "0.25", 99, API, {"collection": "customers", "operation": "get"}),
            timed(
                "kehu_store_operation_seconds", "0.25", 0, API, {"collection": "leases", "operation": "get"}, total=0.5
            ),
        ),
    ),
}
