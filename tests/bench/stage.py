"""Ground that the benchmarks run on: a store and a bus of their own, the composed services, each kept on its core."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import IndexModel, MongoClient
from pymongo.database import Database as RawDatabase

from libs.chassis import context
from libs.chassis.context import Context
from libs.engine.access import SEAL_KEY
from libs.engine.store import MongoDatabase, connect
from libs.localstack.mongo import ReplicaSet
from libs.localstack.processes import guard
from libs.localstack.rabbit import Broker
from libs.registry import ROLES
from services.interactions.store import InteractionsStore
from services.profiles.store import ProfilesStore
from tests.bench.load import LOAD_CORE, pin
from tests.support.stack import System

TENANT = "bench"


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs during the benchmarks."""

    folder: Path
    mongodb_uri: str
    amqp_uri: str
    system: System
    quick: bool
    customers: int = 0
    """Number to measure with, where a figure is about numbers. 0 leaves it to the figure."""

    @property
    def rounds(self) -> int:
        """Times that each side is measured."""
        return 3 if self.quick else 5

    @property
    def seconds(self) -> float:
        """Seconds of one measurement."""
        return 1.5 if self.quick else 3.0

    def mongo(self, service: str) -> MongoClient[dict[str, Any]]:
        """A client with the settings of the services, for bare baselines."""
        return connect(self.mongodb_uri, service)

    @contextmanager
    def loading(self, *names: str, service: str = "profiles") -> Iterator[RawDatabase[dict[str, Any]]]:
        """The database of a service, with collections of it that lack their indexes inside the block.

        They are built at its end, which takes less than half of the time that keeping them up to date would; and all
        is on disk then, so that what is measured next does not pay for it. The processes of the service, which would
        notice what is missing, begin anew afterwards.
        """
        processes = [f"{service}-{role}" for role in ROLES]
        for process in processes:
            self.system.stop_one(process)
        with connect(self.mongodb_uri, service, patient=True) as mongo:
            database = mongo[service]
            kept: dict[str, list[IndexModel]] = {}
            for name in names:
                # Partial ones stay: they are small, and the relay would read everything for want of its own.
                whole = [each for each in database[name].list_indexes() if "partialFilterExpression" not in each]
                kept[name] = [
                    IndexModel(list(each["key"].items()), name=each["name"]) for each in whole if each["name"] != "_id_"
                ]
                for index in kept[name]:
                    database[name].drop_index(index.document["name"])
            yield database
            for name, indexes in kept.items():
                database[name].create_indexes(indexes)
            mongo.admin.command("fsync")
        for process in processes:
            self.system.restart(process)

    @contextmanager
    def profiles(self, tenant: str) -> Iterator[ProfilesStore]:
        """The store of the profiles service, for a tenant."""
        with self._database("profiles", tenant) as database:
            yield ProfilesStore(database)

    @contextmanager
    def interactions(self, tenant: str) -> Iterator[InteractionsStore]:
        """The store of the interactions service, for a tenant, while its worker rests."""
        self.system.stop_one("interactions-worker")
        with self._database("interactions", tenant) as database:
            yield InteractionsStore(database)
        self.system.restart("interactions-worker")

    @contextmanager
    def _database(self, service: str, tenant: str) -> Iterator[MongoDatabase]:
        seal_key = bytes.fromhex((self.system.keys / SEAL_KEY).read_text())
        acting = Context(tenant=tenant, actor="bench", scopes=frozenset({"interactions.work.supervise"}))
        with self.mongo(service) as mongo, context.enter(acting):
            yield MongoDatabase(mongo, service, page_key=bytes(32), seal_key=seal_key)


@contextmanager
def stage(*, quick: bool, customers: int = 0) -> Iterator[Stage]:
    """Starts a store, a bus and the services, ends them, and removes their data."""
    folder = Path(tempfile.mkdtemp(prefix="kehu-bench-"))
    guard(folder)  # ends everything even if this process is killed
    store, bus = ReplicaSet(folder), Broker(folder)
    system = None
    try:
        store.start()
        bus.start()
        system = System(folder, mongodb_uri=store.uri, amqp_uri=bus.uri)
        system.start()
        for node in store.nodes:
            pin(node.process.pid or 0, LOAD_CORE)
        pin(bus.process.pid or 0, LOAD_CORE)
        yield Stage(folder, store.uri, bus.uri, system, quick, customers)
    finally:
        if system is not None:
            system.stop()
        bus.stop()
        store.stop()
        shutil.rmtree(folder, ignore_errors=True)


def in_turns(rounds: int, **sides: Callable[[], float]) -> dict[str, float]:
    """Median of each side, measured in turns (A, B, A, B, …) so that noise hits both. The first round warms up."""
    seen: dict[str, list[float]] = {name: [] for name in sides}
    for round in range(rounds + 1):
        for name, measure in sides.items():
            value = measure()
            if round:
                seen[name].append(value)
    return {name: statistics.median(values) for name, values in seen.items()}


def clocked(work: Callable[[], Any]) -> float:
    """Seconds that the work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
