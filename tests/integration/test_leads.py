"""Leads on a real MongoDB: captured once, given once, and every question on an index."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any
from uuid import uuid4

import pytest

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.paging import PageRequest
from libs.engine.store import MongoDatabase, connect
from libs.engine.timers import Round
from services.opportunities.assignment.application import AssignmentRules
from services.opportunities.assignment.domain import Agent, AssignmentRule
from services.opportunities.assignment.subscriptions import timers
from services.opportunities.leads.application import Leads, PastLead
from services.opportunities.leads.domain.leads import Lead
from services.opportunities.leads.domain.parts import LeadOrder, LeadState
from services.opportunities.leads.domain.touches import Touch, TouchKind
from services.opportunities.store import OpportunitiesStore

LEADS = int(os.environ.get("KEHU_TEST_LEADS", "2000"))
"""Leads to give away. The figure of the documents is of 10,000."""
AGENTS = 35
RUNNERS = 4


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


def draft(key: object, **fields: Any) -> Lead:
    return Lead(**{"id": "", "source": "web", "source_key": f"{key}", **fields})


def at_once(count: int, work: Any) -> list[Any]:
    with ThreadPoolExecutor(count) as threads:
        return [each.result() for each in [threads.submit(copy_context().run, work, n) for n in range(count)]]


def test_of_many_runners_each_lead_is_given_once(store: OpportunitiesStore) -> None:
    """None twice, none lost, and at equal weights nobody gets more than one lead more than another."""
    agents = tuple(Agent(member=f"agent{n:02}") for n in range(AGENTS))
    rules, leads = AssignmentRules(store.assignment), Leads(store.leads)
    rule = rules.create(AssignmentRule(id="", display_name="All", agents=agents))
    for start in range(0, LEADS, 500):
        rows = [PastLead(lead=draft(n)) for n in range(start, min(start + 500, LEADS))]
        assert all(each.created for each in leads.take(rows))
    [timer] = timers(store.assignment)

    def run(_: int) -> int:
        done = 0
        while timer.due.find(identity.now()):
            done += Round(store.database, timer).run()
        return done

    at_once(RUNNERS, run)
    owners = Counter[str]()
    events = Counter[str]()
    for batch in store.leads.of_form("", tuple(LeadState)):
        owners.update(each.owner for each in batch)
    assert isinstance(store.database, MongoDatabase)
    for document in store.database.raw["leads"].find({}, {"_pending": 1}):
        events.update(each["type"] for each in document["_pending"])
    assert owners.total() == LEADS
    assert owners.keys() == {each.member for each in agents}
    assert max(owners.values()) - min(owners.values()) <= 1
    assert events["kehu.opportunities.lead.assigned.v1"] == LEADS
    assert {each.member: each.leads for each in rules.turns(rule.id).turns} == owners


def test_a_lead_that_comes_several_times_at_once_is_one(store: OpportunitiesStore) -> None:
    leads = Leads(store.leads)
    ids = at_once(8, lambda _: leads.capture(draft("same", display_name="Ada")).id)
    assert len({*ids}) == 1
    assert store.leads.leads.get(ids[0]).revision == 1


def test_a_touch_that_comes_several_times_at_once_counts_once(store: OpportunitiesStore) -> None:
    leads = Leads(store.leads)
    lead = leads.capture(draft(1, owner="ann"))
    touch = Touch(id="", subject_id=lead.id, kind=TouchKind.ATTEMPT, time=identity.now(), points=7, source_key="call")
    at_once(8, lambda _: leads.touch(touch))
    engaged = store.leads.engagement_of(lead.id)
    assert (engaged.touches, engaged.points) == (1, 7)
    assert leads.get(lead.id).state is LeadState.CONTACTED


@pytest.mark.parametrize("order", list(LeadOrder))
@pytest.mark.parametrize(
    "filter",
    [
        "",
        "state = ASSIGNED",
        'owner = "ann"',
        'owner = "ann" AND state = ASSIGNED',
        'source = "web"',
        'campaign = "spring"',
        'territory = "north" AND state = ASSIGNED',
        "probability_basis_points >= 0",
    ],
)
def test_every_list_walks_an_index(store: OpportunitiesStore, filter: str, order: LeadOrder) -> None:
    leads = Leads(store.leads)
    made = [leads.capture(draft(n, owner="ann", campaign="spring", territory="north")) for n in range(3)]
    first = leads.list(filter, "", order, PageRequest(size=2))
    rest = leads.list(filter, "", order, PageRequest(size=2, token=first.next_page_token))
    assert {each.id for each in (*first.items, *rest.items)} == {each.id for each in made}
