"""Processes that outlive the command that started them, and that are ended by identity, never by name.

Each has a name, and in its folder `<name>.log` (what it said) and `<name>.pid` (which process it is). Since the number
of a process that has ended is given to another one day, the second file also holds the moment of the start; and what
the starter said that the process was made of, so that a later command can tell whether it still is.
"""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

HOST = "127.0.0.1"

# The kernel gives outgoing connections no port of these, so one is still free when a killed server is started again.
_PORTS = range(20_000, 32_000)

# Those that have us for a parent. A process that has ended keeps its number until its parent asks for the outcome.
_children: dict[int, subprocess.Popen[bytes]] = {}


class StackError(Exception):
    """Something of the local stack does not work. The message is one sentence that says what to do."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log
        for line in self.tail():
            self.add_note(line)

    def tail(self, lines: int = 20) -> list[str]:
        """Returns the last lines of the failing process's log, if there is one."""
        if self.log is None or not self.log.exists():
            return []
        return self.log.read_text(errors="replace").splitlines()[-lines:]


class Process:
    """One named process in a group of its own.

    Two objects of the same folder and name are the same process, also in different commands: `make down` ends what
    `make up` started.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.log = folder / f"{name}.log"
        self._record = folder / f"{name}.pid"

    @property
    def pid(self) -> int | None:
        """The process id, or None when the process does not run."""
        try:
            pid, started = self._record.read_text().split()[:2]
        except (FileNotFoundError, ValueError):
            return None
        child = _children.get(int(pid))
        if child is not None and child.poll() is not None:
            del _children[child.pid]
        return int(pid) if _started(int(pid)) == started else None

    @property
    def alive(self) -> bool:
        return self.pid is not None

    @property
    def made_of(self) -> str:
        """The word that its starter gave. Empty when it gave none, or when the process does not run."""
        return "".join(self._record.read_text().split()[2:]) if self.alive else ""

    def start(self, command: Iterable[str | Path], env: Mapping[str, str] | None = None, made_of: str = "") -> None:
        """Starts `command` with `env` added to this process's environment, unless it already runs.

        `made_of` is a word that the record keeps, for example a digest of the code.
        """
        if self.alive:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                [str(part) for part in command],
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _children[child.pid] = child
        self._record.write_text(f"{child.pid} {_started(child.pid)} {made_of}")

    def kill(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal to the whole group, if it runs. After SIGKILL returns when it is gone."""
        pid = self.pid
        if pid is None:
            return
        os.killpg(pid, sig)
        if sig == signal.SIGKILL:
            wait_until(lambda: not self.alive, 10, f"{self.name} does not end")

    def stop(self, grace: float = 15) -> None:
        """Ends the process: SIGTERM, and SIGKILL after `grace` seconds. Nothing happens when it does not run."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            os.killpg(pid, signal.SIGCONT)  # A frozen process hears it only when it thaws.
            deadline = time.monotonic() + grace
            while self.alive and time.monotonic() < deadline:
                time.sleep(0.02)
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # What the process left behind, and the process if it has not ended.
            wait_until(lambda: not self.alive, 10, f"{self.name} does not end")
        self._record.unlink(missing_ok=True)

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Waits until `ready`. Fails when the process ends before, or when `seconds` have passed."""

        def ready_or_dead() -> bool:
            if not self.alive:
                raise StackError(f"{self.name} ended while it started; read {self.log}.", self.log)
            return ready()

        wait_until(ready_or_dead, seconds, f"{self.name} is not ready after {seconds:g} s; read {self.log}", self.log)


def running(folder: Path) -> list[Process]:
    """Returns the processes of a folder, and of folders in it, that run. Latest first."""
    records = sorted(folder.rglob("*.pid"), key=lambda record: record.stat().st_mtime, reverse=True)
    return [process for process in (Process(record.parent, record.stem) for record in records) if process.alive]


def guard(folder: Path) -> None:
    """Sees to it that, when this process ends in whatever way, those of `folder` end too and the folder goes."""
    child = subprocess.Popen([sys.executable, __file__, folder], stdin=subprocess.PIPE, start_new_session=True)
    _children[child.pid] = child  # It waits for the end of its input, whose other side only we hold.


def wait_until(ready: Callable[[], bool], seconds: float, failure: str, log: Path | None = None) -> None:
    """Asks `ready` until it says yes. Raises StackError with `failure` after `seconds`."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    while not ready():
        if time.monotonic() > deadline:
            raise StackError(f"{failure}.", log)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


def answers(url: str) -> bool:
    """Tells whether a GET of `url` succeeds within a second. Never through a proxy."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=1)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def listening(port: int) -> bool:
    """Tells whether something accepts connections on a local port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def free_port(preferred: int = 0) -> int:
    """Returns `preferred` if no one has it, otherwise some free local port."""
    port = preferred
    while not port or not _is_free(port):
        port = secrets.choice(_PORTS)
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _started(pid: int) -> str | None:
    """Returns a text that no other process with this number has had or will have. None when it does not run."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, start_ticks = fields[0], fields[19]
    return None if state in "ZX" else f"{boot}/{start_ticks}"


if __name__ == "__main__":
    guarded = Path(sys.argv[1])
    sys.stdin.read()
    for process in running(guarded):
        process.stop()
    shutil.rmtree(guarded, ignore_errors=True)
