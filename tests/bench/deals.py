"""Figures of deals: opening and moving them, a forecast while they grow a hundredfold, and a simulation in a child."""

from __future__ import annotations

import multiprocessing
import statistics
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from math import sqrt
from multiprocessing.connection import Connection
from typing import Any

from kehu.opportunities.v1 import deals_pb2, pipelines_pb2

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.domain import Change
from libs.client.values import fill
from libs.engine.access import SEAL_KEY
from libs.engine.store import MongoDatabase, connect
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.domain.terms import Money
from services.opportunities.forecast.application.forecasts import total_of
from services.opportunities.forecast.application.simulations import Simulations
from services.opportunities.forecast.domain.periods import Period
from services.opportunities.forecast.domain.simulation import DRAWS
from services.opportunities.forecast.domain.totals import Entry, Total, entries
from services.opportunities.pipelines.application import Pipelines
from services.opportunities.pipelines.domain import CERTAIN, ForecastCategory, Pipeline, Stage, StageKind
from services.opportunities.store import OpportunitiesStore
from tests.bench import bare, calls
from tests.bench.figures import Figure
from tests.bench.stage import TENANT, clocked, in_turns
from tests.bench.stage import Stage as Bench

SERVICE = "/kehu.opportunities.v1.DealsService"
STAGES = (
    Stage(key="look", display_name="Look", probability_basis_points=1_000),
    Stage(key="offer", display_name="Offer", probability_basis_points=5_000),
    Stage(
        key="won",
        display_name="Won",
        kind=StageKind.WON,
        category=ForecastCategory.CLOSED,
        probability_basis_points=CERTAIN,
    ),
    Stage(key="lost", display_name="Lost", kind=StageKind.LOST, category=ForecastCategory.OMITTED),
)
SIMULATED = 2_000
RHO = 0.2
_DAYS = 90
"""Days over which the close dates of the deals lie."""
_CALLS = 60
_AT_ONCE = 1_000


def deals(stage: Bench) -> list[Figure]:
    """Opening a deal and moving it, each with history, event and command, beside a bare majority insert."""
    calls.customers(stage, 1)
    with stage.system.client(TENANT, timeout=30) as client:
        made = client.opportunities.create_pipeline(pipeline=fill(pipelines_pb2.Pipeline(), _pipeline_fields()))
        ids = [client.opportunities.create_deal(deal=_deal(made.id)).id for _ in range(400)]
    count = int(2_500 * stage.seconds)
    with calls.side_by_side(stage, "opportunities") as (ours, bare_target):
        created = in_turns(
            stage.rounds,
            ours=lambda: calls.rate(stage, ours, f"{SERVICE}/CreateDeal", _creations(made.id, count)),
            bare=lambda: calls.rate(stage, bare_target, bare.INSERT, _creations(made.id, 100)),
        )
        moved = in_turns(
            stage.rounds,
            ours=lambda: calls.rate(stage, ours, f"{SERVICE}/MoveStage", _moves(ids, count)),
            bare=lambda: calls.rate(stage, bare_target, bare.INSERT, _creations(made.id, 100)),
        )
    return [
        Figure.ratio("CreateDeal, calls/s", "threads + majority insert", created, reach=0.5),
        Figure.ratio("MoveStage, calls/s", "threads + majority insert", moved, reach=0.5),
    ]


def forecast(stage: Bench) -> Figure:
    """The median time of the forecast of a quarter, of a tenant with few open deals and of one with a hundred times as
    many, asked in turns."""
    counts = {"few": 1_000, "many": 100_000}
    pipelines: dict[str, str] = {}
    with _store(stage, "few") as store, ExitStack() as clients:
        for tenant, count in counts.items():
            with context.enter(Context(tenant=tenant, actor="bench")):
                pipeline = Pipelines(store.pipelines).create(_pipeline())
                _grow(store, pipeline, 0, count)
                pipelines[tenant] = pipeline.id
        with stage.mongo("opportunities") as mongo:
            mongo.admin.command("fsync")  # so that nobody is measured while the deals are still written to disk
        connected = {each: clients.enter_context(stage.system.client(each, timeout=30)) for each in counts}
        found = in_turns(
            stage.rounds,
            few=lambda: _median(connected["few"], pipelines["few"], counts["few"]),
            many=lambda: _median(connected["many"], pipelines["many"], counts["many"]),
        )
    name = f"forecast of a quarter, ms with {counts['many']:,} open deals, beside {counts['few']:,}"
    return Figure.growth(name, found["few"], found["many"], most=1.3)


def simulation(stage: Bench) -> Figure:
    """A simulation in a process of its own, with the reading of its deals, beside the same sum in bare numpy."""
    tenant = "simulating"
    with _store(stage, tenant) as store:
        pipeline = Pipelines(store.pipelines).create(_pipeline())
        _grow(store, pipeline, 0, SIMULATED)
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    seal_key = (stage.system.keys / SEAL_KEY).read_text()
    child = spawn.Process(target=_simulate, args=(stage.mongodb_uri, seal_key, tenant, pipeline.id, there))
    child.start()
    there.close()
    ours, plain = here.recv()
    child.join()
    name = f"simulation of {SIMULATED:,} deals, {DRAWS:,} draws, s"
    return Figure.growth(name, plain, ours, most=2.0, baseline="the same sum in numpy")


