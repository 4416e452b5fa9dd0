"""The faults: each takes a lab under load and a source of chance, hurts it, and leaves mending to the lab."""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

from kehu.common.v1 import envelope_pb2

from libs.engine.bus import Outgoing, Publisher
from libs.engine.bus.topology import events_exchange, shard_exchange
from libs.engine.outbox import event_headers
from libs.engine.store import connect
from libs.registry import PROCESSES, SERVICES
from libs.suite import routes
from tests.chaos.lab import Lab, Poison


def kill_own(lab: Lab, chance: random.Random, *, seconds: float) -> int:
    """F1: kill -9 of a random process of ours every 0.8 to 2 s, started again at once. How many."""
    kills, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.8, 2.0))
        victim = chance.choice(PROCESSES)
        lab.system.kill(victim)
        lab.system.launch(victim)
        kills += 1
    return kills


def die_at(lab: Lab, chance: random.Random, tenant: str, point: str, worker: str) -> None:
    """F2: a worker dies at a point of the code, by itself."""
    lab.system.stop_one(worker)
    if "park" in point:
        poison(lab, chance, tenant)
    lab.system.launch(worker, {"KEHU_CRASH_AT": point})
    assert lab.system.exit_code(lab.system.pid(worker), 30) == 9, lab.system.log(worker)[-3000:]
    lab.system.launch(worker)


def restart_broker(lab: Lab, *, kill: bool) -> None:
    """F3: the broker goes, in good order or not, and comes back."""
    if kill:
        lab.broker.kill()
        lab.broker.start()
    else:
        lab.broker.restart()


def kill_primary(lab: Lab) -> None:
    """F6: the primary dies and comes back seconds later, when there is another one."""
    primary = lab.replica_set.wait_for_primary()
    primary.process.kill()
    lab.replica_set.wait_for_primary()
    primary.start()


def freeze_broker(lab: Lab, *, seconds: float) -> None:
    """F4: the broker keeps its connections and answers nothing for a while."""
    lab.broker.kill(signal.SIGSTOP)
    time.sleep(seconds)
    lab.broker.kill(signal.SIGCONT)


def fill_disk_of_broker(lab: Lab, *, seconds: float) -> None:
    """F9: the broker takes no message for a while, because it says that its disk is full."""
    lab.broker.control("set_disk_free_limit", "900000GB")
    time.sleep(seconds)
    lab.broker.control("set_disk_free_limit", "50MB")


def two_leaders(lab: Lab, *, seconds: float) -> int:
    """F22: two workers of a service believe at once that they lead, because leases are taken away from both all the
    time. Returns how often."""
    taken, until = 0, time.monotonic() + seconds
    with lab.second("profiles-worker"), _database(lab) as client:
        while time.monotonic() < until:
            taken += (
                client["profiles"]["leases"]
                .update_many({}, {"$set": {"until": datetime.fromtimestamp(0, UTC)}})
                .modified_count
            )
            time.sleep(0.2)
    return taken


def full_queue(lab: Lab, queue: str) -> AbstractContextManager[None]:
    """One queue refuses every message in the block, as one does that nobody has emptied for days."""

    @contextmanager
    def full() -> Iterator[None]:
        policy = '{"max-length-bytes": 1, "overflow": "reject-publish"}'
        lab.broker.control("set_policy", "--apply-to", "queues", "full", f"^{re.escape(queue)}$", policy)
        try:
            yield
        finally:
            lab.broker.control("clear_policy", "full")

    return full()


def kill_secondary(lab: Lab) -> None:
    """A member that is not primary dies and comes back."""
    primary = lab.replica_set.wait_for_primary()
    other = next(node for node in lab.replica_set.nodes if node is not primary)
    other.process.kill()
    time.sleep(2)
    other.start()


def freeze_one(lab: Lab, chance: random.Random, *, seconds: float) -> str:
    """A process of ours stands still for a while, as on a paused machine. Returns its name."""
    victim = chance.choice(PROCESSES)
    lab.system.kill(victim, signal.SIGSTOP)
    time.sleep(seconds)
    lab.system.kill(victim, signal.SIGCONT)
    return victim


def roll(lab: Lab) -> dict[str, tuple[int, float]]:
    """F20: each process is asked to end and started anew, one after the other: (exit code, seconds to end) of each."""
    ends = {}
    for name in PROCESSES:
        pid, begun = lab.system.pid(name), time.monotonic()
        lab.system.kill(name, signal.SIGTERM)
        ends[name] = lab.system.exit_code(pid, 40), time.monotonic() - begun
        lab.system.launch(name)
        lab.system.wait_ready(name)
    return ends


def repeat_past_events(lab: Lab, chance: random.Random, tenant: str, *, most: int = 300) -> int:
    """F15: events of the past once more, in any order. How many."""
    messages = list(_past(lab, tenant))
    chosen = chance.choices(messages, k=min(most, 2 * len(messages)))
    with Publisher(lab.amqp_uri, name="chaos") as publisher:
        publisher.publish(chosen)
    return len(chosen)


def poison(lab: Lab, chance: random.Random, tenant: str) -> int:
    """F16: into every subscription, messages that cannot be events of its own. How many."""
    parked: dict[tuple[str, str], frozenset[str]] = {}
    with Publisher(lab.amqp_uri, name="chaos") as publisher:
        for service in SERVICES:
            for route in routes(service):
                kinds = list(_foreign(chance, tenant, wrong_type="#" not in str(route.keys)))
                messages = [
                    Outgoing(
                        exchange=shard_exchange(service, route.name),
                        key="poison",
                        body=body,
                        id=f"poison-{chance.getrandbits(64):x}",
                        headers={"x-agg": str(chance.random())},
                    )
                    for body in kinds
                ]
                publisher.publish(messages)
                parked[service, route.name] = frozenset(message.id for message in messages)
    lab.poisons.append(parked)
    return sum(map(len, parked.values()))


def _foreign(chance: random.Random, tenant: str, *, wrong_type: bool) -> Iterator[bytes]:
    yield b'{"json": true}'
    yield b""
    yield chance.randbytes(200)
    whole = envelope_pb2.Envelope(
        id="evil:1:0", type="kehu.profiles.nothing.happened.v1", tenant=tenant, entity_id="evil", revision=1
    )
    yield envelope_pb2.Envelope(id="evil:1:0", type=whole.type, tenant=tenant).SerializeToString()
    if wrong_type:
        yield whole.SerializeToString()


def _past(lab: Lab, tenant: str) -> Iterator[Outgoing]:
    with _database(lab) as client:
        for service in SERVICES:
            for entry in client[service]["journal"].find({"tenant": tenant}):
                yield Outgoing(
                    exchange=events_exchange(service).name,
                    key=entry["type"],
                    body=entry["body"],
                    id=entry["_id"],
                    headers=event_headers(
                        entity_id=entry["entity_id"], revision=entry["revision"], tenant=tenant, traceparent=""
                    ),
                )


@contextmanager
def _database(lab: Lab) -> Iterator[Any]:
    client = connect(lab.mongodb_uri, "chaos")
    try:
        yield client
    finally:
        client.close()


def merge(poisons: Sequence[Poison]) -> Poison:
    """All of them together."""
    places = {place for each in poisons for place in each}
    return {place: frozenset().union(*(each.get(place, frozenset()) for each in poisons)) for place in places}
