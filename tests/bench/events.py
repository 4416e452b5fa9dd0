"""Figures of the bus: relay, inbox, and how soon a change is seen elsewhere."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from libs.chassis.context import Context, enter
from libs.engine.bus import close, connect, service_topology
from libs.engine.inbox import effects
from libs.engine.inbox.decoding import route_of
from tests.bench.figures import Figure
from tests.bench.one_loop import Ledger
from tests.bench.stage import TENANT, Stage, in_turns
from tests.support.ledger import Account


def relay(stage: Stage) -> Figure:
    """The relay on one core beside raw publishing of the same bytes."""
    count = 5_000 if stage.quick else 20_000
    _prepare(stage, count)

    def ours() -> float:
        _fill(stage, count)
        return _one_loop(stage, "relay", count)

    def bare() -> float:
        return _one_loop(stage, "publish", count)

    try:
        rates = in_turns(stage.rounds, ours=ours, bare=bare)
    finally:
        _clean(stage)
    return Figure.ratio("relay, events/s on one core", "py-amqp, batches of 500, confirmed", rates, reach=0.5)


def inbox(stage: Stage) -> Figure:
    """The inbox on one core beside bare batched upserts of the same effect."""
    count = 5_000 if stage.quick else 20_000
    _prepare(stage, count)

    def ours() -> float:
        ledger = Ledger(stage.mongodb_uri)
        ledger.database.raw["inbox"].delete_many({})
        ledger.database.raw["tallies"].delete_many({})
        ledger.database.client.close()
        _purge(stage)
        _one_loop(stage, "publish", count)
        return _one_loop(stage, "inbox", count)

    def bare() -> float:
        with stage.mongo("ledger") as mongo:
            mongo["ledger"]["bare_tallies"].delete_many({})
        return _one_loop(stage, "upsert", count)

    try:
        rates = in_turns(stage.rounds, ours=ours, bare=bare)
    finally:
        _clean(stage)
    return Figure.ratio(
        "inbox, events/s (effect and dedupe committed)", "bare batched majority upserts", rates, reach=0.5
    )


def visible(stage: Stage) -> Figure:
    """Milliseconds from the answer of a change in profiles until interactions has it, on an idle system."""
    waits = []
    with stage.system.client(TENANT) as client, stage.mongo("interactions") as mongo:
        copies = mongo["interactions"]["customers"]
        for number in range(50 if stage.quick else 200):
            customer = client.profiles.create_customer(customer={"kind": "PERSON", "display_name": f"Visible {number}"})
            begun = time.perf_counter()
            while copies.find_one({"_id": customer.id}, {"_id": 1}) is None:
                if time.perf_counter() - begun > 10:
                    raise TimeoutError("interactions does not hear of customers")
            waits.append(1000 * (time.perf_counter() - begun))
    return Figure.limit("commit to effect in another service, median ms", statistics.median(waits), most=50)


def _prepare(stage: Stage, count: int) -> None:
    """Makes the little service's indexes and queues, and `bodies`: the bytes of its events, for the bare sides."""
    ledger = Ledger(stage.mongodb_uri)
    ledger.database.keep(effects.COLLECTION, effects.INDEXES)
    ledger.database.migrate()
    connection = connect(stage.amqp_uri, name="bench")
    subscription = ledger.subscription()
    service_topology("ledger", [route_of(subscription)]).declare(connection)
    close(connection)
    _fill(stage, count)
    bodies = (
        {"_id": found["_id"], **{name: found["_pending"][0][name] for name in ("id", "type", "body")}}
        for found in ledger.database.raw["accounts"].find({}, {"_pending": 1})
    )
    ledger.database.raw["bodies"].insert_many(bodies)
    ledger.database.client.close()


def _fill(stage: Stage, count: int) -> None:
    """Puts so many entities with a waiting event into the database, through the store, and empties the queue."""
    ledger = Ledger(stage.mongodb_uri)
    ledger.database.raw["accounts"].delete_many({})
    with enter(Context(tenant=TENANT, actor="bench")):
        for start in range(0, count, 500):
            numbers = range(start, min(start + 500, count))
            accounts = [Account(id="", name=f"account {n}" + 300 * "x").open() for n in numbers]
            ledger.accounts.insert_many(accounts, keys=[str(n) for n in numbers])
    ledger.database.client.close()
    _purge(stage)


def _purge(stage: Stage) -> None:
    connection = connect(stage.amqp_uri, name="bench")
    connection.channel().queue_purge("ledger.tally.0")
    close(connection)


def _clean(stage: Stage) -> None:
    with stage.mongo("ledger") as mongo:
        mongo.drop_database("ledger")
    _purge(stage)


def _one_loop(stage: Stage, side: str, count: int) -> float:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.bench.one_loop", side]
    arguments = [stage.mongodb_uri, stage.amqp_uri, str(count)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=180, check=False)
    if done.returncode:
        raise RuntimeError(f"{side}: {done.stderr[-2000:]}")
    return float(done.stdout.splitlines()[-1])
