"""F0: damage done by hand, to prove that the judge would see it. Each is mended when its block ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from libs.engine.bus import Outgoing, Publisher
from libs.engine.bus.topology import UNROUTED, dead_queue
from libs.engine.store import connect
from tests.chaos.lab import Lab

Damage = Callable[[Lab, str], AbstractContextManager[None]]


def _altered(service: str, collection: str, change: Mapping[str, Any]) -> Damage:
    """One document of a tenant is changed, or removed when `change` is empty."""

    @contextmanager
    def damage(lab: Lab, tenant: str) -> Iterator[None]:
        client = connect(lab.mongodb_uri, "chaos")
        documents = client[service][collection]
        victim = documents.find_one({"tenant": tenant}, sort=[("_id", 1)])
        assert victim is not None, f"{service}.{collection} holds nothing of {tenant}"
        if change:
            documents.update_one({"_id": victim["_id"]}, change)
        else:
            documents.delete_one({"_id": victim["_id"]})
        try:
            yield
        finally:
            documents.replace_one({"_id": victim["_id"]}, victim, upsert=True)
            client.close()

    return damage


@contextmanager
def _forgotten(lab: Lab, tenant: str) -> Iterator[None]:
    """One event has left no trace in an inbox."""
    client = connect(lab.mongodb_uri, "chaos")
    entry = client["profiles"]["journal"].find_one({"tenant": tenant, "type": "kehu.profiles.customer.created.v1"})
    assert entry is not None
    inbox = client["interactions"]["inbox"]
    known = inbox.find_one_and_delete({"_id": f"attribution|{entry['_id']}"})
    assert known is not None
    try:
        yield
    finally:
        inbox.insert_one(known)
        client.close()


def _left_in(queue: str) -> Damage:
    """A message lies where none should."""

    @contextmanager
    def damage(lab: Lab, _tenant: str) -> Iterator[None]:
        with Publisher(lab.amqp_uri, name="chaos") as publisher:
            publisher.publish([Outgoing(exchange="", key=queue, body=b"", id="damage")])
        try:
            yield
        finally:
            with lab.channel() as channel:
                channel.queue_purge(queue)

    return damage


DAMAGE: Mapping[str, tuple[set[str], Damage]] = {
    "a customer is lost": ({"I1"}, _altered("profiles", "customers", {})),
    "a contact is lost": ({"I1", "I4"}, _altered("interactions", "interactions", {})),
    "a change is lost": ({"I1", "I2"}, _altered("profiles", "customers", {"$inc": {"revision": -1}})),
    "a change is doubled": ({"I2", "I3"}, _altered("profiles", "customers", {"$inc": {"revision": 1}})),
    "an event was not published": ({"I1", "I3", "I9"}, _altered("profiles", "journal", {})),
    "an event was not handled": ({"I3"}, _forgotten),
    "an effect is doubled": ({"I4"}, _altered("interactions", "counts", {"$inc": {"quarters.0": 1}})),
    "a copy is stale": ({"I4"}, _altered("interactions", "customers", {"$inc": {"source_revision": -1}})),
    "an entry of the journal was touched": ({"I9"}, _altered("interactions", "journal", {"$set": {"actor": "x"}})),
    "an event waits": ({"I6"}, _altered("profiles", "customers", {"$currentDate": {"_pending_since": True}})),
    "a message lies around": ({"I6"}, _left_in(UNROUTED)),
    "an event was parked": ({"I7"}, _left_in(dead_queue("interactions", "attribution"))),
}
"""Damage → the invariants that it must break."""
