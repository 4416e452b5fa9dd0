"""The processes of the local stack, their ports, and the order of their start.

Everything it leaves on disk is in `build/run`: data, logs, keys, and `stack.json`, which tells others (the command line
above all) where things are:

    {"mongodb_uri": "…", "amqp_uri": "…", "management_uri": "…", "token_keys": "<folder>",
     "targets": {"profiles": "127.0.0.1:7401", …}, "ports": {"mongod": 7427, "profiles.api": 7411, …}}
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from libs.engine.settings import concerns_services
from libs.engine.tls import VARIABLES, Tls
from libs.localstack.authority import Authority, lasts
from libs.localstack.mongo import ReplicaSet
from libs.localstack.processes import HOST, Process, StackError, answers, free_port, listening, running
from libs.localstack.rabbit import Broker
from libs.registry import REGISTRY, SERVICES, WEB, registered, target_variable

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "run"
KEHU = Path(sys.executable).with_name("kehu")

# The ports that are taken when they are free. `<service>.grpc` serves calls, `<service>.pages` pages, and
# `<service>.<role>` serves /readyz.
PREFERRED_PORTS = {"mongod": 7427, "amqp": 7472, "management": 7473} | {
    f"{each.name}.{use}": 7400 + offset + number
    for number, each in enumerate(REGISTRY, start=1)
    for offset, use in ((0, "grpc"), (10, "api"), (20, "worker"), (30, WEB), (40, "pages"))
    if each.web or use not in (WEB, "pages")
}

Announce = Callable[[str], None]
"""Takes a few words about what is being done now."""


@dataclass(frozen=True)
class Row:
    """One line of the picture of the stack. `address` is where callers go. Empty when it takes no calls."""

    name: str
    state: str
    address: str
    pid: int | None


class Stack:
    """The local stack of this checkout, or another one with a `folder` of its own.

    `ports` are wishes by name; without them earlier choices are kept. With `tls` everything speaks it, with a
    certificate of an authority that is made for the folder; a stack that was started otherwise is ended first.
    """

    def __init__(self, ports: Mapping[str, int] | None = None, folder: Path = FOLDER, *, tls: bool = False) -> None:
        wishes = dict(ports or {})
        unknown = sorted(wishes.keys() - PREFERRED_PORTS.keys())
        if unknown:
            raise StackError(f"There is no port {', '.join(unknown)}; there are {', '.join(PREFERRED_PORTS)}.")
        self.folder = folder
        self._file = folder / "stack.json"
        self.keys = folder / "keys"
        known = json.loads(self._file.read_text()) if self._file.exists() else {}
        self._chosen: dict[str, int] = known.get("ports", {})
        self._known_tls = "tls_authorities" in known if "mongodb_uri" in known else None
        self._tls = _identity(folder / "tls") if tls else None
        self._wanted = PREFERRED_PORTS | self._chosen | wishes
        self._mongod = Process(folder, "mongod-0")
        self._rabbitmq = Process(folder, "rabbitmq")
        self.mongodb_uri = os.environ.get("KEHU_MONGODB_URI", "")
        self.amqp_uri = os.environ.get("KEHU_AMQP_URI", "")
        self.management_uri = os.environ.get("KEHU_MANAGEMENT_URI", "")

    def up(self, announce: Announce) -> list[str]:
        """Starts what does not run, and anew what runs on code or settings that have changed since.

        Returns, when all of it is ready, the names of the processes that were started anew.
        """
        if self._known_tls is not None and self._known_tls != bool(self._tls):
            self.down(announce)
        self.start_mongodb(announce)
        self.start_rabbitmq(announce)
        announce("making development keys")
        self.keys.mkdir(parents=True, exist_ok=True)
        self._finish("keys", ["token", "keys"])
        for service in SERVICES:
            announce(f"migrating {service}")
            self._finish(f"{service}-migrate", [service, "migrate"])
        for service in SERVICES:  # chosen before the first starts, since it is told where those are that it calls
            name = f"{service}.grpc"
            self._wanted[name] = self._port(name, self._process(service, "api"))
        renewed = [
            f"{name}-{role}"
            for name in SERVICES
            for role in registered(name).roles
            if self._start(name, role, announce)
        ]
        self._save()
        for service in SERVICES:
            for role in registered(service).roles:
                announce(f"waiting for {service} {role}")
                ready = partial(answers, _readiness(self._chosen[f"{service}.{role}"]))
                self._process(service, role).wait_until(ready, 60)
        return renewed

    def start_mongodb(self, announce: Announce) -> None:
        """Starts a replica set of one member, unless `KEHU_MONGODB_URI` names another."""
        if self.mongodb_uri:
            return
        announce("starting MongoDB")
        replica_set = ReplicaSet(self.folder, ports=[self._port("mongod", self._mongod)], tls=self._tls)
        replica_set.start()
        self.mongodb_uri = replica_set.uri
        self._save()

    def start_rabbitmq(self, announce: Announce) -> None:
        """Starts a broker, unless `KEHU_AMQP_URI` names another."""
        if self.amqp_uri:
            return
        announce("starting RabbitMQ")
        ports = [self._port(name, self._rabbitmq) for name in ("amqp", "management")]
        broker = Broker(self.folder, *ports, tls=self._tls)
        broker.start()
        self.amqp_uri, self.management_uri = broker.uri, broker.management_uri
        self._save()

    def demo(self) -> None:
        """Loads the demonstration, which prints what there is to see."""
        if subprocess.run([KEHU, "demo"], env=os.environ | self._settings(), check=False).returncode != 0:
            raise StackError("The demonstration failed (see above); `make status` tells what runs.")

    def down(self, announce: Announce) -> int:
        """Ends what was started here, latest first, and returns how many processes that were. Data stay."""
        processes = running(self.folder)
        for process in processes:
            announce(f"ending {process.name}")
            process.stop(grace=30)
        if self._file.exists():
            self._write({"ports": self._chosen})
        return len(processes)

    def rows(self) -> Iterator[Row]:
        """Yields a line for each store and for each role of each service."""
        for name, given, process, port in (
            ("mongod", os.environ.get("KEHU_MONGODB_URI"), self._mongod, "mongod"),
            ("rabbitmq", os.environ.get("KEHU_AMQP_URI"), self._rabbitmq, "amqp"),
        ):
            if given:
                yield Row(name, "yours", "as the environment says", None)
            else:
                yield self._row(name, process, port, port)
        for service in SERVICES:
            yield self._row(f"{service}-api", self._process(service, "api"), f"{service}.grpc", f"{service}.api")
            yield self._row(f"{service}-worker", self._process(service, "worker"), None, f"{service}.worker")
            if registered(service).web:
                yield self._row(f"{service}-web", self._process(service, WEB), f"{service}.pages", f"{service}.{WEB}")

    def _row(self, name: str, process: Process, port: str | None, probe: str) -> Row:
        pid = process.pid
        if pid is None:
            return Row(name, "stopped", "", None)
        probed = self._chosen.get(probe, 0)
        ready = answers(_readiness(probed)) if "." in probe else listening(probed)
        address = f"{HOST}:{self._chosen[port]}" if port in self._chosen else ""
        return Row(name, "ready" if ready else "not ready", address, pid)

    def _start(self, service: str, role: str, announce: Announce) -> bool:
        """Starts a process. Tells whether an earlier one had to end for it."""
        process = self._process(service, role)
        settings = self._settings() | {"KEHU_ADMIN_LISTEN": f"{HOST}:{self._port(f'{service}.{role}', process)}"}
        for callee in {*registered(service).calls} & {*SERVICES}:
            settings[target_variable(callee)] = f"{HOST}:{self._chosen[f'{callee}.grpc']}"
        if role == "api":
            settings["KEHU_LISTEN"] = f"{HOST}:{self._port(f'{service}.grpc', process)}"
        if role == WEB:
            settings["KEHU_LISTEN"] = f"{HOST}:{self._port(f'{service}.pages', process)}"
            settings["KEHU_WEB_HTTPS"] = "yes" if self._tls is not None else "no"
        made_of = fingerprint(service, settings)
        outdated = process.alive and process.made_of != made_of
        if outdated:
            announce(f"ending {process.name}, which has changed since")
            process.stop(grace=30)
        process.start([KEHU, service, role], settings, made_of)
        return outdated

    def _finish(self, name: str, arguments: list[str]) -> None:
        """Runs a `kehu` command to its end. Fails with its output when it does."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            outcome = subprocess.run(
                [KEHU, *arguments],
                env=os.environ | self._settings(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if outcome.returncode != 0:
            raise StackError(f"`kehu {' '.join(arguments)}` failed; mend what it says and run `make up` again.", log)

    def _settings(self) -> dict[str, str]:
        return {
            **{VARIABLES[name]: str(path) for name, path in self._identity().items()},
            "KEHU_MONGODB_URI": self.mongodb_uri,
            "KEHU_AMQP_URI": self.amqp_uri,
            "KEHU_TOKEN_KEYS": str(self.keys),
            # No load balancer has to learn here that a process is about to end.
            "KEHU_DRAIN_SECONDS": os.environ.get("KEHU_DRAIN_SECONDS", "0"),
        }

    def _identity(self) -> dict[str, Path | None]:
        """Returns the files of TLS by their names."""
        return {} if self._tls is None else {name: getattr(self._tls, name) for name in VARIABLES}

    def _port(self, name: str, process: Process) -> int:
        """Returns the port of a process that runs, otherwise one that is free now."""
        if not process.alive:
            self._chosen[name] = free_port(self._wanted[name])
        elif name not in self._chosen:
            raise StackError(f"{process.name} runs, but {self._file} does not say where; run `make down` first.")
        return self._chosen[name]

    def _save(self) -> None:
        self._write(
            {
                "mongodb_uri": self.mongodb_uri,
                "amqp_uri": self.amqp_uri,
                "management_uri": self.management_uri,
                "token_keys": str(self.keys),
                **({"tls_authorities": str(self._tls.authorities)} if self._tls is not None else {}),
                "targets": {
                    service: f"{HOST}:{self._chosen[f'{service}.grpc']}"
                    for service in SERVICES
                    if f"{service}.grpc" in self._chosen
                },
                "ports": self._chosen,
            }
        )

    def _write(self, picture: Mapping[str, object]) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(picture, indent=2) + "\n")
        fresh.replace(self._file)

    def _process(self, service: str, role: str) -> Process:
        return Process(self.folder, f"{service}-{role}")


def fingerprint(service: str, settings: Mapping[str, str], root: Path = ROOT) -> str:
    """A digest of what a service's process is made of: its code, what it is built on, and what it is told."""
    told = {name: value for name, value in os.environ.items() if concerns_services(name)} | dict(settings)
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    folders = ("libs", f"services/{service}", "build/gen")
    files = (path for folder in folders for path in (root / folder).rglob("*") if path.suffix != ".pyc")
    for path in (root / "requirements.txt", *sorted(path for path in files if path.is_file())):
        digest.update(f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _identity(folder: Path) -> Tls:
    """Returns the files of a certificate for everything on this machine, made anew when there is none for a week."""
    found = Tls(certificate=folder / "stack.crt", key=folder / "stack.key", authorities=folder / "ca.crt")
    if not lasts(folder / "stack.crt", timedelta(days=7)):
        Authority(folder).issue("stack")
    return found


def _readiness(port: int) -> str:
    return f"http://{HOST}:{port}/readyz"
