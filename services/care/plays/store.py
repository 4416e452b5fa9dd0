"""Plays by name, and plays about alerts by customer, state and time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from libs.chassis.erasure import Holding
from libs.chassis.filtering import FilterSpec, all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Count, Database, Due, Index
from services.care.alerts.store import AlertsStore
from services.care.customers.store import CustomersStore
from services.care.plays.domain import Play, PlayRun, PlayRunState
from services.care.touches.store import TouchesStore

WAITS = field("next_time") > datetime(1970, 1, 1, tzinfo=UTC)
"""Condition of partial indexes. A query that is to use one repeats it."""
RUN_BATCH, WAITING_MAX = 100, 5000
GROUPS = Index(("play_id", "measured", "held_out", "succeeded"))
RUNS: Final = (
    Index(("customer_id", "-create_time")),
    Index(("customer_id", "next_time"), only=WAITS),
    Index(("next_time",), only=WAITS, every_tenant=True),
    GROUPS,
    *(
        Index((*keys, "-create_time"))
        for keys in (
            (),
            ("play_id",),
            ("state",),
            ("play_id", "state"),
            ("customer_id", "play_id"),
            ("customer_id", "state"),
            ("customer_id", "play_id", "state"),
        )
    ),
)
FILTER = FilterSpec({"play_id": str, "state": PlayRunState, "customer_id": str})


class PlaysStore:
    """Plays, with the alerts that they are about and the tasks that they make."""

    def __init__(
        self, database: Database, customers: CustomersStore, alerts: AlertsStore, touches: TouchesStore
    ) -> None:
        self.database, self.customers, self.alerts, self.touches = database, customers, alerts, touches
        self.plays = database.collection(Play, "plays", indexes=(Index(("display_name",)),))
        self.runs = database.collection(PlayRun, "play_runs", indexes=RUNS)

    def holdings(self) -> Sequence[Holding[Any]]:
        """Records on customers in these collections."""
        kept = "ids, states and times"
        return [Holding(collection=self.runs, erased=PlayRun.erase, kept=kept, record="play_run")]

    def list(self, request: PageRequest) -> Page[Play]:
        """A page of plays, by name."""
        return self.plays.page(None, request, order="display_name")

    def list_runs(self, filter: str, request: PageRequest) -> Page[PlayRun]:
        """Plays about alerts that meet an AIP-160 filter, the latest first."""
        return self.runs.page(self.customers.condition(filter, FILTER), request, order="-create_time")

    def some(self, ids: Sequence[str]) -> dict[str, Play]:
        """Id → play, of those that there are."""
        found = self.plays.find(field("_id").one_of(ids), limit=len(ids)) if ids else []
        return {each.id: each for each in found}

    def run_id(self, alert_id: str) -> str:
        """The id of the play about an alert."""
        return self.runs.id_of(alert_id)

    def waiting(self, customer_ids: Sequence[str]) -> Sequence[PlayRun]:
        """The plays about alerts of customers of which something is to come."""
        if not customer_ids:
            return []
        where = all_of(WAITS, field("customer_id").one_of(customer_ids))
        return self.runs.find(where, order=None, limit=WAITING_MAX)

    def counts(self, play_id: str) -> Sequence[tuple[bool, bool, int]]:
        """(held out, succeeded, number) of what was measured."""
        where = all_of(field("play_id") == play_id, field("measured") == True)  # noqa: E712  (a condition)
        rows = self.runs.totals(where, ["held_out", "succeeded"], [Count()], index=GROUPS)
        return [(bool(held), bool(reached), count) for held, reached, count in rows]

    def due(self) -> Due[PlayRun]:
        """Plays about alerts whose next step has come, or that are to be measured."""
        return Due(self.runs, lambda now: all_of(WAITS, field("next_time") <= now), order="next_time", limit=RUN_BATCH)
