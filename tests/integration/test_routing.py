"""Routing on a real MongoDB: one winner of every race, also when deciders are killed, and questions on indexes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.domain import DomainError
from libs.chassis.paging import PageRequest
from libs.engine.abandoned import IDLE_FOR, end_abandoned_transactions
from libs.engine.store import MongoDatabase, connect
from services.interactions.callcenter.application.calls import Calls
from services.interactions.callcenter.domain.calls import CallEvent, CallEventKind
from services.interactions.callcenter.domain.forecasting import CallCount
from services.interactions.callcenter.domain.levels import ServiceSource
from services.interactions.quality.application.figures import Figures
from services.interactions.quality.application.judgements import Judgements
from services.interactions.quality.domain.audits import ScoreCriterion
from services.interactions.routing.application.people import People
from services.interactions.routing.application.queues import Queues
from services.interactions.routing.application.works import Works
from services.interactions.routing.domain.agents import Presence, QueueAgent
from services.interactions.routing.domain.queues import WorkQueue
from services.interactions.routing.domain.work import WorkItem, WorkResult, WorkState
from services.interactions.store import InteractionsStore

SCOPES = frozenset({"interactions.work.supervise"})
THREADS = 8
ALL = PageRequest(size=500, token="", bound_to=b"")
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def acting() -> Iterator[None]:
    with context.enter(Context(tenant="acme", actor="boss", scopes=SCOPES)):
        yield


@pytest.fixture
def name() -> str:
    return f"interactions_{uuid4().hex[:8]}"


@pytest.fixture
def store(mongodb_uri: str, name: str) -> Iterator[InteractionsStore]:
    with connect(mongodb_uri, "interactions") as client:
        database = MongoDatabase(client, "interactions", page_key=bytes(32), seal_key=bytes(32), name=name)
        store = InteractionsStore(database)
        database.migrate()
        yield store
        client.drop_database(name)


def floor(store: InteractionsStore, agents: int) -> tuple[str, list[str]]:
    """A queue and agents who are there."""
    queue = Queues(store.routing).create(WorkQueue(id="", display_name="Hotline"))
    made = []
    for number in range(agents):
        draft = QueueAgent(id="", principal=f"agent {number}", queue_ids=(queue.id,))
        made.append(People(store.routing).register(draft).id)
        Works(store.routing).appear(made[-1], Presence.AVAILABLE)
    return queue.id, made


def together(*calls: Any) -> list[Any]:
    """Answers to calls at the same time, or the reasons of their refusals."""

    def tried(call: Any) -> Any:
        try:
            return call()
        except DomainError as error:
            return error.reason_code

    with ThreadPoolExecutor(THREADS) as pool:
        return [each.result() for each in [pool.submit(copy_context().run, tried, call) for call in calls]]


def test_of_agents_who_accept_at_once_one_gets_the_work(store: InteractionsStore) -> None:
    queue, agents = floor(store, 2)
    works = Works(store.routing)
    item = works.enqueue(WorkItem(id="", queue_id=queue))
    works.dispatch()
    owner = works.get(item.id).agent_id
    other = next(each for each in agents if each != owner)
    calls = [lambda agent=agent: works.accept(item.id, agent) for agent in (owner, other) * 4]
    found = together(*calls)
    taken = [each for each in found if isinstance(each, WorkItem)]
    assert len(taken) == 1
    assert Counter(each for each in found if isinstance(each, str)).keys() <= {
        "WORK_WITH_ANOTHER",
        "WORK_MOVE_FORBIDDEN",
    }
    assert [each.work_id for each in store.routing.agents.get(owner).held] == [item.id]
    assert store.routing.agents.get(other).held == ()


def test_of_deciders_at_once_none_offers_what_another_did(store: InteractionsStore) -> None:
    queue, agents = floor(store, 12)
    works = Works(store.routing)
    items = [works.enqueue(WorkItem(id="", queue_id=queue)).id for _ in range(20)]
    together(*[works.dispatch] * 4, *[lambda agent=agent: works.offer_next(agent) for agent in agents[:4]])
    works.dispatch()
    check(store, items, agents)
    offered = [each for each in store.routing.work.batch_get(items) if each.state is WorkState.OFFERED]
    assert len(offered) == 12


def check(store: InteractionsStore, items: list[str], agents: list[str]) -> None:
    """Every piece of work is with the one agent who holds it, and nobody holds more than they can."""
    held = Counter(each.work_id for agent in store.routing.agents.batch_get(agents) for each in agent.held)
    assert all(number == 1 for number in held.values()), "held by two"
    for each in store.routing.work.batch_get(items):
        is_held = each.state in (WorkState.OFFERED, WorkState.ACCEPTED)
        assert (each.id in held) == is_held, each
        assert not is_held or each.id in {x.work_id for x in store.routing.agents.get(each.agent_id).held}
    assert all(each.free_units >= 0 for each in store.routing.agents.batch_get(agents))


@contextmanager
def undisturbed(client: MongoClient[dict[str, Any]]) -> Iterator[None]:
    """Ends what a killed decider began when that holds the documents that are needed inside."""
    try:
        yield
    except AutoReconnect:
        end_abandoned_transactions(client)


def decide(uri: str, name: str) -> None:
    """A worker that does nothing but decide, until it is killed."""
    with connect(uri, "interactions") as client:
        store = InteractionsStore(
            MongoDatabase(client, "interactions", page_key=bytes(32), seal_key=bytes(32), name=name)
        )
        with context.enter(Context(tenant="acme", actor="service:interactions")):
            while True:
                with suppress(DomainError), undisturbed(client):
                    Works(store.routing).dispatch()


def test_nobody_is_offered_twice_or_lost_while_deciders_are_killed(
    store: InteractionsStore, mongodb_uri: str, name: str
) -> None:
    queue, agents = floor(store, 6)
    works, people = Works(store.routing), People(store.routing)
    items = [works.enqueue(WorkItem(id="", queue_id=queue)).id for _ in range(60)]
    spawn = multiprocessing.get_context("spawn")

    def decider() -> multiprocessing.process.BaseProcess:
        begun = spawn.Process(target=decide, args=(mongodb_uri, name), daemon=True)
        begun.start()
        return begun

    def work() -> None:
        for agent in store.routing.agents.batch_get(agents):
            if agent.has_lapsed(identity.now()) or agent.presence is not Presence.AVAILABLE:
                works.appear(agent.id, Presence.AVAILABLE)
            else:
                people.renew(agent.id)
            for held in agent.held:
                with suppress(DomainError):
                    works.complete(works.accept(held.work_id, agent.id).id, agent.id, WorkResult(resolved=True))
        works.wake([each.entity for each in store.routing.to_wake().find(identity.now()) if each.entity])

    deadline, kills = time.monotonic() + 150, 0
    running = [decider() for _ in range(2)]
    with connect(mongodb_uri, "interactions") as client:
        while time.monotonic() < deadline:
            done = sum(each.state is WorkState.DONE for each in store.routing.work.batch_get(items))
            if done == len(items):
                break
            with undisturbed(client):
                work()
            if kills < done // 15:
                victim = running[kills % 2]
                if victim.pid is not None:
                    os.kill(victim.pid, signal.SIGKILL)
                victim.join()
                running[kills % 2] = decider()
                kills += 1
        for each in running:
            each.kill()
            each.join()
        time.sleep(IDLE_FOR + 0.5)
        end_abandoned_transactions(client)
    check(store, items, agents)
    found = store.routing.work.batch_get(items)
    assert Counter(each.state for each in found) == {WorkState.DONE: 60}
    assert [len([x for x in each.attempts if x.outcome == "ACCEPTED"]) for each in found] == [1] * 60
    assert kills >= 3


def test_every_question_is_answered_by_an_index_of_the_real_store(store: InteractionsStore) -> None:
    queue, agents = floor(store, 1)
    works, calls, figures = Works(store.routing), Calls(store.callcenter), Figures(store.quality)
    item = works.enqueue(WorkItem(id="", queue_id=queue))
    assert works.offer_next(agents[0]) is not None
    works.accept(item.id, agents[0])
    done = works.complete(item.id, agents[0], WorkResult(resolved=True, topic="billing", cause="late bill"))
    figures.settle([done])
    now = identity.now()
    start, end = now - DAY, now + DAY
    events = [
        CallEvent(kind=kind, source="pbx", call_key="1", occurred_time=now + timedelta(seconds=n), queue_id=queue)
        for n, kind in enumerate((CallEventKind.RINGING, CallEventKind.ANSWERED, CallEventKind.ENDED))
    ]
    assert [each.error for each in calls.record(list(reversed(events)))] == [None] * 3
    assert [each.id for each in calls.list(queue, ALL).items] == [store.callcenter.calls.id_of("pbx:1")]
    assert calls.service_level(queue, start, end, ServiceSource.CALLS).everybody.answered_in_time == 1
    assert calls.service_level(queue, start, end, ServiceSource.WORK).outcome.resolved == 1
    counts = [
        CallCount(id="", queue_id=queue, start_time=now - n * DAY, length_seconds=1800, offered=9) for n in range(1, 30)
    ]
    assert all(each.created for each in calls.load(counts))
    assert calls.forecast(queue, date.today()).learned_days >= 28  # noqa: DTZ011
    assert calls.screen_pop("+8613800138000").matches == 0
    state = Queues(store.routing).state(queue)
    assert (state.estimate.told, state.estimate.measured) == (1, 1)
    assert Queues(store.routing).states(ALL).items[0].queue_id == queue
    assert People(store.routing).times(agents[0], start, end).occupancy is not None
    assert [each.work_id for each in works.decisions(item.id)] == [item.id]
    assert works.list(f'queue_id = "{queue}"', ALL).items[0].id == item.id
    assert figures.first_contacts(start, end, queue).unknown == 1
    assert figures.pareto(start, end, "").causes[0].cause == "late bill"
    assert figures.paired(queue, start, end).mean_handled_seconds is not None
    sample = Judgements(store.quality).draw(
        queue, start, end, size=5, seed=1, criteria=[ScoreCriterion(key="greeting", weight=1)]
    )
    assert sample.work_ids == (item.id,)
    assert Judgements(store.quality).missing(now.date(), 2).missing == ()
    assert store.quality.to_judge().find(end) == []
