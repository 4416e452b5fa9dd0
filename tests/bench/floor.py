"""Figures of the call center: screen pops while customers become many, decisions and offers, and staffing."""

from __future__ import annotations

import multiprocessing
import random
import statistics
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.domain import DomainError
from libs.engine.access import SEAL_KEY
from libs.engine.store import MongoDatabase, connect
from libs.worktime.civil import CivilTime
from libs.worktime.terms import Term
from services.interactions.callcenter.domain.forecasting import CallCount
from services.interactions.cases.application import Cases
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.parts import CaseType
from services.interactions.customers.domain import Channel, CustomerProjection, Identifier, IdentifierKind
from services.interactions.promises.application import Promises
from services.interactions.promises.domain import Promise
from services.interactions.routing.application.people import People
from services.interactions.routing.application.queues import Queues
from services.interactions.routing.application.works import Works
from services.interactions.routing.domain.agents import Presence, QueueAgent
from services.interactions.routing.domain.queues import WorkQueue
from services.interactions.routing.domain.ranking import Floor
from services.interactions.routing.domain.work import WorkItem, WorkState
from services.interactions.store import InteractionsStore
from services.interactions.timeline.application import Timeline
from services.interactions.timeline.domain import Direction, Interaction
from tests.bench import calls
from tests.bench.figures import Figure
from tests.bench.sizes import sealed
from tests.bench.stage import Stage, clocked, in_turns

AGENTS, WAITING, UNITS = 200, 2_000, 10
CALLERS = 100
QUEUES = 5
_LOADED_AT_ONCE = 5_000
_AT_ONCE = 50
"""Offers of one transaction, bare as well."""


def pops(stage: Stage) -> list[Figure]:
    """The median time of a screen pop with few and with a hundred times as many customers, and beside a Get."""
    few, many = (1_000, 100_000) if stage.quick else (10_000, 1_000_000)
    tenant = "popping"
    with stage.system.client(tenant, timeout=30) as client:
        known = [client.profiles.create_customer(customer=calls.customer(90_000_000 + n)).id for n in range(20)]
        before, _ = _popped(stage, client, tenant, known, (0, few))
        after, get = _popped(stage, client, tenant, known, (few, many))
    return [
        Figure.growth(f"screen pop by number, ms with {many:,} customers, was {few:,}", before, after, most=1.3),
        Figure.growth("screen pop by number, ms", get, after, most=2.0, baseline="one GetCustomer"),
    ]


def _popped(stage: Stage, client: Any, tenant: str, known: Sequence[str], span: tuple[int, int]) -> tuple[float, float]:
    """Milliseconds of (a pop, a Get) once the customers of a span of numbers are there as well."""
    with stage.interactions(tenant) as store:
        with stage.loading("customers", service="interactions") as database:
            for first in range(*span, _LOADED_AT_ONCE):
                people = [_person(number) for number in range(first, min(first + _LOADED_AT_ONCE, span[1]))]
                database["customers"].insert_many(sealed(store, "customers", people), ordered=False)
        callers = random.Random(span[1]).sample(range(span[1]), CALLERS)
        for number in callers:
            _deal_with(store, _person(number).id)

    def pop(number: int) -> None:
        found = client.interactions.pop_screen(number=_number(number))
        if (len(found.cases), len(found.promises), len(found.interactions)) < (1, 1, 3):
            raise RuntimeError(f"the screen of {number} lacks something: {found}")

    sides = {
        "pop": lambda: statistics.median(clocked(partial(pop, number)) for number in callers),
        "get": lambda: statistics.median(
            clocked(lambda n=n: client.profiles.get_customer(customer_id=known[n % len(known)])) for n in callers
        ),
    }
    found = in_turns(stage.rounds, **sides)
    return 1000 * found["pop"], 1000 * found["get"]


def _number(number: int) -> str:
    return f"+86138{number:08d}"


