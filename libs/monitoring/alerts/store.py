"""The database, as the services feel it."""

from __future__ import annotations

from typing import Final

from libs.monitoring import queries as q
from libs.monitoring.model import Alert, Group, Runbook

_SECONDS: Final = "kehu_store_operation_seconds"
_COLLECTION: Final = (*q.SERVICE, "collection")

GROUP: Final = Group(
    name="kehu-store",
    about="The database, as the services feel it",
    alerts=(
        Alert(
            name="KehuDatabaseSlow",
            expr=f"{q.slower(_SECONDS, 0.25, '10m', _COLLECTION)} > 0.05"
            f" and {q.increase(f'{_SECONDS}_count', '10m', _COLLECTION)} >= 20",
            hold="10m",
            severity="warning",
            summary="The database of {{ $labels.service }} is slow",
            description="{{ $value | humanizePercentage }} of the operations on {{ $labels.collection }} took longer"
            " than 0.25 s within 10 minutes.",
            runbook=Runbook(
                symptom="One operation in twenty on this collection took longer than a quarter of a second, of twenty"
                " or more.",
                impact="Calls and events of the service slow down; in the end calls are refused and events come late."
                " Nothing is lost.",
                check={
                    "kehu SERVICE check": "whether an index is missing",
                    "kehu doctor": "whether the store has a primary and answers",
                    "kehu operation list": "long work that reads or writes much",
                },
                action=(
                    "A missing index: run `kehu SERVICE migrate`, which can be repeated at any time.",
                    (
                        "All collections of all services: the server is short of memory, disk or processor time; look"
                        " at"
                        " its own dashboards and at its slow query log."
                    ),
                    (
                        "One collection only: compare on *Kehu / Store* which operation it is; a list with a rare"
                        " filter is"
                        " the likeliest."
                    ),
                ),
                escalation="Whoever runs MongoDB, with the collection, the operation and the minutes.",
            ),
        ),
    ),
)
