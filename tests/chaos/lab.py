"""The system that is hurt: a replica set of three, a broker, and every service as api and worker."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import amqp

from libs.engine.bus import close, connect
from libs.engine.bus.topology import UNROUTED, aside_queues
from libs.localstack import processes
from libs.localstack.mongo import ReplicaSet
from libs.localstack.processes import HOST, Process, answers, free_port
from libs.localstack.rabbit import Broker
from libs.registry import PROCESSES, SERVICES
from libs.suite import routes
from tests.support.stack import KEHU, System

Poison = Mapping[tuple[str, str], frozenset[str]]
"""(service, subscription) → ids of the messages that must be parked there."""


class Victims(System):
    """The services, to be started with something wrong and watched while they end."""

    def __init__(self, folder: Path, *, mongodb_uri: str, amqp_uri: str) -> None:
        self._wrong: Mapping[str, str] = {}
        super().__init__(folder, mongodb_uri=mongodb_uri, amqp_uri=amqp_uri)

    def launch(self, name: str, wrong: Mapping[str, str] | None = None) -> None:
        """Starts a process, with settings on top of the right ones."""
        self._wrong = wrong or {}
        super().launch(name)
        self._wrong = {}

    def alive(self, name: str) -> bool:
        """Whether a process runs."""
        return self._processes[name].alive

    def ready(self, name: str) -> bool:
        """Whether a process runs and says that it is ready."""
        return self.alive(name) and answers(f"{self.admin(name)}/readyz")

    def exit_code(self, pid: int, seconds: float) -> int:
        """Waits for a process that we started, and was given this id, to end."""
        return processes._children[pid].wait(seconds)

    def _settings(self) -> dict[str, str]:
        return super()._settings() | dict(self._wrong)


class Lab:
    """Everything that runs. `replica_set` and `broker` are None when they belong to somebody else."""

    def __init__(self, folder: Path, *, replica_set: ReplicaSet | None, broker: Broker | None, system: Victims) -> None:
        self.folder, self.system = folder, system
        self._replica_set, self._broker = replica_set, broker
        self.poisons: list[Poison] = []
        """What was injected so far, and stays parked."""
        self.mongodb_uri, self.amqp_uri = system._stores["KEHU_MONGODB_URI"], system._stores["KEHU_AMQP_URI"]

    @property
    def replica_set(self) -> ReplicaSet:
        """The replica set, to be hurt."""
        assert self._replica_set is not None, "this lab may not hurt the store"
        return self._replica_set

    @property
    def broker(self) -> Broker:
        """The broker, to be hurt."""
        assert self._broker is not None, "this lab may not hurt the bus"
        return self._broker

    def heal(self) -> None:
        """Starts whatever does not run, and returns when everything is ready."""
        if self._replica_set is not None:
            for node in self._replica_set.nodes:
                node.process.kill(signal.SIGCONT)
                node.start()
            self._replica_set.wait_for_primary()
        if self._broker is not None:
            self._broker.kill(signal.SIGCONT)
            self._broker.start()
        deadline = time.monotonic() + 60
        for name in PROCESSES:
            while not self.system.ready(name):
                assert time.monotonic() < deadline, f"{name} does not become ready:\n{self.system.log(name)[-3000:]}"
                if not self.system.alive(name):
                    self.system.launch(name)
                time.sleep(0.1)

    @contextmanager
    def second(self, name: str) -> Iterator[Process]:
        """Another process of the same kind in the block, beside the one that there is."""
        service, _, role = name.partition("-")
        process = Process(self.folder / "services", f"{name}-second")
        address = f"{HOST}:{free_port()}"
        process.start([KEHU, service, role], self.system._settings() | {"KEHU_ADMIN_LISTEN": address})
        try:
            process.wait_until(lambda: answers(f"http://{address}/readyz"), 60)
            yield process
        finally:
            process.stop()

    def sweep(self) -> None:
        """Forgets what others left in the queues that are judged."""
        with self.channel() as channel:
            channel.queue_purge(UNROUTED)
            for service in SERVICES:
                for route in routes(service):
                    for queue in aside_queues(service, route.name):
                        channel.queue_purge(queue)

    @contextmanager
    def channel(self) -> Iterator[amqp.Channel]:
        """A look at the queues."""
        connection = connect(self.amqp_uri, name="chaos")
        try:
            yield connection.channel()
        finally:
            close(connection)


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """A lab with a store and a bus of its own."""
    replica_set = ReplicaSet(folder, members=3, election_timeout_ms=3000, cache_gb=0.25)
    broker = Broker(folder)
    system: Victims | None = None
    try:
        replica_set.start()
        broker.start()
        system = Victims(folder, mongodb_uri=replica_set.uri, amqp_uri=broker.uri)
        system.start()
        made = Lab(folder, replica_set=replica_set, broker=broker, system=system)
        made.sweep()
        yield made
    finally:
        if system is not None:
            system.stop()
        broker.stop()
        replica_set.stop()
