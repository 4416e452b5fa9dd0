"""Worth on a real MongoDB: the server's sums are those of the definition, and come from the index alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.operations import Stopped
from libs.chassis.paging import PageRequest
from libs.chassis.testing import MemoryJob, run_killed_everywhere
from libs.engine.store import MongoDatabase, connect
from services.profiles.activity.domain.transactions import Money, Transaction, TransactionType
from services.profiles.customers.domain.customers import Customer, CustomerKind
from services.profiles.customers.domain.names import PersonName
from services.profiles.store import ProfilesStore
from services.profiles.subscriptions import timers
from services.profiles.worth.application.outlook import CustomerWorth
from services.profiles.worth.application.tiers import TierEvaluations, Tiers, TiersProgress, TiersRequest
from services.profiles.worth.domain.concentration import Tier
from services.profiles.worth.domain.contribution import Window
from services.profiles.worth.domain.tiers import TierOverride, TierPolicy
from tests.support.figures import sum_up
from tests.support.timers import tick

NOW = identity.now()
CUSTOMERS = 40


@pytest.fixture(scope="module")
def client(mongodb_uri: str) -> Iterator[Any]:
    with connect(mongodb_uri, "profiles") as client:
        yield client


@pytest.fixture(scope="module")
def store(client: Any) -> Iterator[ProfilesStore]:
    name = f"profiles_{uuid4().hex[:8]}"
    database = MongoDatabase(client, "profiles", page_key=bytes(32), seal_key=bytes(32), name=name)
    store = ProfilesStore(database)
    database.migrate()
    yield store
    client.drop_database(database.raw.name)


@pytest.fixture(autouse=True)
def acting() -> Iterator[None]:
    with context.enter(Context(tenant="acme", actor="ada")):
        yield


@pytest.fixture(scope="module")
def transactions(store: ProfilesStore) -> list[Transaction]:
    """Of every type, in two currencies, with and without a cost, some at the edge of a day. And another tenant's."""
    dice = random.Random(7)
    made = []
    for number in range(600):
        currency = dice.choice(["EUR", "EUR", "JPY"])
        cost = Money(currency_code=currency, minor_units=dice.randrange(500)) if dice.random() < 0.5 else None
        made.append(
            Transaction(
                id=identity.new_id("txn"),
                customer_id=f"cus_{dice.randrange(CUSTOMERS):026}",
                occurred_time=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=dice.randrange(60 * 24 * 90)),
                type=dice.choice([*TransactionType, TransactionType.SALE, TransactionType.SALE]),
                amount=Money(currency_code=currency, minor_units=dice.randrange(1000)),
                direct_cost=cost,
                source="erp",
                source_key=str(number),
            )
        )
    for tenant in ("acme", "other"):
        with context.enter(Context(tenant=tenant, actor="ada")):
            changes = [each.record(NOW + timedelta(days=365)) for each in made]
            store.activity.transactions.insert_many(changes, keys=[each.key for each in made])
    with context.enter(Context(tenant="acme", actor="ada")):
        for number in range(CUSTOMERS):
            customer = Customer(
                id=f"cus_{number:026}", kind=CustomerKind.PERSON, names=(PersonName(given="Ada", family="Lovelace"),)
            )
            store.customers.customers.insert(customer.create())
    return sorted(made, key=lambda each: each.customer_id)


@pytest.mark.parametrize("zone", ["", "UTC", "Asia/Shanghai", "America/New_York"])
@pytest.mark.parametrize("chunk", [1, 50, 10_000])
def test_the_servers_sums_are_those_of_the_definition(
    store: ProfilesStore, transactions: list[Transaction], chunk: int, zone: str
) -> None:
    window = Window(start_time=datetime(2026, 1, 10, tzinfo=UTC), end_time=datetime(2026, 3, 1, 5, tzinfo=UTC))
    for span in (None, window):
        kept = [t for t in transactions if span is None or span.start_time <= t.occurred_time < span.end_time]
        ids = sorted({each.customer_id for each in kept})
        expected = [(id, sum_up([each for each in kept if each.customer_id == id], zone)) for id in ids]
        portions = list(store.worth.figures_of_all(span, time_zone=zone, chunk=chunk))
        assert [each for portion in portions for each in portion] == expected
        assert len(portions) > 1 or chunk == 10_000
        both = sum_up([each for each in kept if each.customer_id in ids[3:5]], zone)
        assert store.worth.figures(ids[3:5], span, time_zone=zone) == both


