"""The journal keeps everything that was published and shows whatever was done to it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kehu.common.v1 import envelope_pb2

from libs.chassis.context import Context, enter
from libs.chassis.domain import InvalidArgument
from libs.chassis.inbox import Received
from libs.engine.bus import Publisher, service_topology
from libs.engine.bus.topology import shard_exchange
from libs.engine.inbox.consumer import Consumer
from libs.engine.inbox.decoding import received, route_of
from libs.engine.journal import JournalBroken
from libs.engine.store import connect
from tests.support.ledger_service.station import Station
from tests.support.loops import running
from tests.support.patience import eventually

OTHER = Context(tenant="bolt", actor="tester")
ACME = Context(tenant="acme", actor="tester")


@pytest.fixture(scope="module")
def client(mongodb_uri: str) -> Iterator[object]:
    with connect(mongodb_uri, "ledger") as client:
        yield client


@pytest.fixture(scope="module")
def shared(client, amqp_uri: str) -> Iterator[Station]:
    station = Station(client, amqp_uri)
    yield station
    station.close()


@pytest.fixture
def station(shared: Station) -> Station:
    shared.clear()
    return shared


def event(id: str, revision: int, *, tenant: str = "acme", microsecond: int = 123_000) -> Received:
    envelope = envelope_pb2.Envelope(
        id=f"{id}:{revision}:0",
        source="ledger",
        type="kehu.ledger.account.changed.v1",
        time=datetime(2026, 5, 4, 3, 2, revision % 60, microsecond, tzinfo=UTC),
        tenant=tenant,
        entity_id=id,
        revision=revision,
        actor="tester",
        changed_fields=["balance"],
        data=b"anything",
    )
    return received(envelope, envelope)


def append(station: Station, *events: Received, tenant: str = "acme") -> None:
    with enter(Context(tenant=tenant, actor="service:ledger")), station.database.transaction():
        station.journal.append(events)


def test_each_tenant_has_a_chain_of_its_own(station: Station) -> None:
    append(station, *(event("acc_1", n) for n in range(1, 6)))
    append(station, event("acc_9", 1, tenant="bolt"), tenant="bolt")
    append(station, *(event("acc_1", n) for n in range(6, 9)))
    assert station.journal.verify("acme").position == 8
    assert station.journal.verify("bolt").position == 1
    assert station.journal.verify("nobody").position == 0


def test_repeats_are_written_once(station: Station) -> None:
    append(station, event("acc_1", 1), event("acc_1", 1), event("acc_1", 2))
    append(station, event("acc_1", 2), event("acc_1", 3))
    assert station.journal.verify("acme").position == 3


def test_times_finer_than_the_database_keeps_do_not_break_the_chain(station: Station) -> None:
    append(station, event("acc_1", 1, microsecond=123_456))
    assert station.journal.verify("acme").position == 1


class TestTampering:
    """A chain of 40 entries, one of which is touched."""

    @pytest.fixture
    def entries(self, station: Station) -> Any:
        append(station, *(event(f"acc_{n % 4}", n // 4 + 1) for n in range(40)))
        return station.database.raw["journal"]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("actor", "somebody else"),
            ("body", b"forged"),
            ("changed_fields", []),
            ("entity_id", "acc_x"),
            ("revision", 99),
            ("tenant", "bolt"),
            ("time", datetime(2020, 1, 1, tzinfo=UTC)),
            ("type", "kehu.ledger.account.opened.v1"),
            ("hash", bytes(32)),
            ("previous", bytes(32)),
        ],
    )
    def test_a_changed_field_is_found_and_the_position_named(self, station: Station, entries, name: str, value) -> None:
        entries.update_one({"position": 17}, {"$set": {name: value}})
        with pytest.raises(JournalBroken) as broken:
            station.journal.verify("acme")
        assert broken.value.position == 17

    def test_a_removed_entry_is_found(self, station: Station, entries) -> None:
        for position in (40, 23, 1):
            entries.delete_one({"position": position})
            with pytest.raises(JournalBroken) as broken:
                station.journal.verify("acme")
            assert broken.value.position == position

    @pytest.mark.parametrize("seed", range(3))
    def test_two_entries_that_changed_places_are_found(self, station: Station, entries, seed: int) -> None:
        first, second = sorted(random.Random(seed).sample(range(1, 41), 2))
        for position, place in ((first, 1000), (second, first), (1000, second)):
            entries.update_one({"position": position}, {"$set": {"position": place}})
        with pytest.raises(JournalBroken) as broken:
            station.journal.verify("acme")
        assert broken.value.position == first

    def test_an_entry_behind_the_end_is_found(self, station: Station, entries) -> None:
        last = entries.find_one({"position": 40})
        entries.insert_one({**last, "_id": "acc_0:77:0", "position": 41})
        with pytest.raises(JournalBroken) as broken:
            station.journal.verify("acme")
        assert broken.value.position == 41

    def test_a_root_kept_elsewhere_betrays_a_chain_that_was_written_anew(self, station: Station, entries) -> None:
        root = station.journal.verify("acme")
        entries.delete_many({})
        station.database.raw["journal_heads"].delete_many({})
        append(station, *(event(f"acc_{n % 4}", n // 4 + 1, microsecond=0) for n in range(50)))
        assert station.journal.verify("acme").position == 50
        with pytest.raises(JournalBroken) as broken:
            station.journal.verify("acme", known=[root])
        assert broken.value.position == 40

    def test_a_chain_that_was_cut_off_is_betrayed_by_a_root(self, station: Station, entries) -> None:
        root = station.journal.verify("acme")
        last = entries.find_one_and_delete({"position": 40})
        end = {"position": 39, "hash": last["previous"]}
        station.database.raw["journal_heads"].update_one({"_id": "acme"}, {"$set": end})
        assert station.journal.verify("acme").position == 39
        with pytest.raises(JournalBroken) as broken:
            station.journal.verify("acme", known=[root])
        assert broken.value.position == 40


def test_the_history_of_an_entity_comes_in_pages_latest_first(station: Station) -> None:
    append(station, *(event("acc_1", n) for n in range(1, 8)), event("acc_2", 1))
    with enter(ACME):
        first = station.journal.history("acc_1", size=3)
        second = station.journal.history("acc_1", size=3, token=first.next_page_token)
        third = station.journal.history("acc_1", size=3, token=second.next_page_token)
        assert [[e.revision for e in page.items] for page in (first, second, third)] == [[7, 6, 5], [4, 3, 2], [1]]
        assert third.next_page_token == ""
        assert first.items[0].actor == "tester"
        assert first.items[0].changed_fields == ("balance",)
        with pytest.raises(InvalidArgument):
            station.journal.history("acc_2", size=3, token=first.next_page_token)
    with enter(OTHER):
        assert station.journal.history("acc_1", size=3).items == []


def test_its_queries_use_an_index(station: Station) -> None:
    append(station, *(event("acc_1", n) for n in range(1, 8)))
    entries = station.database.raw["journal"]
    for query, order in (
        ({"tenant": "acme"}, [("position", 1)]),
        ({"tenant": "acme", "entity_id": "acc_1"}, [("revision", -1), ("_id", -1)]),
        ({"tenant": "acme", "time": {"$gte": datetime(2020, 1, 1, tzinfo=UTC)}}, ["time", "revision", "_id"]),
    ):
        plan = str(entries.find(query).sort(order).explain()["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in plan
        assert "SORT" not in plan.replace("SORT_KEY", "")


def test_the_worker_keeps_it_and_a_new_subscriber_is_fed_from_it(station: Station) -> None:
    subscription = station.journal.subscription()
    with station.channel() as channel:
        service_topology("ledger", [route_of(subscription)]).declare(channel.connection)
        channel.queue_purge("ledger.journal.0")
    keeper = Consumer(station.database, subscription, lambda: station.amqp_uri)
    ids = station.open("a", "b")
    station.deposit(ids[0], 3)
    with running(station.relay(), keeper):
        eventually(lambda: station.journal.root("acme").position == 5)
    with station.channel() as channel:
        for queue in station.queues:
            channel.queue_purge(queue)
    assert station.counts() == {}

    journal = station.journal
    to = shard_exchange("ledger", station.subscription.name)
    with running(station.consumer()), Publisher(station.amqp_uri, name="test") as publisher, enter(ACME):
        assert journal.replay(publisher, entity_id=ids[0], exchange=to) == 4
        eventually(lambda: station.counts() == {ids[0]: 4})
        assert journal.replay(publisher, since=datetime.now(UTC) - timedelta(hours=1), exchange=to) == 5
        eventually(lambda: station.counts() == {ids[0]: 4, ids[1]: 1})
        assert journal.replay(publisher, until=datetime(2020, 1, 1, tzinfo=UTC)) == 0
        assert journal.replay(publisher, types=["kehu.ledger.account.opened.v1"], exchange=to) == 2
    with enter(OTHER), Publisher(station.amqp_uri, name="test") as publisher:
        assert journal.replay(publisher, entity_id=ids[0]) == 0
    assert journal.verify("acme").position == 5
