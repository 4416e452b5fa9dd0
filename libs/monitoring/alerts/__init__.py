"""Every alert, by area. An alert cannot be declared without its runbook."""

from __future__ import annotations

from typing import Final

from libs.monitoring.alerts import calls, events, leases, processes, store
from libs.monitoring.model import Alert, Group

GROUPS: Final[tuple[Group, ...]] = (
    calls.GROUP,
    events.OUTBOX,
    events.INBOX,
    leases.GROUP,
    processes.GROUP,
    store.GROUP,
)

ALERTS: Final[tuple[Alert, ...]] = tuple(alert for group in GROUPS for alert in group.alerts)