def _person(number: int) -> CustomerProjection:
    """A customer as profiles would have told of it. The same one for a number."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    phone = Identifier(kind=IdentifierKind.PHONE, value=_number(number)).key
    mail = Identifier(kind=IdentifierKind.EMAIL, value=f"customer.{number}@example.cn").key
    id = f"cus_{number:026d}"
    own = Identifier(kind=IdentifierKind.CUSTOMER, value=id).key
    return CustomerProjection(
        id=id,
        revision=1,
        create_time=at,
        update_time=at,
        source_revision=1,
        source_time=at,
        display_name=f"王小明{number}",
        lifecycle="ACTIVE",
        language_code="zh-Hans-CN",
        time_zone="Asia/Shanghai",
        preferred_channels=(Channel.VOICE,),
        identifiers=(own, phone, mail),
    )


def _deal_with(store: InteractionsStore, customer_id: str) -> None:
    """A caller of whom there is something to show."""
    now = identity.now()
    drafted = Case(id="", customer_id=customer_id, subject="Nobody called back", type=CaseType.REQUEST)
    Cases(store.cases).create(drafted, owner="li.na")
    due = Term(civil_time=CivilTime(date=now.date() + timedelta(days=9), time_zone="UTC"))
    Promises(store.promises).make(Promise(id="", customer_id=customer_id, text="We call back.", term=due))
    for n in range(3):
        said = Interaction(
            id="",
            customer_id=customer_id,
            channel=Channel.VOICE,
            direction=Direction.INBOUND,
            occurred_time=now - timedelta(hours=n + 1),
            summary="asked for the invoice",
        )
        Timeline(store.timeline).ingest(said)


def routing(stage: Stage) -> list[Figure]:
    """A decision about everything that waits beside a bare assignment, and the offers of two workers at once."""
    with stage.interactions("routing") as store:
        queue = Queues(store.routing).create(WorkQueue(id="", display_name="Hotline"))
        people = People(store.routing)
        for number in range(AGENTS):
            drafted = QueueAgent(id="", principal=f"agent {number}", queue_ids=(queue.id,), capacity_units=UNITS)
            Works(store.routing).appear(people.register(drafted).id, Presence.AVAILABLE)
        _clear(store)  # their presences would have ended by now
        rounds = []
        for _ in range(stage.rounds):
            now = identity.now()
            ids = [identity.new_id(WorkItem.ID_PREFIX) for _ in range(WAITING)]
            drafts = [WorkItem(id=id, queue_id=queue.id, tier_rank=n % 3) for n, id in enumerate(ids)]
            store.routing.work.insert_many([each.enqueue(now, None) for each in drafts], keys=[""] * WAITING)
            if not rounds:
                decided = _decided(store, queue)
            rounds.append(WAITING / _offered(stage))
            _check(store, ids)
            _clear(store)
        bare_rate = statistics.median(WAITING / _bare_offers(store) for _ in range(stage.rounds))
    offers = {"ours": statistics.median(rounds), "bare": bare_rate}
    size = f"{AGENTS} agents, {WAITING:,} waiting"
    return [
        Figure.ratio(f"decision with {size}, a second", "linear_sum_assignment of the same", decided),
        Figure.ratio("offers of two workers, each once, a second", "the same writes in bare transactions", offers),
    ]


def _decided(store: InteractionsStore, queue: WorkQueue) -> dict[str, float]:
    """Decisions of one round, in which each agent gets at most one piece of work, beside the bare sum."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    now, waiting = identity.now(), store.routing.waiting()
    agents = [replace(each, capacity_units=1) for each in store.routing.present()]
    costs = np.random.default_rng(7).random((WAITING, AGENTS))

    def ours() -> float:
        begun = time.process_time()
        made = Floor(agents, {queue.id: queue}, {queue.id}, now).decide(waiting)
        if len(made) != AGENTS:
            raise RuntimeError(f"{len(made)} of {AGENTS} agents got something")
        return 1 / (time.process_time() - begun)

    def plain() -> float:
        begun = time.process_time()
        linear_sum_assignment(costs)
        return 1 / (time.process_time() - begun)

    return in_turns(5, ours=ours, bare=plain)


def _offered(stage: Stage) -> float:
    """Seconds until two workers have offered everything."""
    spawn = multiprocessing.get_context("spawn")
    seal_key = (stage.system.keys / SEAL_KEY).read_text()
    pairs = [spawn.Pipe() for _ in range(2)]
    workers = [spawn.Process(target=_work, args=(stage.mongodb_uri, seal_key, there)) for _, there in pairs]
    for each in workers:
        each.start()
    for here, _ in pairs:
        here.recv()
    begun = time.perf_counter()
    for here, _ in pairs:
        here.send("go")
    for here, _ in pairs:
        here.recv()
    seconds = time.perf_counter() - begun
    for each in workers:
        each.join()
    return seconds


def _work(uri: str, seal_key: str, told: Connection) -> None:
    with connect(uri, "interactions") as mongo, context.enter(Context(tenant="routing", actor="service:interactions")):
        database = MongoDatabase(mongo, "interactions", page_key=bytes(32), seal_key=bytes.fromhex(seal_key))
        works = Works(InteractionsStore(database).routing)
        told.send("ready")
        told.recv()
        left = 1
        while left:
            with suppress(DomainError):  # another one was faster
                left = works.dispatch()
        told.send("done")


