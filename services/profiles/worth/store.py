"""Tiers, scales and models, and the sums over transactions that they are worked out from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import groupby
from operator import itemgetter

from libs.chassis.ahead import ahead
from libs.chassis.domain import E
from libs.chassis.filtering import Condition, FilterSpec, all_of, field, parse
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Collection, Count, Database, DayOf, Due, Greatest, Index, Key, Least, Row, Sum
from services.profiles.activity.domain.transactions import TransactionType
from services.profiles.activity.store import FIGURES, ActivityStore
from services.profiles.contracts.store import ContractsStore
from services.profiles.customers.store import CustomersStore
from services.profiles.worth.domain.concentration import Tier
from services.profiles.worth.domain.contribution import Figures, Subtotal, Window
from services.profiles.worth.domain.models import ClvModel, ClvScore, RfmTable
from services.profiles.worth.domain.tiers import Held, TierAssignment, TierEvaluation, TierPolicy, TierReason, TierWatch

TIER_POLICIES = (
    Index(("-create_time",)),
    Index(("name", "version"), unique=True, taken="somebody else made this version at the same time: try again"),
)
HELD = Index(("customer_id", "automatic_tier", "override.expire_time"))
"""Holds all that an evaluation has to know of those whose tier stays."""
TIER_ASSIGNMENTS = (
    Index(("-start_time",)),
    HELD,
    Index(("tier", "-start_time")),
    Index(("reason", "-start_time"), only=field("reason") == TierReason.OVERRIDE),
    Index(("override.expire_time",), only=field("override.expire_time").exists(), every_tenant=True),
)
LATEST_FIRST = (Index(("-create_time",)),)
ASSIGNMENT_FILTER = FilterSpec({"tier": Tier, "reason": TierReason, "start_time": datetime})
CHUNK = 50_000
"""Transactions that are summed up in one query of a computation over all customers."""
_BATCH = 500

Totals = tuple[str, list[Figures]]
"""A customer and the figures of his or her transactions, by currency and, if asked for, day."""


class WorthStore:
    """Results about the worth of customers, and what is read of customers, activity and contracts for them."""

    def __init__(
        self, database: Database, customers: CustomersStore, activity: ActivityStore, contracts: ContractsStore
    ) -> None:
        self.database, self.customers, self.activity, self.contracts = database, customers, activity, contracts
        self._transactions = activity.transactions
        self.policies = database.collection(TierPolicy, "tier_policies", indexes=TIER_POLICIES)
        self.assignments = database.collection(TierAssignment, "tier_assignments", indexes=TIER_ASSIGNMENTS)
        self.watches = database.collection(TierWatch, "tier_watches", publishes=False)
        self.evaluations = database.collection(
            TierEvaluation, "tier_evaluations", indexes=LATEST_FIRST, publishes=False
        )
        self.rfm_tables = database.collection(RfmTable, "rfm_tables", indexes=LATEST_FIRST, publishes=False)
        self.models = database.collection(ClvModel, "clv_models", indexes=LATEST_FIRST, publishes=False)
        self.scores = database.collection(ClvScore, "clv_scores", publishes=False)

    @staticmethod
    def latest(collection: Collection[E]) -> E | None:
        """The newest of a collection of computations."""
        found = collection.find(None, order="-create_time", limit=1)
        return found[0] if found else None

    def latest_version(self, policy_name: str) -> int:
        """The highest version of a policy. 0 without any."""
        found = self.policies.find(field("name") == policy_name, order=("-name", "-version"), limit=1)
        return found[0].version if found else 0

    def list_policies(self, wanted: PageRequest) -> Page[TierPolicy]:
        """The versions of all policies, the newest first."""
        return self.policies.page(None, wanted, order="-create_time")

    def list_assignments(self, filter: str, wanted: PageRequest) -> Page[TierAssignment]:
        """Assignments that meet an AIP-160 filter, those with the latest change first."""
        return self.assignments.page(parse(filter, ASSIGNMENT_FILTER), wanted, order="-start_time")

    def tiers_of(self, customer_ids: Sequence[str]) -> dict[str, Tier]:
        """Customer → tier, of those who have one."""
        found = self.assignments.find(field("customer_id").one_of(customer_ids), limit=len(customer_ids))
        return {each.customer_id: each.tier for each in found}

    def held_between(self, after: str, until: str) -> dict[str, Held]:
        """Customer → what he or she has, for the customers after one id until and with another. `until` may be open."""
        reached = all_of(field("customer_id") > after, field("customer_id") <= until if until else None)
        rows = self.assignments.rows(reached, ("customer_id", "automatic_tier", "override.expire_time"), index=HELD)
        return {customer_id: Held(Tier(tier), expire_time) for customer_id, tier, expire_time in rows}

    def watches_of(self, ids: Sequence[str]) -> dict[str, TierWatch]:
        """Customer → watch, where there is one."""
        if not ids:
            return {}
        return {watch.id: watch for watch in self.watches.find(field("_id").one_of(list(ids)), limit=len(ids) + 1)}

    def expired_overrides(self) -> Due[TierAssignment]:
        """Assignments with an override whose time is over, the earliest first."""
        return Due(
            self.assignments,
            lambda now: all_of(field("override.expire_time").exists(), field("override.expire_time") <= now),
            order="override.expire_time",
            limit=_BATCH,
        )

    # ----------------------------------------------------------------------------------------------------- sums

    def figures(self, ids: Sequence[str], window: Window | None, *, time_zone: str = "") -> list[Figures]:
        """Totals of the transactions of a customer, under any of its ids, by currency and, with a time zone, by its
        days."""
        rows = self._rows(all_of(field("customer_id").one_of(ids), _within(window)), time_zone, owner=ids[0])
        return next((figures for _, figures in _sums(rows)), [])

    def figures_by_customer(
        self, groups: Mapping[str, Sequence[str]], window: Window | None, *, time_zone: str = ""
    ) -> dict[str, list[Figures]]:
        """The same of several customers, each given with all of his or her ids. Without those who have none."""
        alone = [id for id, group in groups.items() if len(group) == 1]
        where = all_of(field("customer_id").one_of(alone), _within(window))
        found = _sums(self._rows(where, time_zone)) if alone else ()
        merged = ((id, self.figures(g, window, time_zone=time_zone)) for id, g in groups.items() if len(g) > 1)
        return {**dict(found), **dict(merged)}

    def latest_sales(self, ids: Sequence[str], limit: int) -> list[datetime]:
        """Last purchases of a customer, under any of its ids, the latest first."""
        sales = all_of(field("customer_id").one_of(ids), field("type") == TransactionType.SALE)
        rows = self._transactions.rows(sales, ("occurred_time",), index=FIGURES, order="-occurred_time", limit=limit)
        return [at for (at,) in rows]

    def figures_of_all(
        self, window: Window | None, *, after: str = "", time_zone: str = "", chunk: int = CHUNK
    ) -> Iterator[list[Totals]]:
        """Totals of the transactions of each customer, in order of the customers' ids, in bounded portions.

        All transactions of a customer are in one portion, those recorded under ids that were merged into it too.
        Portions may be empty where a window leaves nothing.
        """
        groups = self.customers.groups()
        grouped = {id for group in groups.values() for id in group}  # survivors too: they are summed up as groups
        for begin, last, rows in ahead(self._portions(window, after, time_zone, chunk)):
            portion = [each for each in _sums(rows) if each[0] not in grouped]
            here = [id for id in groups if begin < id and (not last or id <= last)]
            together = [(id, self.figures(groups[id], window, time_zone=time_zone)) for id in here]
            found = [each for each in together if each[1]]
            yield sorted([*portion, *found], key=itemgetter(0)) if found else portion

    def _portions(
        self, window: Window | None, after: str, time_zone: str, chunk: int
    ) -> Iterator[tuple[str, str, list[Row]]]:
        """(after whom, until and with whom, rows) of each portion. The last one is open at its end."""
        begin, last = after, after or "-"
        while last:
            last = self._end_of_chunk(begin, chunk)
            reached = all_of(field("customer_id") > begin, field("customer_id") <= last if last else None)
            yield begin, last, self._rows(all_of(reached, _within(window)), time_zone)
            begin = last

    def _end_of_chunk(self, after: str, size: int) -> str:
        """The customer of the transaction that comes so many after a customer's. Empty when there are fewer."""
        beyond = field("customer_id") > after
        rows = self._transactions.rows(beyond, ("customer_id",), index=FIGURES, order=FIGURES.keys, skip=size, limit=1)
        return next((str(customer_id) for (customer_id,) in rows), "")

    def _rows(self, where: Condition, time_zone: str, *, owner: str = "") -> list[Row]:
        """Rows of `_SUMS` by customer, currency, day (None without a time zone) and type. With an owner, all theirs."""
        keys: list[Key] = [] if owner else ["customer_id"]
        keys += ["amount.currency_code", *([DayOf("occurred_time", time_zone)] if time_zone else []), "type"]
        rows = self._transactions.totals(where, keys, _SUMS, index=FIGURES)
        if owner:
            rows = [(owner, *row) for row in rows]
        return rows if time_zone else [(customer_id, currency, None, *row) for customer_id, currency, *row in rows]


_SUMS = (
    Sum("amount.minor_units"),
    Sum("direct_cost.minor_units"),
    Count(),
    Count(lacking="direct_cost.minor_units"),
    Least("occurred_time"),
    Greatest("occurred_time"),
)
"""The measures of a `Subtotal`."""


def _sums(rows: Iterable[Row]) -> Iterator[Totals]:
    """The figures of each customer, in order of the customers."""
    by_key: dict[tuple[str, str, date | None], list[Subtotal]] = {}
    for customer_id, currency, day, type, *sums in rows:
        by_key.setdefault((customer_id, currency, day), []).append(Subtotal(TransactionType(type), *sums))
    ordered = sorted(by_key, key=lambda key: (key[0], key[1], key[2] or date.min))
    for customer_id, keys in groupby(ordered, key=itemgetter(0)):
        yield customer_id, [Figures.of(currency, day, by_key[customer_id, currency, day]) for _, currency, day in keys]


def _within(window: Window | None) -> Condition | None:
    if window is None:
        return None
    return all_of(field("occurred_time") >= window.start_time, field("occurred_time") < window.end_time)