def test_sums_come_from_the_index_alone(store: ProfilesStore, transactions: list[Transaction]) -> None:
    raw = cast(MongoDatabase, store.database).raw
    raw.command("profile", 2)
    list(store.worth.figures_of_all(None, time_zone="UTC", chunk=50))
    store.worth.figures((transactions[0].customer_id,), None)
    latest = store.worth.latest_sales([transactions[0].customer_id], 3)
    raw.command("profile", 0)
    seen = list(raw["system.profile"].find({"ns": f"{raw.name}.transactions", "op": "command"}))
    assert len(seen) > 10
    sales = [t for t in transactions if t.customer_id == transactions[0].customer_id and t.type == "SALE"]
    assert latest == sorted((each.occurred_time for each in sales), reverse=True)[:3]
    for each in seen:
        told = each["command"].get("pipeline"), each.get("planSummary")
        assert each["docsExamined"] == 0, told
        assert each["keysExamined"] <= 60 + 120, told
    raw["system.profile"].drop()


def test_an_evaluation_killed_everywhere_reads_and_writes_on_indexes(
    store: ProfilesStore, transactions: list[Transaction], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.profiles.worth.application.tiers.BATCH", 3)
    raw = cast(MongoDatabase, store.database).raw
    draft = TierPolicy(id="", name="standard", currency_code="EUR", review_date=NOW.date().replace(year=2100))
    policy = Tiers(store.worth).create_policy(draft)
    raw.command("profile", 2)
    found, kills = run_killed_everywhere(
        TierEvaluations(store.worth).run, TiersRequest(tier_policy_id=policy.id), TiersProgress()
    )
    listed = Tiers(store.worth).list_assignments("tier = A", PageRequest(size=5))
    standing = Tiers(store.worth).standing(listed.items[0].customer_id)
    Tiers(store.worth).override(
        listed.items[0].customer_id,
        TierOverride(tier=Tier.B, note="asked for it", actor="", expire_time=NOW + timedelta(days=9)),
        0,
    )
    assert tick(store.database, timers(store), "tier_overrides") == 0
    with identity.clock(identity.FixedClock(NOW + timedelta(days=10))):
        assert tick(store.database, timers(store), "tier_overrides") == 1
    CustomerWorth(store.worth).early_warning(transactions[0].customer_id)
    raw.command("profile", 0)
    assert kills > 3
    assert standing.restated_contribution is None
    euros = {each.customer_id for each in transactions if each.amount.currency_code == "EUR"}
    assert found.evaluation.concentration.customer_count == len(euros)
    assert raw["tier_assignments"].count_documents({"tenant": "acme"}) == len(euros)
    pending = [len(each["_pending"]) for each in raw["tier_assignments"].find({"override": None})]
    assert sorted(set(pending)) == [1, 3]
    for each in raw["system.profile"].find({"op": "query"}):
        told = each["command"]["find"], each["command"].get("filter"), each["planSummary"]
        assert each["planSummary"].startswith(("IXSCAN", "IDHACK", "EOF")), told
        assert each["docsExamined"] <= each["nreturned"] + 1, told
    raw["system.profile"].drop()


def test_a_job_that_loses_its_operation_stops(store: ProfilesStore, transactions: list[Transaction]) -> None:
    assert transactions
    draft = TierPolicy(id="", name="brief", currency_code="EUR", review_date=NOW.date().replace(year=2100))
    job = MemoryJob(
        TiersRequest(tier_policy_id=Tiers(store.worth).create_policy(draft).id), TiersProgress(), stop=lambda _: True
    )
    with pytest.raises(Stopped):
        TierEvaluations(store.worth).run(job)
    assert job.state.after == ""
