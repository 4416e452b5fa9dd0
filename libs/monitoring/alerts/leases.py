"""Leadership: one process at a time does what only one should do."""

from __future__ import annotations

from typing import Final

from libs.monitoring import queries as q
from libs.monitoring.model import Alert, Group, Runbook

_LEASE: Final = (*q.SERVICE, "lease")
_RELAY: Final = "relay"
"""The one lease that is held without a break. A timer takes its own around the moments when it looks."""

GROUP: Final = Group(
    name="kehu-leases",
    about="Leadership among the workers of a service",
    alerts=(
        Alert(
            name="KehuLeaseUnheld",
            expr=f"{q.best('sum', 'kehu_lease_held', _LEASE, lease=_RELAY)} == 0",
            hold="2m",
            severity="critical",
            summary="Nobody publishes the events of {{ $labels.service }}",
            description="No worker has held the lease {{ $labels.lease }} for two minutes.",
            runbook=Runbook(
                symptom="Workers run, and none of them leads.",
                impact="No event of the service leaves it; others do not hear of changes. Writes still succeed and"
                " nothing is lost.",
                check={
                    "kehu ops status": "in a cluster: who holds the lease and since when",
                    "kehu doctor": "whether workers are ready, and how old the oldest event is",
                    "kehu SERVICE check": "whether the store answers and the schema fits",
                },
                action=(
                    "Read the log of a worker for `leads`, `follows` and `interrupted`; the last says what failed.",
                    (
                        "With KEHU_LEASE=kubernetes: the ServiceAccount of the worker must be allowed to get, create"
                        " and"
                        " update its Lease objects (the Role of the chart says so); a 403 in the log means it is not."
                    ),
                    "With KEHU_LEASE=mongodb: the database must have a primary.",
                    "Restart one worker when its log says nothing for a minute.",
                ),
                escalation="The owners of the service, with the log of all its workers.",
            ),
        ),
        Alert(
            name="KehuLeaseHeldTwice",
            expr=f"{q.best('sum', 'kehu_lease_held', _LEASE)} > 1",
            hold="2m",
            severity="warning",
            summary="{{ $value }} processes hold the lease {{ $labels.lease }} of {{ $labels.service }}",
            description="They repeat each other's work; consumers recognise the repeats.",
            runbook=Runbook(
                symptom="Two workers believe to lead, for longer than a handover takes.",
                impact="Twice the work. Effects still happen once: events carry ids that the inbox recognises, and"
                " timers"
                " decide by state.",
                check={"kehu doctor": "whether all workers reach the same store"},
                action=(
                    (
                        "See that all workers of the service have the same KEHU_LEASE, KEHU_LEASE_PREFIX and database:"
                        " two"
                        " installations must not share one database."
                    ),
                    "Look for a process that was frozen (a paused machine): it stops by itself when it thaws.",
                    "Restart one of the two.",
                ),
                escalation="The owners of the service, with the settings that both processes logged when they started.",
            ),
        ),
    ),
)
