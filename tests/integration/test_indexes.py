"""An index counts when it is built with the options declared, whoever asked for it, and as long as it is there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError

from libs.chassis.filtering import field
from libs.chassis.store import Index
from libs.engine.run import schema
from libs.engine.store import MongoDatabase, connect
from libs.engine.store.indexes import IndexRefused
from tests.support.patience import eventually

VALUES = Index(("values",), unique=True)
MIGRATE = """
import sys
from libs.chassis.store import Index
from libs.engine.store import MongoDatabase, connect
database = MongoDatabase(connect(sys.argv[1], "things", patient=True), "things", page_key=bytes(32), name=sys.argv[2])
database.keep("things", (Index(("values",), unique=True),))
database.migrate()
"""


@pytest.fixture(scope="module")
def client(mongodb_uri: str) -> Iterator[MongoClient]:
    with connect(mongodb_uri, "things", patient=True) as client:
        yield client


@pytest.fixture
def name(client: MongoClient) -> Iterator[str]:
    name = f"things_{uuid4().hex[:8]}"
    yield name
    client.drop_database(name)


def database(client: MongoClient, name: str, *indexes: Index) -> MongoDatabase:
    """A database whose release declares these indexes of `things`."""
    database = MongoDatabase(client, "things", page_key=bytes(32), name=name)
    database.keep("things", indexes)
    return database


def fill(database: MongoDatabase, *, twice: bool) -> None:
    """Stores what takes a second or two to index; with the same value in the first and the last document if `twice`."""
    count, each = 20_000, 30
    documents = [
        {"_id": n, "tenant": "acme", "values": [f"value {n * each + i}" for i in range(each)]} for n in range(count)
    ]
    if twice:
        documents[-1]["values"] = documents[0]["values"]
    database.raw["things"].insert_many(documents, ordered=False)


def killed_migration(mongodb_uri: str, database: MongoDatabase) -> None:
    """Begins to migrate in a process of its own, and kills that while MongoDB builds."""
    process = subprocess.Popen([sys.executable, "-c", MIGRATE, mongodb_uri, database.raw.name])
    try:
        eventually(lambda: database.index_problems() == ["things.values_unique is still being built"])
    finally:
        process.kill()
        process.wait()


def test_a_second_migrate_waits_for_what_the_first_began(mongodb_uri: str, client: MongoClient, name: str) -> None:
    things = database(client, name, VALUES)
    fill(things, twice=False)
    killed_migration(mongodb_uri, things)
    assert things.index_problems() == ["things.values_unique is still being built"]
    assert things.migrate() == ["waited for index things.values_unique"]
    assert things.index_problems() == []
    with pytest.raises(DuplicateKeyError):
        things.raw["things"].insert_one({"_id": "again", "tenant": "acme", "values": ["value 7"]})


def test_a_second_migrate_tells_why_the_build_of_the_first_fails(
    mongodb_uri: str, client: MongoClient, name: str
) -> None:
    things = database(client, name, VALUES)
    fill(things, twice=True)
    killed_migration(mongodb_uri, things)
    with pytest.raises(IndexRefused, match=r'dup key: \{ tenant: "acme", values: "value '):
        things.migrate()
    assert things.index_problems() == ["things.values_unique is missing"]


def test_the_gate_closes_when_an_index_vanishes_and_opens_when_it_is_built(
    client: MongoClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "LOOK_AT_INDEXES_EVERY", 0.2)
    things = database(client, name, VALUES)
    things.migrate()
    schema.record(things)
    gate = schema.Gate(things)
    assert gate.look()
    things.raw["things"].drop_index("values_unique")
    eventually(lambda: not gate.look(), 10)
    assert gate.problem == "indexes: things.values_unique is missing: run `kehu things migrate`"
    things.migrate()
    assert gate.look()


def of_things(told: Sequence[str]) -> list[str]:
    """What is told of the collection of these tests, and not of what every database keeps besides."""
    return [line for line in told if "things." in line]


def test_an_index_with_other_options_is_noticed_and_replaced(client: MongoClient, name: str) -> None:
    due = Index(("due_time",), only=field("due_time") > datetime(1970, 1, 1, tzinfo=UTC))
    things = database(client, name, VALUES, Index(("state",)), due)
    raw = things.raw["things"]
    raw.create_index([("tenant", 1), ("values", 1)], name="values_unique")  # by hand, and not unique
    raw.create_index([("tenant", 1), ("state", 1), ("_id", 1)], name="state", partialFilterExpression={"state": 1})
    raw.create_index([("x", 1)], name="other")
    different = ["things.values_unique has other options than declared", "things.state has other options than declared"]
    assert of_things(things.index_problems()) == [*different, f"things.{due.name} is missing"]
    assert of_things(things.migrate()) == [
        "kept index things.other, which is no longer declared (migrate --remove drops it)",
        "replaced index things.values_unique",
        "replaced index things.state",
        f"created index things.{due.name}",
    ]
    assert things.index_problems() == []
    assert raw.index_information()["values_unique"]["unique"]
    assert things.migrate(remove=True) == ["dropped index things.other"]


def test_an_index_for_other_documents_stands_beside_the_one_of_the_release_before(
    client: MongoClient, name: str
) -> None:
    before = database(client, name, Index(("kind",), unique=True, only=field("active") == True))  # noqa: E712
    before.migrate()
    after = database(client, name, Index(("kind",), unique=True, only=field("open") == True))  # noqa: E712
    [missing] = after.index_problems()
    assert missing.endswith(" is missing")
    kept, created = after.migrate()
    assert kept.startswith("kept index ")
    assert created == f"created index {missing.removesuffix(' is missing')}"
    assert before.index_problems() == after.index_problems() == []


def test_an_index_of_another_name_is_dropped_for_the_one_that_is_declared(client: MongoClient, name: str) -> None:
    things = database(client, name, VALUES)
    things.raw["things"].create_index([("tenant", 1), ("values", 1)], name="old", unique=True)
    assert of_things(things.migrate()) == ["dropped index things.old", "created index things.values_unique"]


def test_releases_may_differ_about_how_long_documents_stay(client: MongoClient, name: str) -> None:
    before = database(client, name, Index(("at",), expire_after=timedelta(days=14)))
    after = database(client, name, Index(("at",), expire_after=timedelta(days=7)))
    before.migrate()
    assert after.index_problems() == []
    assert after.index_problems(thorough=True) == ["things.at has other options than declared"]
    assert after.migrate() == ["replaced index things.at"]
    assert after.raw["things"].index_information()["at"]["expireAfterSeconds"] == timedelta(days=7).total_seconds()
    assert before.index_problems() == []