def _check(store: InteractionsStore, ids: Sequence[str]) -> None:
    """Everything was offered, and once."""
    found = [
        each for first in range(0, WAITING, 500) for each in store.routing.work.batch_get(ids[first : first + 500])
    ]
    held = [held.work_id for agent in store.routing.present() for held in agent.held]
    decided = store.routing.decisions.raw.count_documents({"tenant": "routing"})  # type: ignore[attr-defined]
    offered = [each for each in found if each.state is WorkState.OFFERED and not each.attempts]
    if not (len(offered) == len(held) == len({*held}) == decided == WAITING):
        raise RuntimeError(f"{len(offered)} offered, {len(held)} held, {decided} decided of {WAITING}")


def _clear(store: InteractionsStore) -> None:
    """The agents with empty hands."""
    for each in (store.routing.work, store.routing.decisions):
        each.raw.delete_many({"tenant": "routing"})  # type: ignore[attr-defined]
    store.routing.agents.raw.update_many(  # type: ignore[attr-defined]
        {"tenant": "routing"}, {"$set": {"held": [], "lease_expire_time": identity.now() + timedelta(hours=1)}}
    )


def _bare_offers(store: InteractionsStore) -> float:
    """Seconds in which two threads write as much: an update of item and agent, and a decision, in transactions."""
    from pymongo import UpdateOne, WriteConcern

    raw = store.routing.work.raw.database  # type: ignore[attr-defined]
    work, agents, decisions = (raw[f"bare_{name}"] for name in ("work", "agents", "decisions"))
    for each in (work, agents, decisions):
        each.drop()
    work.insert_many([{"_id": n, "state": "QUEUED"} for n in range(WAITING)])
    agents.insert_many([{"_id": n, "held": []} for n in range(AGENTS)])
    decisions.create_index("work_id")
    body = {"candidates": [{"agent_id": uuid.uuid4().hex, "penalty": 0.5} for _ in range(20)]}

    def some(worker: int) -> None:
        numbers = range(worker, WAITING, 2)
        for first in range(0, len(numbers), _AT_ONCE):
            mine = numbers[first : first + _AT_ONCE]
            with raw.client.start_session() as session:
                session.with_transaction(
                    partial(_write, work=work, agents=agents, decisions=decisions, mine=mine, body=body),
                    write_concern=WriteConcern("majority", j=True),
                )

    def _write(session: Any, *, work: Any, agents: Any, decisions: Any, mine: Sequence[int], body: Any) -> None:
        taken = [UpdateOne({"_id": n, "state": "QUEUED"}, {"$set": {"state": "OFFERED"}}) for n in mine]
        work.bulk_write(taken, session=session)
        # Even and odd ones: the two never touch the same agent, since a bare writer would not know how to share.
        given = [UpdateOne({"_id": n % AGENTS}, {"$push": {"held": n}}) for n in mine]
        agents.bulk_write(given, session=session)
        decisions.insert_many([{"work_id": n, **body} for n in mine], session=session)

    with ThreadPoolExecutor(2) as pool:
        return clocked(lambda: list(pool.map(some, range(2))))


def staffing(stage: Stage) -> Figure:
    """The half hours of a week with the agents they need, for each of some queues, learned from the year before."""
    weeks = 8 if stage.quick else 52
    first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with stage.interactions("staffing") as store:
        names = [f"Queue {number}" for number in range(QUEUES)]
        queues = [Queues(store.routing).create(WorkQueue(id="", display_name=name)).id for name in names]
        dice = random.Random(7)
        for queue_id in queues:
            starts = [first - timedelta(minutes=30 * n) for n in range(1, weeks * 7 * 48 + 1)]
            counts = [
                CallCount(id="", queue_id=queue_id, start_time=at, length_seconds=1800, offered=dice.randrange(5, 90))
                for at in starts
            ]
            for begin in range(0, len(counts), _LOADED_AT_ONCE):
                store.callcenter.record_counts(counts[begin : begin + _LOADED_AT_ONCE])
    with stage.system.client("staffing", timeout=30) as client:

        def plan() -> None:
            for queue_id in queues:
                found = client.interactions.forecast_calls(
                    queue_id=queue_id, start_date=first.date(), days=7, handling_time=180, shrinkage=0.3
                )
                if len(found.intervals) != 7 * 48 or not found.agent_hours:
                    raise RuntimeError(f"{len(found.intervals)} half hours, {found.agent_hours} hours of agents")

        seconds = in_turns(stage.rounds, ours=lambda: clocked(plan))["ours"]
    name = f"forecast and staffing of a week for {QUEUES} queues, learned from {weeks} weeks, s"
    return Figure.limit(name, seconds, most=1)
