"""Every metric of the suite, declared once: name, kind, labels, help.

Labels are closed sets (methods, status codes, subscriptions, collections), never ids, tenants or texts, so the number
of series is known before a process starts. Names of the gRPC metrics are those of the common Prometheus gRPC packages,
so stock dashboards fit. `render()` is what /metrics serves.

What counts rare things (refusals, retries, parked events) makes its series when the process starts, at 0: a series that
began with its first event would hide that event from `increase()`, and with it from the alert.
"""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

REGISTRY = CollectorRegistry()
CONTENT_TYPE = CONTENT_TYPE_LATEST
disable_created_metrics()  # type: ignore[no-untyped-call]  # a third of all series, which nothing reads

_RPC = ("grpc_type", "grpc_service", "grpc_method")
_CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_EVENT_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600, 86400)


def _counter(name: str, help: str, *labels: str) -> Counter:
    return Counter(name, help, labels, registry=REGISTRY)


def _gauge(name: str, help: str, *labels: str) -> Gauge:
    return Gauge(name, help, labels, registry=REGISTRY)


def _histogram(name: str, help: str, *labels: str, buckets: tuple[float, ...] = _CALL_SECONDS) -> Histogram:
    return Histogram(name, help, labels, registry=REGISTRY, buckets=buckets)


# The process
BUILD_INFO = _gauge("kehu_build_info", "1, for the release that this process is of.", "version", "revision")
SCHEMA_VERSION = _gauge(
    "kehu_schema_version", "The schema that this code needs (code) and that its database is at (stored).", "kind"
)

# Calls
RPC_STARTED = _counter("grpc_server_started_total", "Calls that arrived.", *_RPC)
RPC_HANDLED = _counter("grpc_server_handled_total", "Calls that ended, by status code.", *_RPC, "grpc_code")
RPC_SECONDS = _histogram("grpc_server_handling_seconds", "Time from arrival to end of a call.", *_RPC)
RPC_IN_FLIGHT = _gauge(
    "grpc_server_in_flight", "Calls that have not ended, by pool of threads (receiving: none).", "pool"
)
RPC_WAIT_SECONDS = _histogram("kehu_rpc_wait_seconds", "Time that admitted unary calls waited for a thread.")
RPC_LIMIT = _gauge("kehu_rpc_limit", "Unary calls that may be in flight at present.")
RPC_REFUSED = _counter("kehu_rpc_refused_total", "Calls refused to protect the others, by cause.", "cause")
RPC_WITHOUT_DEADLINE = _counter(
    "kehu_rpc_without_deadline_total", "Unary calls without a deadline; they got the default.", *_RPC
)

# Pages
WEB_REQUESTS = _counter("kehu_web_requests_total", "Requests for pages, by class of status.", "method", "status")
WEB_SECONDS = _histogram("kehu_web_seconds", "Time to answer a request for a page.", "method")

# Process
READY = _gauge("kehu_ready", "1 while the process says on /readyz that it should get work, otherwise 0.")
MEMORY_LIMIT = _gauge("kehu_memory_limit_bytes", "Memory that the process may use at most.")

# Store
STORE_SECONDS = _histogram("kehu_store_operation_seconds", "Time of a database operation.", "collection", "operation")

STORE_UNREADABLE = _counter(
    "kehu_store_unreadable_total", "Times that a list left out a document, because it cannot be read.", "collection"
)

# Outbox
OUTBOX_OLDEST = _gauge("kehu_outbox_oldest_seconds", "Age of the oldest event that waits to be published.")
OUTBOX_PENDING = _gauge("kehu_outbox_pending", "Entities with events that wait to be published.")
OUTBOX_PUBLISHED = _counter("kehu_outbox_published_total", "Events that the broker confirmed.")
OUTBOX_CONFIRM_SECONDS = _histogram("kehu_outbox_confirm_seconds", "Time from publishing a batch to its last confirm.")
OUTBOX_RETURNED = _counter(
    "kehu_outbox_returned_total", "Events that the broker returned or refused; they are published again."
)

# Inbox
INBOX_EVENTS = _counter(
    "kehu_inbox_events_total", "Events taken from a queue, by what became of them.", "subscription", "outcome"
)
INBOX_DUPLICATES = _counter("kehu_inbox_duplicates_total", "Events that had been applied before.", "subscription")
INBOX_LAG_SECONDS = _histogram(
    "kehu_inbox_lag_seconds", "Time from a change to its effect here.", "subscription", buckets=_EVENT_SECONDS
)
INBOX_BATCH_SECONDS = _histogram("kehu_inbox_batch_seconds", "Time to apply and commit a batch.", "subscription")
INBOX_PARKED = _counter("kehu_inbox_parked_total", "Events set aside for a person to decide.", "subscription")
INBOX_RETRIED = _counter(
    "kehu_inbox_retried_total", "Events sent to a delay queue for another attempt.", "subscription"
)

# Loops
LOOP_FAILURES = _counter(
    "kehu_loop_failures_total", "Times that an error nobody expected interrupted a loop; it began again.", "loop"
)

TIMER_FAILURES = _counter("kehu_timer_failures_total", "Attempts at single items of a timer that failed.", "timer")
TIMER_DEFERRED = _gauge("kehu_timer_deferred", "Items of a timer that failed and wait for another attempt.", "timer")

FEED_UNREADABLE = _counter(
    "kehu_feed_unreadable_total", "Changes that no watcher was told, because the entity cannot be read.", "collection"
)

# Leadership
LEASE_HELD = _gauge("kehu_lease_held", "Whether this process holds a lease, as 1 or 0.", "lease")
LEASE_CHANGES = _counter("kehu_lease_changes_total", "Times that this process won or lost a lease.", "lease")


def watch_process(registry: CollectorRegistry = REGISTRY) -> None:
    """Adds memory, CPU, open files and garbage collection of this process. Called once by `run`."""
    MEMORY_LIMIT.set(memory_limit())
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)


def memory_limit(control_groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that this process may use: the limit of its container (cgroup v2 or v1), at most what the machine has."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        path = control_groups / file
        if path.exists() and (text := path.read_text().strip()) != "max":
            limits.append(int(text))
    return min(limits)


def render() -> bytes:
    """The state of all metrics in the Prometheus text format."""
    return generate_latest(REGISTRY)
