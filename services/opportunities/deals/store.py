"""Deals by customer, stage and owner, and the rows of their history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from libs.chassis.filtering import Condition, FilterSpec, all_of, any_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.projection import Customers
from libs.chassis.store import Database, Due, Index
from services.opportunities.customers.domain import CustomerProjection
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.domain.history import DealChange, DealState
from services.opportunities.pipelines.store import PipelinesStore

OPEN = field("state") == DealState.OPEN
"""Condition of partial indexes. A query that is to use one repeats it."""
CONTESTED = all_of(OPEN, field("competitors.name") > "")
"""Condition of a partial index. A query that is to use it repeats it."""
EXPIRES = field("manual_expire_time") > datetime(1970, 1, 1, tzinfo=UTC)
"""Condition of a partial index. A query that is to use it repeats it."""
EXPIRY_BATCH = 200
"""Deals whose given probability expires in one go."""
HISTORY_STRETCH = 500
"""Rows of a history that are read in one go."""
UNFILED_MAX = 16
"""Changes before the last one that stand in a deal until they are filed: more than most deals ever have."""
HISTORIES_STRETCH = 5_000
"""Rows of many histories that are read in one go."""
DEALS_STRETCH = 500
"""Deals that are read in one go."""
DEALS = (
    Index(("customer_id", "-open_time")),
    Index(("pipeline_id", "state", "stage", "-open_time")),
    Index(("pipeline_id", "-open_time")),
    Index(("owner", "state", "-open_time")),
    Index(("pipeline_id", "close_date"), only=OPEN),
    Index(("pipeline_id", "update_time"), only=OPEN),
    Index(("pipeline_id", "stage_time"), only=OPEN),
    Index(("competitors.name", "-open_time"), only=CONTESTED),
    Index(("state", "-open_time")),
    Index(("-open_time",)),
    Index(("manual_expire_time",), only=EXPIRES, every_tenant=True),
)
CHANGES = (Index(("deal_id", "number")),)
FILTER = FilterSpec(
    {
        "customer_id": str,
        "pipeline_id": str,
        "state": DealState,
        "stage": str,
        "owner": str,
        "open_time": datetime,
    }
)


class DealsStore:
    """Deals, what was written of each, and the pipelines that they go through."""

    def __init__(self, database: Database, customers: Customers[CustomerProjection], pipelines: PipelinesStore) -> None:
        self.database = database
        self.customers = customers
        self.pipelines = pipelines
        self.deals = database.collection(Deal, "deals", indexes=DEALS, notes_commands=True)
        self.changes = database.collection(DealChange, "deal_changes", indexes=CHANGES, publishes=False)

    def list(self, filter: str, request: PageRequest) -> Page[Deal]:
        """Deals that meet an AIP-160 filter, the latest opened first. A customer is meant with all of its ids."""
        return self.deals.page(self.customers.condition(filter, FILTER), request, order="-open_time")

    def list_changes(self, deal: Deal, request: PageRequest) -> Page[DealChange]:
        """The history of a deal, the first change first."""
        rows = [self._row(each) for each in deal.changes]
        return self.changes.page(field("deal_id") == deal.id, request, order="number", then=rows)

    def changes_of(self, deal: Deal) -> Iterator[DealChange]:
        """The whole history of a deal, a stretch at a time."""
        place, number = "", 0
        while True:
            found, place = self.changes.stretch(
                field("deal_id") == deal.id, order="number", after=place, limit=HISTORY_STRETCH
            )
            yield from found
            number = found[-1].number if found else number
            if not place:
                yield from (each for each in deal.changes if each.number > number)
                return

    def file(self, deal: Deal) -> Deal:
        """The deal as it is to be stored: without its earlier rows when they have become many, which are filed now.

        Rows are written before the deal forgets them and have their number as key, so a kill in between loses nothing,
        and nothing comes twice.
        """
        if len(deal.unfiled) < UNFILED_MAX:
            return deal
        rows = deal.changes[:-1]
        self.changes.insert_many([(each, []) for each in rows], keys=[*map(_key, rows)])
        return replace(deal, unfiled=())

    def _row(self, change: DealChange) -> DealChange:
        return replace(change, id=self.changes.id_of(_key(change)), revision=1, create_time=change.record_time)

    # ------------------------------------------------------------------------------------------- of a whole pipeline

    def opened_since(self, pipeline_id: str, since: datetime) -> Iterator[Sequence[Deal]]:
        """All deals of a pipeline that were opened since a time, a stretch at a time."""
        where = all_of(field("pipeline_id") == pipeline_id, field("open_time") >= since)
        return self._stretches(where, "-open_time")

    def open_in(self, pipeline_id: str) -> Iterator[Sequence[Deal]]:
        """All open deals of a pipeline, a stretch at a time."""
        return self._stretches(_open_in(pipeline_id), ("stage", "-open_time"))

    def _stretches(self, where: Condition, order: str | Sequence[str]) -> Iterator[Sequence[Deal]]:
        place = ""
        while True:
            found, place = self.deals.stretch(where, order=order, after=place, limit=DEALS_STRETCH)
            yield found
            if not place:
                return

    def histories(self, deals: Sequence[Deal]) -> Mapping[str, Sequence[DealChange]]:
        """Id of a deal → its whole history."""
        found: dict[str, list[DealChange]] = {each.id: [] for each in deals}
        place, where = "", field("deal_id").one_of([each.id for each in deals if each.has_filed])
        while found:
            rows, place = self.changes.stretch(where, order=("deal_id", "number"), after=place, limit=HISTORIES_STRETCH)
            for each in rows:
                found[each.deal_id].append(each)
            if not place:
                break
        for deal in deals:
            last = found[deal.id][-1].number if found[deal.id] else 0
            found[deal.id] += [each for each in deal.changes if each.number > last]
        return found

    def cards(self, pipeline_id: str, stage: str, owner: str, limit: int) -> Sequence[Deal]:
        """The latest open deals of a stage, perhaps of one owner."""
        mine = field("owner") == owner if owner else None
        where = all_of(_open_in(pipeline_id), field("stage") == stage, mine)
        return self.deals.find(where, order="-open_time", limit=limit)

    def slipped(self, pipeline_id: str, today: date, request: PageRequest) -> Page[Deal]:
        """Open deals whose close date is over, the longest ago first."""
        over = all_of(field("close_date") > "", field("close_date") < today)
        return self.deals.page(all_of(_open_in(pipeline_id), over), request, order="close_date")

    def stalled(self, pipeline_id: str, since: datetime, request: PageRequest) -> Page[Deal]:
        """Open deals that were not changed since a time, the longest first."""
        where = all_of(_open_in(pipeline_id), field("update_time") <= since)
        return self.deals.page(where, request, order="update_time")

    def aging(self, pipeline_id: str, since: Mapping[str, datetime], request: PageRequest) -> Page[Deal]:
        """Open deals that are in their stage since before a time that each stage has, the longest first."""
        late = [all_of(field("stage") == stage, field("stage_time") < time) for stage, time in sorted(since.items())]
        where = all_of(_open_in(pipeline_id), field("stage_time") < max(since.values()), any_of(*late))
        return self.deals.page(where, request, order="stage_time")

    def contested(self, competitor: str, product: str, request: PageRequest) -> Page[Deal]:
        """Open deals for which a rival competes, perhaps with one of its products, the latest opened first."""
        where = all_of(CONTESTED, field("competitors.name") == competitor)
        if product:
            offered = all_of(field("name") == competitor, field("product").one_of(["", product]))
            where = all_of(where, field("competitors").any_element(offered))
        return self.deals.page(where, request, order="-open_time")

    def expired(self) -> Due[Deal]:
        """Deals whose given probability has expired, the longest ago first."""
        return Due(
            self.deals,
            lambda now: all_of(EXPIRES, field("manual_expire_time") <= now),
            order="manual_expire_time",
            limit=EXPIRY_BATCH,
        )


def _key(change: DealChange) -> str:
    return f"{change.deal_id}:{change.number}"


def _open_in(pipeline_id: str) -> Condition:
    return all_of(field("pipeline_id") == pipeline_id, OPEN)
