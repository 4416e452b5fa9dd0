"""MongoDB keeps the laws of the store, and every query of the laws has its index."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import pytest

from libs.chassis.filtering import field, to_mongo
from libs.chassis.paging import Order
from libs.chassis.store import Database
from libs.engine.store import MongoDatabase, connect, mongo
from libs.engine.store.commands import NOTES_IN_ENTITY
from libs.engine.store.refusals import TransactionTooLarge
from tests.support.command_laws import CommandLaws, on
from tests.support.ledger import Account
from tests.support.store_laws import TENANT, StoreLaws, account, declare


@pytest.fixture(scope="module")
def client(mongodb_uri: str) -> Iterator[object]:
    with connect(mongodb_uri, "ledger") as client:
        yield client


@contextmanager
def made(client, *, notes_commands: bool) -> Iterator[Database]:
    """A database with the collections of the laws."""
    database = MongoDatabase(client, "ledger", page_key=bytes(32), seal_key=bytes(32), name=f"ledger_{uuid4().hex[:8]}")
    declare(database, notes_commands=notes_commands)
    database.migrate()
    yield database
    client.drop_database(database.raw.name)


class TestNotesInEntities(CommandLaws):
    @pytest.fixture
    def database(self, client) -> Iterator[Database]:
        with made(client, notes_commands=True) as database:
            yield database

    def test_a_change_and_its_note_are_one_write(self, database: MongoDatabase) -> None:
        accounts = database.collections["accounts"]
        with on("A"):
            account = accounts.insert(lambda id: Account(id=id, name="n").open())
        database.raw.command("profile", 2)
        with on("B"):
            accounts.update(account.id, lambda each: each.rename("m"))
        database.raw.command("profile", 0)
        seen = [each["op"] for each in database.raw["system.profile"].find({"ns": f"{database.raw.name}.accounts"})]
        assert sorted(seen) == ["query", "update"]

    def test_an_entity_holds_few_notes_and_the_index_all(self, database: MongoDatabase) -> None:
        accounts = database.collections["accounts"]
        with on("0"):
            account = accounts.insert(lambda id: Account(id=id, name="n").open())
        for number in range(1, 100):
            with on(str(number)):
                accounts.update(account.id, lambda each, n=number: each.rename(str(n)))
        raw = database.raw["accounts"]
        assert len(raw.find_one(account.id)["_commands"]) <= NOTES_IN_ENTITY
        assert (
            raw.count_documents({"_note_time": {"$exists": True}}) + len(raw.find_one(account.id)["_commands"]) == 100
        )
        assert [each.id for each in accounts.find(None, limit=9)] == [account.id]


class TestMongo(StoreLaws, CommandLaws):
    @pytest.fixture
    def database(self, client) -> Iterator[Database]:
        with made(client, notes_commands=False) as database:
            yield database

    def test_migration_is_idempotent(self, database: MongoDatabase) -> None:
        assert database.index_problems(thorough=True) == []
        assert database.migrate() == []

    def test_migration_adds_and_takes_away_only_when_asked(self, database: MongoDatabase) -> None:
        database.raw["accounts"].create_index("balance", name="old")
        database.raw["accounts"].drop_index("name")
        assert database.index_problems() == ["accounts.name is missing"]
        kept = "kept index accounts.old, which is no longer declared (migrate --remove drops it)"
        assert database.migrate() == [kept, "created index accounts.name"]
        assert "old" in database.raw["accounts"].index_information()
        assert database.migrate(remove=True) == ["dropped index accounts.old"]
        assert database.migrate() == []

    def test_a_transaction_is_bounded(self, database: MongoDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mongo, "TRANSACTION_DOCUMENTS", 5)
        accounts = database.collections["accounts"]

        def insert(count: int) -> None:
            for n in range(count):
                accounts.insert(account(f"a{n}").open())

        with pytest.raises(TransactionTooLarge, match="would write 6 documents at once, and 5 are allowed"):
            database.transact(lambda: insert(6))
        assert accounts.raw.count_documents({}) == 0
        for _ in range(2):
            database.transact(lambda: insert(5))
        assert accounts.raw.count_documents({}) == 10

    @pytest.mark.parametrize(
        ("where", "order"),
        [
            (None, "-create_time"),
            (field("name") == "b", ()),
            (field("name").starts_with("a"), "name"),
            (field("state") == "OPEN", "-create_time"),
            (field("labels").any_element((field("system") == "erp") & (field("id") == "9")), ()),
        ],
    )
    def test_queries_use_an_index_and_sort_by_it(self, database: MongoDatabase, where, order) -> None:
        accounts = database.collections["accounts"]
        for n in range(20):
            accounts.insert(account(f"a{n}").open())
        query = {"tenant": TENANT.tenant, **to_mongo(where)}
        plan = accounts.raw.find(query).sort(list(Order(order).keys)).explain()["queryPlanner"]["winningPlan"]
        text = str(plan)
        assert "IXSCAN" in text
        assert "COLLSCAN" not in text
        if order:
            assert "'SORT'" not in text

    def test_pages_cost_the_same_at_the_end(self, database: MongoDatabase) -> None:
        accounts = database.collections["accounts"]
        accounts.insert_many([account(f"n{n:04}").open() for n in range(600)], keys=[str(n) for n in range(600)])
        order, documents = Order("name"), accounts.raw.find({}).sort("name", 1).skip(550).limit(1)
        after = order.after(order.position(documents[0]))
        query = {"tenant": TENANT.tenant, **to_mongo(after)}
        stats = accounts.raw.database.command(
            "explain", {"find": "accounts", "filter": query, "sort": dict(order.keys), "limit": 10},
            verbosity="executionStats",
        )["executionStats"]  # fmt: skip
        assert stats["nReturned"] == 10
        assert stats["totalKeysExamined"] <= 14


def test_a_call_finds_a_connection_while_many_others_wait_for_their_answers(client) -> None:
    numbers = client["ledger_connections"]["numbers"]
    numbers.insert_one({})
    with ThreadPoolExecutor(80) as threads:
        slow = [threads.submit(numbers.find_one, {"$where": "sleep(1500) || true"}) for _ in range(80)]
        time.sleep(0.3)
        assert numbers.find_one({}) is not None
        assert all(each.result() for each in slow)
    client.drop_database("ledger_connections")
