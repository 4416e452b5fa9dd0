"""The opportunities service on a real MongoDB: every question on an index, and races that end with one winner."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import date, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from kehu.common.v1.envelope_pb2 import Envelope
from kehu.opportunities.v1.snapshots_pb2 import SnapshotForecastsRequest
from kehu.profiles.v1.events_pb2 import CustomerErasureRequested

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.domain import DomainError
from libs.chassis.inbox import event_type
from libs.chassis.paging import PageRequest
from libs.chassis.testing import MemoryJob
from libs.engine.inbox.decoding import received
from libs.engine.store import MongoDatabase, connect
from services.opportunities.deals.application import Deals, PastDeal
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.domain.history import DealState
from services.opportunities.deals.domain.terms import Competitor, Money, Split
from services.opportunities.forecast.application.forecasts import Forecasts
from services.opportunities.forecast.application.snapshots import Snapshots, SnapshotState
from services.opportunities.forecast.domain.periods import Span
from services.opportunities.forecast.domain.totals import Dimension
from services.opportunities.notes.application import WorkingNotes
from services.opportunities.pipelines.application import Pipelines
from services.opportunities.pipelines.domain import CERTAIN, ForecastCategory, Pipeline, Stage, StageKind
from services.opportunities.store import OpportunitiesStore
from services.opportunities.subscriptions import timers
from tests.support.timers import tick

DAY = timedelta(days=1)
YEAR = Span(name="2026")
THREADS = 8
STAGES = (
    Stage(key="look", display_name="Look", probability_basis_points=2_000),
    Stage(key="offer", display_name="Offer", probability_basis_points=6_000),
    Stage(
        key="won",
        display_name="Won",
        kind=StageKind.WON,
        category=ForecastCategory.CLOSED,
        probability_basis_points=CERTAIN,
    ),
    Stage(key="lost", display_name="Lost", kind=StageKind.LOST, category=ForecastCategory.OMITTED),
)


@pytest.fixture(autouse=True)
def acting() -> Iterator[None]:
    with context.enter(Context(tenant="acme", actor="ann")):
        yield


@pytest.fixture
def store(mongodb_uri: str) -> Iterator[OpportunitiesStore]:
    with connect(mongodb_uri, "opportunities") as client:
        name = f"opportunities_{uuid4().hex[:8]}"
        database = MongoDatabase(client, "opportunities", page_key=bytes(32), seal_key=bytes(32), name=name)
        store = OpportunitiesStore(database)
        database.migrate()
        yield store
        client.drop_database(name)


@pytest.fixture
def deals(store: OpportunitiesStore) -> Deals:
    return Deals(store.deals)


@pytest.fixture
def pipeline(store: OpportunitiesStore) -> Pipeline:
    draft = Pipeline(id="", display_name="Direct", currency_code="EUR", stages=STAGES)
    return Pipelines(store.pipelines).create(draft)


def draft(pipeline: Pipeline, **fields: Any) -> Deal:
    told = {"id": "", "customer_id": "", "display_name": "Chairs", "pipeline_id": pipeline.id, "owner": "ann"}
    return Deal(**{**told, "amount": Money(currency_code="EUR", minor_units=100_000), **fields})


def follow(store: OpportunitiesStore, *found: Deal) -> None:
    now = identity.now()
    store.database.transact(lambda: Forecasts(store.forecast).follow([(each, each.revision, now) for each in found]))


def test_a_deal_on_its_way(store: OpportunitiesStore, deals: Deals, pipeline: Pipeline) -> None:
    splits = (Split(member="ann", basis_points=7_000), Split(member="bob", basis_points=3_000))
    opened = deals.create(draft(pipeline, splits=splits, close_date=date(2026, 1, 1)))
    moved = deals.move(opened.id, "offer")
    follow(store, opened)
    follow(store, moved, opened)
    [open_now] = Forecasts(store.forecast).get(pipeline.id, YEAR).currencies
    assert {each.stage: each.sums.weighted for each in open_now.stages} == {"offer": 60_000}
    won = deals.win(opened.id)
    follow(store, won, won)
    assert won.close_date is not None
    today = Span(start_date=won.close_date, end_date=won.close_date)
    [closed] = Forecasts(store.forecast).get(pipeline.id, today, owner="bob").currencies
    assert (closed.closed.amount, closed.stages) == (30_000, ())
    report = Forecasts(store.forecast).report(pipeline.id, today, Dimension.OWNER, by_month=True)
    assert {each.key: each.revenue for each in report.results} == {"ann": 70_000, "bob": 30_000}
    assert [each.number for each in store.deals.changes_of(store.deals.deals.get(opened.id))] == [1, 2, 3]
    assert deals.facts(opened.id).state is DealState.WON


@pytest.mark.parametrize(
    "filter",
    [
        "",
        'pipeline_id = "{pipeline}"',
        'pipeline_id = "{pipeline}" AND state = OPEN',
        'pipeline_id = "{pipeline}" AND state = OPEN AND stage = "look"',
        'customer_id = "{customer}"',
        'owner = "ann" AND state = OPEN',
        "state = OPEN",
    ],
)
def test_every_list_walks_an_index(store: OpportunitiesStore, deals: Deals, pipeline: Pipeline, filter: str) -> None:
    customer = identity.new_id("cus")
    made = [deals.create(draft(pipeline, customer_id=customer)) for _ in range(3)]
    text = filter.format(pipeline=pipeline.id, customer=customer)
    first = deals.list(text, PageRequest(size=2))
    rest = deals.list(text, PageRequest(size=2, token=first.next_page_token))
    assert {each.id for each in (*first.items, *rest.items)} == {each.id for each in made}


def test_of_many_who_end_a_deal_at_once_one_does(deals: Deals, pipeline: Pipeline, store: OpportunitiesStore) -> None:
    deal = deals.create(draft(pipeline))

    def win(_: int) -> str:
        try:
            return str(deals.win(deal.id).state)
        except DomainError as error:
            return error.reason_code

    with ThreadPoolExecutor(THREADS) as threads:
        ended = [each.result() for each in [threads.submit(copy_context().run, win, n) for n in range(THREADS)]]
    assert sorted(ended) == ["DEAL_CLOSED"] * (THREADS - 1) + ["WON"]
    assert [each.number for each in store.deals.changes_of(deals.get(deal.id))] == [1, 2]


def test_an_import_that_runs_twice_at_once_makes_nothing_twice(
    store: OpportunitiesStore, deals: Deals, pipeline: Pipeline
) -> None:
    now = identity.now()
    ended = draft(pipeline, stage="won")
    rows = [
        PastDeal(source_key=f"crm:{number}", deal=ended, open_time=now - 9 * DAY, close_time=now - DAY)
        for number in range(60)
    ]
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(copy_context().run, deals.take, rows) for _ in range(2)]
        taken = [each.result() for each in runs]
    assert sum(each.created for run in taken for each in run) == len(rows)
    for each in taken[0]:
        assert each.entity is not None
        assert [change.number for change in store.deals.changes_of(each.entity)] == [1, 2]


def test_timers_find_what_is_due(store: OpportunitiesStore, deals: Deals, pipeline: Pipeline) -> None:
    customer = identity.new_id("cus")
    deal = deals.create(draft(pipeline, customer_id=customer))
    later = identity.now() + DAY
    deals.believe(deal.id, 9_000, "they nodded", later)
    asked = CustomerErasureRequested(erasure_id=identity.new_id("era"), customer_id=customer)
    envelope = Envelope(id="x", type=event_type(CustomerErasureRequested), entity_id=customer, revision=1)
    store.privacy.erasures.begin([received(envelope, asked)])
    with identity.clock(identity.FixedClock(later)):
        assert tick(store.database, timers(store), "probabilities") == 1
        while tick(store.database, timers(store), "erasures"):
            pass
    left = deals.get(deal.id)
    assert (left.display_name, left.probability_basis_points, left.erased) == ("", 2_000, True)


def test_whatever_a_forecast_asks_walks_an_index(store: OpportunitiesStore, deals: Deals, pipeline: Pipeline) -> None:
    rival = Competitor(name="Rival", product="Chair X")
    late = deals.create(draft(pipeline, close_date=date(2020, 1, 1), competitors=(rival,), owner="bob"))
    for _ in range(3):
        deals.create(draft(pipeline, close_date=date(2199, 1, 1)))
    page, now = PageRequest(size=2), identity.now() + DAY
    assert [each.id for each in store.deals.slipped(pipeline.id, now.date(), page).items] == [late.id]
    assert len(store.deals.stalled(pipeline.id, now, page).items) == 2
    assert len(store.deals.aging(pipeline.id, {"look": now, "offer": now}, page).items) == 2
    assert [each.id for each in store.deals.cards(pipeline.id, "look", "bob", 5)] == [late.id]
    assert len(store.deals.cards(pipeline.id, "look", "", 3)) == 3
    for product in ("", "Chair X"):
        assert [each.id for each in store.deals.contested("Rival", product, page).items] == [late.id]
    assert store.deals.contested("Rival", "Desk Y", page).items == []
    assert sum(len(some) for some in store.deals.open_in(pipeline.id)) == 4
    since = identity.now() - DAY
    [every] = store.deals.opened_since(pipeline.id, since)
    assert store.deals.histories(every).keys() == {each.id for each in every}
    assert store.rates.on(now.date()).tables == []
    assert WorkingNotes(store.notes).keep(late.id, "x").author == "ann"
    assert [each.text for each in WorkingNotes(store.notes).list(late.id, page).items] == ["x"]


def test_two_workers_keep_the_forecasts_of_a_night_once(
    store: OpportunitiesStore, deals: Deals, pipeline: Pipeline
) -> None:
    follow(store, deals.create(draft(pipeline, close_date=identity.now().date())))
    snapshots = Snapshots(store.forecast)
    snapshots.expect(["UTC"])
    with identity.clock(identity.FixedClock(identity.now() + 2 * DAY)):
        due = [each.entity for each in store.forecast.nights().find(identity.now()) if each.entity is not None]
        begin = partial(store.operations.start_again, "snapshot_forecasts", SnapshotForecastsRequest())
        with ThreadPoolExecutor(2) as threads:
            runs = [threads.submit(copy_context().run, snapshots.begin, due, begin) for _ in range(2)]
            assert [each.exception() for each in runs] == [None, None]
        begun = store.operations.list("", PageRequest(size=10)).items
        assert [(each.kind, each.active) for each in begun] == [("snapshot_forecasts", True)]
        with ThreadPoolExecutor(2) as threads:
            jobs = [MemoryJob[Any, SnapshotState](state=SnapshotState()) for _ in range(2)]
            kept = [threads.submit(copy_context().run, snapshots.run, job) for job in jobs]
            assert [each.exception() for each in kept] == [None, None]
        page = snapshots.list(pipeline.id, PageRequest(size=50))
        assert sorted(len(each.period) for each in page.items) == [7, 7, 8, 8]
        assert all(each.revision == 1 for each in page.items)
        assert snapshots.accuracy(pipeline.id, YEAR).snapshots == 0
