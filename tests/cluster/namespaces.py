"""The place where the node is: a mount and a network namespace, and a cgroup that holds every process of it.

What runs inside sees the machine's files and a network without a way out. Ending it is exact: the cgroup names every
process, containers included, and their mounts and interfaces go with the namespaces.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from libs.localstack.processes import Process, StackError, wait_until

CGROUPS = Path("/sys/fs/cgroup")

# The kubelet would set these for the whole machine. It finds them as it wants them, in files that only it sees.
_TUNED = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}


class Place:
    """The namespaces and the cgroup of the node whose data are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cgroup = f"kehu-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
        self._holder = Process(folder, "namespaces")

    @property
    def exists(self) -> bool:
        return self._holder.alive

    @property
    def inside(self) -> bool:
        """Whether this very process is in it."""
        pid = self._holder.pid
        return pid is not None and Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()

    def make(self) -> None:
        """Makes the namespaces and the cgroup, empty. Nothing happens when they exist."""
        if self.exists:
            return
        if os.geteuid() != 0:
            raise StackError("A Kubernetes node needs root: run this as root.")
        if not (CGROUPS / "pids").is_dir():
            raise StackError("The cgroup v1 controllers are not mounted under /sys/fs/cgroup; this node needs them.")
        for controller in _controllers():
            made = controller / self.cgroup
            made.mkdir(exist_ok=True)
            for inherited in ("cpuset.cpus", "cpuset.mems"):  # Empty at first, and then nothing may run in it.
                if (made / inherited).exists():
                    (made / inherited).write_text((controller / inherited).read_text())
        # `sh` joins, and becomes what holds the namespaces open.
        join = f"echo $$ > {self._members}; exec unshare --mount --net --propagation private sleep infinity"
        self._holder.start(["sh", "-c", join])
        mine = Path("/proc/self/ns/net").readlink()
        wait_until(
            lambda: Path(f"/proc/{self._holder.pid}/ns/net").readlink() != mine, 10, "No namespace could be made"
        )

    def enter(self, command: list[str]) -> NoReturn:
        """Becomes `command` inside of it."""
        self._members.write_text(str(os.getpid()))
        place = [f"--target={self._holder.pid}", "--mount", "--net", f"--wd={Path.cwd()}"]
        os.execvp("nsenter", ["nsenter", *place, "--", *command])

    def furnish(self, overlays: dict[str, str], replaced: dict[str, str]) -> None:
        """From inside: puts own folders and files over the machine's, for this namespace only.

        `overlays` maps a folder of the machine to one in `folder`; `replaced` maps a file to its content here.
        """
        _run("mount", "-t", "tmpfs", "tmpfs", "/run")
        for target, name in overlays.items():
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            Path(target).mkdir(parents=True, exist_ok=True)
            _run("mount", "--bind", str(self.folder / name), target)
        files = self.folder / "files"
        files.mkdir(exist_ok=True)
        tuned = {f"/proc/sys/{name}": f"{value}\n" for name, value in _TUNED.items()}
        for target, content in (tuned | replaced).items():
            file = files / target.strip("/").replace("/", "-")
            file.write_text(content)
            _run("mount", "--bind", str(file), target)

    def end(self) -> int:
        """Ends every process in it and removes it with its data. Returns how many processes that were."""
        ended: set[int] = set()
        deadline = time.monotonic() + 30
        while pids := self._pids():
            if time.monotonic() > deadline:
                raise StackError(f"Processes {sorted(pids)} do not end; look at them and run this again.")
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            ended |= pids
            time.sleep(0.05)
        for controller in _controllers():
            for group in sorted((controller / self.cgroup).rglob("*"), reverse=True):
                if group.is_dir():
                    group.rmdir()
            if (controller / self.cgroup).is_dir():
                (controller / self.cgroup).rmdir()
        shutil.rmtree(self.folder, ignore_errors=True)
        return len(ended)

    @property
    def _members(self) -> Path:
        return CGROUPS / "pids" / self.cgroup / "cgroup.procs"

    def _pids(self) -> set[int]:
        found: set[int] = set()
        for members in (CGROUPS / "pids" / self.cgroup).rglob("cgroup.procs"):
            with suppress(FileNotFoundError, OSError):
                found |= {int(pid) for pid in members.read_text().split()}
        return found


def _controllers() -> list[Path]:
    return [path for path in CGROUPS.iterdir() if path.is_dir() and not path.is_symlink()]


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StackError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
