"""The composed system as real processes: every service as api and worker, started by the `kehu` command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
from pymongo import MongoClient
from pymongo.database import Database

from libs.client.channel import connect
from libs.client.client import Client
from libs.client.retry import Retry
from libs.engine import access
from libs.engine.bus import close as bus_close
from libs.engine.bus import connect as bus_connect
from libs.localstack.processes import HOST, Process, answers, free_port, wait_until
from libs.registry import PROCESSES, REGISTRY, SERVICES, WEB, registered, target_variable
from libs.suite import routes

KEHU = Path(sys.executable).with_name("kehu")


class System:
    """The services over a given store and bus; processes are named `profiles-api`, `profiles-worker` and so on."""

    def __init__(self, folder: Path, *, mongodb_uri: str, amqp_uri: str) -> None:
        self.keys = folder / "keys"
        self._stores = {"KEHU_MONGODB_URI": mongodb_uri, "KEHU_AMQP_URI": amqp_uri}
        self._processes = {name: Process(folder / "services", name) for name in PROCESSES}
        self._admin_ports = {name: free_port() for name in self._processes}
        self.targets = {service: f"{HOST}:{free_port()}" for service in SERVICES}
        self.pages = {each.name: f"{HOST}:{free_port()}" for each in REGISTRY if each.web}
        """Service → where it serves pages."""
        access.make_keys(self.keys)

    def start(self) -> None:
        """Migrates, starts every process and returns when all are ready."""
        for service in SERVICES:
            command = [str(KEHU), service, "migrate"]
            done = subprocess.run(command, env=self._settings(), capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"`kehu {service} migrate` failed:\n{done.stdout}{done.stderr}")
        for name in self._processes:
            self.launch(name)
        for name in self._processes:
            self.wait_ready(name)

    def stop(self) -> None:
        """Ends every process."""
        for process in self._processes.values():
            process.stop()

    def kill(self, name: str, sig: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal to a process, by default the one that nothing can prepare for."""
        self._processes[name].kill(sig)

    def restart(self, name: str, **more: str) -> None:
        """Ends a process in good order, or what a kill left of it, and starts it again on the same address."""
        self._processes[name].stop()
        self.launch(name, **more)
        self.wait_ready(name)

    def wait_ready(self, name: str) -> None:
        """Returns when a process says that it is ready."""
        port = self._admin_ports[name]
        self._processes[name].wait_until(lambda: answers(f"http://{HOST}:{port}/readyz"), 60)

    def settle(self, seconds: float = 150) -> None:
        """Returns when every event that was caused so far has been published and handled."""
        with MongoClient[dict[str, Any]](self._stores["KEHU_MONGODB_URI"]) as mongo:
            queues = [queue for service in SERVICES for route in routes(service) for queue in route.queues(service)]

            def queued() -> bool:
                # A connection for each look, since the broker closes one without heartbeats while databases are read.
                connection = bus_connect(self._stores["KEHU_AMQP_URI"], name="settle")
                try:
                    declare = connection.channel(1).queue_declare
                    return any(declare(queue, passive=True).message_count for queue in queues)
                finally:
                    bus_close(connection)

            def quiet() -> bool:
                return not any(_pending(mongo[service]) for service in SERVICES) and not queued()

            wait_until(quiet, seconds, "events are still on their way")

    def pid(self, name: str) -> int:
        """The id of a running process."""
        pid = self._processes[name].pid
        if pid is None:
            raise RuntimeError(f"{name} does not run; its log is {self._processes[name].log}")
        return pid

    def log(self, name: str) -> str:
        """What a process has said."""
        return self._processes[name].log.read_text(errors="replace")

    def admin(self, name: str) -> str:
        """The address of a process's /readyz and /metrics."""
        return f"http://{HOST}:{self._admin_ports[name]}"

    def token(
        self,
        tenant: str,
        scopes: Sequence[str] = ("*",),
        *,
        subject: str = "tester",
        life: timedelta = timedelta(hours=1),
    ) -> str:
        """A token for a tenant."""
        return access.issue(self.keys, subject=subject, tenant=tenant, scopes=scopes, lifetime=life)

    def client(
        self, tenant: str, scopes: Sequence[str] = ("*",), *, timeout: float = 10.0, retry: Retry | None = None
    ) -> Client:
        """The product's own client, for a tenant."""
        return Client(self.targets, token=self.token(tenant, scopes), timeout=timeout, retry=retry)

    def channel(self, service: str) -> grpc.Channel:
        """A bare channel, for calls that the client would not make."""
        return connect(self.targets[service])

    def environment(self, tenant: str) -> dict[str, str]:
        """What the command line needs to work for a tenant."""
        return {
            **_without_kehu(os.environ),
            **self._stores,
            **{target_variable(service): target for service, target in self.targets.items()},
            "KEHU_TOKEN_KEYS": str(self.keys),
            "KEHU_TENANT": tenant,
            "COLUMNS": "120",
        }

    def kehu(self, tenant: str, *arguments: str | Path, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs the command line for a tenant and returns what it printed."""
        return subprocess.run(
            [KEHU, *map(str, arguments)],
            env=self.environment(tenant),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def stop_one(self, name: str) -> None:
        """Ends a process in good order."""
        self._processes[name].stop()

    def alive(self, name: str) -> bool:
        """True while a process runs."""
        return self._processes[name].alive

    def launch(self, name: str, **more: str) -> None:
        """Starts a process, perhaps with more settings than usual, and returns at once."""
        service, _, role = name.partition("-")
        settings = self._settings() | {"KEHU_ADMIN_LISTEN": f"{HOST}:{self._admin_ports[name]}"}
        settings |= {target_variable(callee): self.targets[callee] for callee in registered(service).calls}
        if role == "api":
            settings["KEHU_LISTEN"] = self.targets[service]
        if role == WEB:
            settings |= {"KEHU_LISTEN": self.pages[service], "KEHU_WEB_HTTPS": "no", "KEHU_WEB_RATE": "0"}
        self._processes[name].start([KEHU, service, role], settings | more)

    def _settings(self) -> dict[str, str]:
        return {
            **_without_kehu(os.environ),
            **self._stores,
            "KEHU_TOKEN_KEYS": str(self.keys),
            "KEHU_DRAIN_SECONDS": "0",
        }


def _pending(database: Database[dict[str, Any]]) -> bool:
    """Whether an event of a service waits for the relay."""
    waiting = {"_pending_since": {"$exists": True}}
    return any(database[name].find_one(waiting, {"_id": 1}) for name in database.list_collection_names())


def _without_kehu(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without settings that are meant for another stack."""
    return {name: value for name, value in environ.items() if not name.startswith("KEHU_")}
