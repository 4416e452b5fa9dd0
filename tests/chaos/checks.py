"""What must hold when the faults are over and everything has drained.

I1   every acknowledged call is in its entity exactly once, at the revision that the answer told or, when the answer
     was to a repeat and told of the entity as it was by then, at an earlier one
I2   the revision of an entity is the number of changes that were made to it
I3   every revision was published, and every event has exactly one entry in the inbox of every consumer
I4   what consumers count and copy agrees with what was written
I5   the events of an entity were first seen in the order of its revisions
I6   nothing waits: no pending events, no message in work, retry or unrouted queues
I7   parked is exactly the injected poison
I9   every journal verifies
I10  changes without an answer are no more than calls without an answer
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import amqp
from kehu.common.v1 import envelope_pb2
from kehu.interactions.v1 import events_pb2 as interactions_pb2
from kehu.profiles.v1 import events_pb2 as profiles_pb2

from libs.chassis.inbox import event_type
from libs.engine.access import SEAL_KEY
from libs.engine.bus import TIERS
from libs.engine.bus.topology import UNROUTED, dead_queue, retry_queue
from libs.engine.inbox.decoding import route_of
from libs.engine.inbox.parked import DeadQueue
from libs.engine.journal import Journal, JournalBroken
from libs.engine.store import MongoDatabase, connect
from libs.registry import SERVICES
from libs.suite import composition, routes
from tests.chaos.commands import Commands, judge
from tests.chaos.lab import Lab, Poison
from tests.chaos.ledger import Ack, Ledger

Violations = dict[str, list[str]]
DRAIN_WITHIN = 120.0


def settle(lab: Lab, tenant: str, ledger: Ledger, poison: Poison, commands: Commands) -> tuple[Violations, float]:
    """What still does not hold after everything had time to drain, and the seconds that this took."""
    begun = time.monotonic()
    while True:
        found = check(lab, tenant, ledger, poison, commands)
        waited = time.monotonic() - begun
        if not any(found.values()) or waited > DRAIN_WITHIN:
            return found, waited
        time.sleep(0.5)


def check(lab: Lab, tenant: str, ledger: Ledger, poison: Poison, commands: Commands | None = None) -> Violations:
    """Invariant → what violates it."""
    client = connect(lab.mongodb_uri, "chaos")
    try:
        seal_key = bytes.fromhex((lab.system.keys / SEAL_KEY).read_text())

        def left_by(tenant: str) -> dict[str, _World]:
            databases = {name: MongoDatabase(client, name, page_key=bytes(32), seal_key=seal_key) for name in SERVICES}
            return {name: _World(database, tenant) for name, database in databases.items()}

        found: Violations = defaultdict(list)
        worlds = left_by(tenant)
        _calls(worlds, ledger, found)
        _projections(worlds, found)
        _everything(worlds, found)
        if commands is not None:
            theirs = left_by(commands.tenant)
            _everything(theirs, found)
            for name, each in judge(
                commands,
                [entry for world in theirs.values() for entry in world.journal],
                {id: revision for world in theirs.values() for id, revision in world.entities.items()},
            ).items():
                found[name] += each
        with lab.channel() as channel:
            _queues(channel, found)
            for world in worlds.values():
                _parked(world, channel, poison, lambda: lab.amqp_uri, found)
        return {name: sorted(set(each)) for name, each in sorted(found.items())}
    finally:
        client.close()


def heard_of(lab: Lab, tenant: str, service: str, collection: str) -> set[str]:
    """Entities of a tenant that have an entry in a collection that reads events."""
    client = connect(lab.mongodb_uri, "chaos")
    try:
        return set(client[service][collection].distinct("entity_id", {"tenant": tenant}))
    finally:
        client.close()


def lost(acks: Sequence[Ack], revisions: Mapping[str, int]) -> list[str]:
    """Answers that the store does not know of any more."""
    return [
        f"{ack.entity} is at revision {revisions.get(ack.entity, 0)}, {ack.revision} was acknowledged"
        for ack in acks
        if revisions.get(ack.entity, 0) < ack.revision
    ]


class _World:
    """One service as one tenant left it."""

    def __init__(self, database: MongoDatabase, tenant: str) -> None:
        self.database, self.tenant, self.name = database, tenant, database.service
        composed = composition(self.name)
        self.subscriptions = composed.subscriptions(composed.store(database))
        self.entities: dict[str, int] = {}
        self.pending: list[str] = []
        for collection in database.publishing_collections():
            fields = {"revision": 1, "_pending_since": 1}
            for document in database.raw[collection].find({"tenant": tenant}, fields):
                self.entities[document["_id"]] = document["revision"]
                if "_pending_since" in document:
                    self.pending.append(document["_id"])
        self.journal = list(database.raw["journal"].find({"tenant": tenant}).sort("position"))

    def messages(self, *kinds: type[Any]) -> list[tuple[envelope_pb2.Envelope, Any]]:
        """Journal entries of these event messages."""
        types = {event_type(kind): kind for kind in kinds}
        envelopes = [envelope_pb2.Envelope.FromString(entry["body"]) for entry in self.journal]
        self.database.vault.open_envelopes(envelopes)
        return [(e, types[e.type].FromString(e.data)) for e in envelopes if e.type in types]


def _everything(worlds: Mapping[str, _World], found: Violations) -> None:
    """Looks at everything that holds of any tenant."""
    for world in worlds.values():
        _revisions(world, found)
        _journal(world, found)
        _inboxes(world, worlds, found)


def _calls(worlds: Mapping[str, _World], ledger: Ledger, found: Violations) -> None:
    customers = worlds["profiles"].messages(profiles_pb2.CustomerCreated, profiles_pb2.CustomerUpdated)
    contacts = worlds["interactions"].messages(interactions_pb2.InteractionRecorded)
    changes = {
        ("create", "update"): [(m.customer.display_name, e.entity_id, e.revision) for e, m in customers],
        ("ingest",): [(m.interaction.external_key, e.entity_id, e.revision) for e, m in contacts],
    }
    for kinds, made in changes.items():
        times = Counter(value for value, _, _ in made)
        places = {value: (entity, revision) for value, entity, revision in made}
        for ack in ledger.acked(*kinds):
            if times[ack.value] != 1:
                found["I1"].append(f"{ack.kind} {ack.value} of {ack.entity} happened {times[ack.value]} times")
                continue
            entity, revision = places[ack.value]
            if entity != ack.entity or revision > ack.revision:
                found["I1"].append(f"{ack.kind} {ack.value} is at {places[ack.value]}, not at {ack}")
        found["I1"] += [f"{value} happened {n} times" for value, n in times.items() if n > 1]
        surplus = len(times) - len(ledger.acked(*kinds))
        if surplus > ledger.unanswered(*kinds):
            found["I10"].append(f"{surplus} changes more than answers, {ledger.unanswered(*kinds)} calls unanswered")
    found["I1"] += lost(ledger.acked("create", "update"), worlds["profiles"].entities)
    found["I1"] += lost(ledger.acked("ingest"), worlds["interactions"].entities)
    for entity, revision in worlds["profiles"].entities.items():
        changed = sum(id == entity for _, id, _ in changes["create", "update"])
        if entity.startswith("cus_") and changed != revision:
            found["I2"].append(f"{entity} is at revision {revision} after {changed} changes")


def _revisions(world: _World, found: Violations) -> None:
    found["I6"] += [f"events of {id} wait" for id in world.pending]
    published: dict[str, list[int]] = defaultdict(list)
    for entry in world.journal:
        if entry["revision"] not in published[entry["entity_id"]]:
            published[entry["entity_id"]].append(entry["revision"])
    for id, revision in world.entities.items():
        if sorted(published[id]) != list(range(1, revision + 1)):
            found["I3"].append(f"{id} is at {revision}, the journal has {sorted(published[id])}")
        if published[id] != sorted(published[id]):
            found["I5"].append(f"the journal saw {id} in the order {published[id]}")


def _journal(world: _World, found: Violations) -> None:
    try:
        Journal(world.database).verify(world.tenant)
    except JournalBroken as broken:
        found["I9"].append(f"{world.name}: {broken}")


def _inboxes(world: _World, worlds: Mapping[str, _World], found: Violations) -> None:
    for subscription in (each for each in world.subscriptions if each.remembers):
        wanted = {
            f"{subscription.name}|{entry['_id']}"
            for source, types in route_of(subscription).keys.items()
            for entry in worlds[source].journal
            if entry["type"] in types
        }
        have = {each["_id"] for each in world.database.raw["inbox"].find({"_id": {"$in": list(wanted)}}, {"_id": 1})}
        found["I3"] += [f"{world.name} has not handled {id}" for id in wanted - have]


def _projections(worlds: Mapping[str, _World], found: Violations) -> None:
    profiles, interactions = worlds["profiles"], worlds["interactions"]
    copies = {
        copy["_id"]: copy["source_revision"]
        for copy in interactions.database.raw["customers"].find({"tenant": interactions.tenant})
    }
    customers = {id: revision for id, revision in profiles.entities.items() if id.startswith("cus_")}
    if copies != customers:
        different = {id for id in copies.keys() | customers.keys() if copies.get(id) != customers.get(id)}
        found["I4"].append(f"copies differ from customers: {sorted(different)[:5]}")
    recorded = sum(id.startswith("int_") for id in interactions.entities)
    counted = sum(
        sum(day["quarters"]) for day in interactions.database.raw["counts"].find({"tenant": interactions.tenant})
    )
    if recorded != counted:
        found["I4"].append(f"{recorded} contacts were recorded, {counted} counted")


def _queues(channel: amqp.Channel, found: Violations) -> None:
    queues = [UNROUTED]
    for service in SERVICES:
        for route in routes(service):
            queues += [*route.queues(service), *(retry_queue(service, route.name, tier) for tier in TIERS)]
    for queue in queues:
        if depth := channel.queue_declare(queue, passive=True).message_count:
            found["I6"].append(f"{depth} messages in {queue}")


def _parked(
    world: _World, channel: amqp.Channel, poison: Poison, amqp_uri: Callable[[], str], found: Violations
) -> None:
    for route in routes(world.name):
        queue = dead_queue(world.name, route.name)
        injected = poison.get((world.name, route.name), frozenset())
        if not injected and not channel.queue_declare(queue, passive=True).message_count:
            continue
        # A set: who dies between parking and acknowledging parks once more, and nobody could know better.
        parked = {each.id for each in DeadQueue(world.database, route.name, amqp_uri, actor="chaos").list(10_000)}
        found["I7"] += [f"{id} is in {queue}" for id in parked - injected]
        found["I7"] += [f"{id} is not in {queue}" for id in injected - parked]