def _simulate(uri: str, seal_key: str, tenant: str, pipeline_id: str, told: Connection) -> None:
    with connect(uri, "opportunities", patient=True) as mongo, context.enter(Context(tenant=tenant, actor="bench")):
        database = MongoDatabase(mongo, "opportunities", page_key=bytes(32), seal_key=bytes.fromhex(seal_key))
        store = OpportunitiesStore(database)
        pipeline = store.pipelines.pipelines.get(pipeline_id)
        found: list[Deal] = []

        def ours() -> None:
            found[:] = [deal for some in store.deals.open_in(pipeline_id) for deal in some]
            if len(found) != SIMULATED:
                raise RuntimeError(f"{len(found)} of {SIMULATED} deals were found")
            today = identity.now().date()
            period = Period(start_date=today, end_date=today + timedelta(days=2 * _DAYS))
            asked: dict[str, Any] = {"currency_code": "EUR", "seed": 7, "draws": DRAWS, "rho": RHO}
            Simulations(store.forecast).simulate(pipeline, period, found, beat=lambda: None, **asked)

        ours()
        told.send((min(clocked(ours) for _ in range(3)), min(clocked(lambda: _numpy(found)) for _ in range(3))))


def _numpy(found: Sequence[Deal]) -> None:
    """The same sum as a program without any of this would draw it."""
    import numpy as np
    from scipy.special import ndtri

    draw = np.random.default_rng(7)
    market, sums = sqrt(RHO) * draw.standard_normal(DRAWS), np.zeros(DRAWS, dtype=np.int64)
    for deal in found:
        won = market + sqrt(1 - RHO) * draw.standard_normal(DRAWS) < ndtri(deal.probability_basis_points / CERTAIN)
        sums += won * np.int64(deal.amount.minor_units if deal.amount is not None else 0)
    np.quantile(sums, (0.1, 0.5, 0.9))


# ------------------------------------------------------------------------------------------------ what they run on


@contextmanager
def _store(stage: Bench, tenant: str) -> Iterator[OpportunitiesStore]:
    """The store of the service while its worker rests: the sums are written here, and nothing is to be followed."""
    seal_key = bytes.fromhex((stage.system.keys / SEAL_KEY).read_text())
    stage.system.stop_one("opportunities-worker")
    with stage.mongo("opportunities") as mongo, context.enter(Context(tenant=tenant, actor="bench")):
        yield OpportunitiesStore(MongoDatabase(mongo, "opportunities", page_key=bytes(32), seal_key=seal_key))
    stage.system.restart("opportunities-worker")


def _grow(store: OpportunitiesStore, pipeline: Pipeline, first: int, last: int) -> None:
    """Stores open deals and the sums that the subscription would make of them."""
    now = identity.now()
    for start in range(first, last, _AT_ONCE):
        numbers = range(start, min(start + _AT_ONCE, last))
        made = [_drafted(pipeline, number).open(pipeline, at=now, now=now, actor="bench") for number in numbers]
        store.deals.deals.insert_many(made, keys=[""] * len(made))
        added = [(total_of(entry), entry) for deal, _ in made for entry in entries(deal)]
        store.forecast.totals.upsert_many(added, _add)


def _add(total: Total, entry: Entry) -> Change[Total]:
    return total.add(entry, 1)


def _drafted(pipeline: Pipeline, number: int) -> Deal:
    return Deal(
        id=identity.new_id(Deal.ID_PREFIX),
        customer_id="",
        display_name=f"Deal {number}",
        pipeline_id=pipeline.id,
        stage=STAGES[number % 2].key,
        owner=f"owner {number % 35}",
        amount=Money(currency_code="EUR", minor_units=1_000 + 37 * (number % 500)),
        close_date=datetime.now(UTC).date() + timedelta(days=number // 2 % _DAYS),
    )


def _median(client: Any, pipeline_id: str, count: int) -> float:
    today = datetime.now(UTC).date()
    span = {"start_date": today, "end_date": today + timedelta(days=_DAYS)}

    def ask() -> Any:
        return client.opportunities.get_forecast(pipeline_id=pipeline_id, **span)

    found = sum(each.sums.deals for each in ask().currencies[0].stages)
    if found != count:
        raise RuntimeError(f"{found} of {count} deals are in the forecast")
    return statistics.median(clocked(ask) for _ in range(_CALLS)) * 1_000


def _pipeline() -> Pipeline:
    return Pipeline(id="", display_name="Bench", currency_code="EUR", stages=STAGES)


def _pipeline_fields() -> dict[str, Any]:
    names = ("key", "display_name", "kind", "category", "probability_basis_points")
    stages = [{name: getattr(each, name) for name in names} for each in STAGES]
    return {"display_name": "Bench", "currency_code": "EUR", "stages": stages}


def _deal(pipeline_id: str) -> deals_pb2.Deal:
    told = {
        "display_name": "Hundred chairs for the new office",
        "pipeline_id": pipeline_id,
        "amount": {"currency_code": "EUR", "minor_units": 1_234_500},
        "close_date": date(2030, 1, 31),
        "owner": "li.na",
        "team": "north",
    }
    return fill(deals_pb2.Deal(), told)


def _creations(pipeline_id: str, count: int) -> list[deals_pb2.CreateDealRequest]:
    deal = _deal(pipeline_id)
    return [deals_pb2.CreateDealRequest(deal=deal, request_id=str(uuid.uuid4())) for _ in range(count)]


def _moves(ids: Sequence[str], count: int) -> list[deals_pb2.MoveStageRequest]:
    """To and fro: every call moves a deal, as long as those before it were served."""
    return [
        deals_pb2.MoveStageRequest(
            deal_id=ids[number % len(ids)],
            stage=STAGES[1 - number // len(ids) % 2].key,
            request_id=str(uuid.uuid4()),
        )
        for number in range(count)
    ]
