"""Alerts by owner, state, kind and customer, and the watches that they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from libs.chassis import identity
from libs.chassis.erasure import Holding
from libs.chassis.filtering import Condition, FilterSpec, all_of, field, parse
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Count, Database, Due, Index
from services.care.alerts.domain.alerts import Alert, AlertState
from services.care.alerts.domain.rules import AlertKind, AlertRule
from services.care.alerts.domain.watches import SurveyScales, Watch
from services.care.customers.store import CustomersStore

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
OPEN = field("open") == True  # noqa: E712  (a condition, not a comparison)
ESCALATES, LOOKS, TRENDS = field("escalate_time") > _EVER, field("look_time") > _EVER, field("slope") > -1e9
"""Conditions of partial indexes. A query that is to use one repeats it."""
ALERT_BATCH, LOOK_BATCH, OPEN_MAX, OF_CUSTOMER_MAX = 200, 100, 2000, 500
PEERS_LEAST: Final = 20
"""Customers of a tier from which it has a median."""

CLOSED = Index(("close_time", "outcome"), only=field("close_time") > _EVER)
ALERTS = (
    Index(("customer_id", "-create_time")),
    Index(("customer_id", "kind"), unique=True, only=OPEN, taken="an alert of the kind is open for the customer"),
    Index(("escalate_time",), only=ESCALATES, every_tenant=True),
    CLOSED,
    *(
        Index((*keys, "due_time"))
        for keys in (
            (),
            ("owner",),
            ("state",),
            ("kind",),
            ("owner", "state"),
            ("owner", "kind"),
            ("kind", "state"),
            ("owner", "kind", "state"),
        )
    ),
)
PEERS = Index(("tier", "slope"), only=TRENDS)
WATCHES = (Index(("customer_id", "-create_time")), Index(("look_time",), only=LOOKS, every_tenant=True), PEERS)
RULES = (Index(("kind",)),)
FILTER = FilterSpec({"owner": str, "state": AlertState, "kind": AlertKind, "due_time": datetime})


class AlertsStore:
    """Alerts, their rules, and what is watched of customers."""

    def __init__(self, database: Database, customers: CustomersStore) -> None:
        self.database, self.customers = database, customers
        self.alerts = database.collection(Alert, "alerts", indexes=ALERTS)
        self.rules = database.collection(AlertRule, "alert_rules", indexes=RULES)
        self.watches = database.collection(Watch, "watches", indexes=WATCHES, publishes=False)
        self.scales = database.collection(SurveyScales, "survey_scales", publishes=False)

    def holdings(self) -> Sequence[Holding[Any]]:
        """Records on customers in these collections."""
        raised = Holding(
            collection=self.alerts,
            erased=lambda each: each.erase(identity.now()),
            kept="kinds, states and times without words",
            record="alert",
        )
        watched = Holding(collection=self.watches, erased=Watch.erase, kept="ids and times", record="watch")
        return [raised, watched]

    def list(self, filter: str, request: PageRequest) -> Page[Alert]:
        """Alerts that meet an AIP-160 filter, the first due first."""
        return self.alerts.page(parse(filter, FILTER), request, order="due_time")

    def of_customer(self, customer_id: str, request: PageRequest) -> Page[Alert]:
        """The alerts of a customer under every id, the latest first."""
        ids = self.customers.group(customer_id)
        return self.alerts.page(field("customer_id").one_of(ids), request, order="-create_time")

    def latest_of(self, customer_id: str) -> Sequence[Alert]:
        """The latest alerts of a customer under every id."""
        ids = self.customers.group(customer_id)
        return self.alerts.find(field("customer_id").one_of(ids), order="-create_time", limit=OF_CUSTOMER_MAX)

    def open_of(self, customer_ids: Sequence[str]) -> Sequence[Alert]:
        """The open alerts of customers, whose ids are all given."""
        if not customer_ids:
            return []
        return self.alerts.find(all_of(OPEN, field("customer_id").one_of(customer_ids)), order=None, limit=OPEN_MAX)

    def list_rules(self, request: PageRequest) -> Page[AlertRule]:
        """A page of the rules that were defined, by kind."""
        return self.rules.page(None, request, order="kind")

    def all_rules(self) -> Sequence[AlertRule]:
        """The rules that were defined, one for each kind at most."""
        return self.rules.find(None, limit=len(AlertKind))

    def blank(self, customer_id: str) -> Watch:
        """The watch of a customer to whom nothing has happened yet."""
        return Watch(id=self.watches.id_of(customer_id), customer_id=customer_id)

    def outcomes(self, start: datetime, end: datetime) -> dict[str, int]:
        """Outcome → alerts that were closed in a span of time."""
        where = all_of(field("close_time") > _EVER, field("close_time") >= start, field("close_time") < end)
        rows = self.alerts.totals(where, ["outcome"], [Count()], index=CLOSED)
        return {str(outcome): int(count) for outcome, count in rows}

    def watches_of(self, customer_ids: Sequence[str]) -> dict[str, Watch]:
        """Customer id → its watch, of those that there are."""
        ids = [self.watches.id_of(each) for each in customer_ids]
        found = self.watches.find(field("_id").one_of(ids), limit=len(ids)) if ids else []
        return {each.customer_id: each for each in found}

    def median_slope(self, tier: str) -> float | None:
        """The median trend of the customers of a tier. None while there are too few."""
        where = all_of(field("tier") == tier, TRENDS)
        count = next((number for _, number in self.watches.totals(where, ["tier"], [Count()], index=PEERS)), 0)
        if count < PEERS_LEAST:
            return None
        [(slope,)] = self.watches.rows(where, ["slope"], index=PEERS, order="slope", skip=count // 2, limit=1)
        return float(slope)

    def to_look(self) -> Due[Watch]:
        """Customers who are to be looked at."""
        return Due(self.watches, _due("look_time", LOOKS), order="look_time", limit=LOOK_BATCH)

    def to_escalate(self) -> Due[Alert]:
        """Alerts that are due and not closed."""
        return Due(self.alerts, _due("escalate_time", ESCALATES), order="escalate_time", limit=ALERT_BATCH)


def _due(path: str, condition: Condition) -> Callable[[datetime], Condition]:
    return lambda now: all_of(condition, field(path) <= now)
