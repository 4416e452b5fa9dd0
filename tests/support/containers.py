"""Images and containers in tests, by whatever engine docker/engine.sh finds."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_VARIABLES = ("CONTAINERS_STORAGE_CONF", "CONTAINERS_CONF", "TMPDIR", "PATH")


class NoEngine(Exception):
    """Nothing here builds or runs images. The message says what to do."""


@dataclass(frozen=True)
class Engine:
    """What builds and runs images."""

    name: str
    env: Mapping[str, str]

    @classmethod
    def find(cls) -> Engine:
        """The engine of this machine. NoEngine when there is none."""
        told = subprocess.run(
            ["bash", "-c", 'set -eu; source docker/engine.sh; echo "$engine"; env'],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if told.returncode:
            raise NoEngine(told.stderr.strip())
        name, *lines = told.stdout.splitlines()
        if name != "docker" and os.geteuid() != 0:
            raise NoEngine("podman runs these containers as root only; run `make image` as root.")
        found = dict(line.split("=", 1) for line in lines if line.startswith(_VARIABLES))
        return cls(name, {key: found[key] for key in _VARIABLES if key in found})

    @property
    def tool(self) -> str:
        """The command that runs containers."""
        return "docker" if self.name == "docker" else "podman"

    def script(self, name: str, *arguments: str, **variables: str) -> str:
        """Runs a script of docker/ and returns what it printed. RuntimeError with its reason when it fails."""
        return self._run(["bash", str(ROOT / "docker" / name), *arguments], variables)

    def __call__(self, *arguments: str | Path, **variables: str) -> str:
        """Runs podman or docker with these arguments and returns what it printed."""
        return self._run([self.tool, *map(str, arguments)], variables)

    def _run(self, command: list[str], variables: Mapping[str, str]) -> str:
        done = subprocess.run(
            command, env={**os.environ, **self.env, **variables}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def inspect(self, image: str) -> dict[str, Any]:
        """What the engine knows about an image."""
        known: dict[str, Any] = json.loads(self("image", "inspect", image))[0]
        return known

    @contextmanager
    def running(self, *arguments: str | Path) -> Iterator[str]:
        """The id of a container that runs meanwhile."""
        id = self("run", "--detach", *arguments)
        try:
            yield id
        finally:
            self("rm", "--force", "--time=3" if self.tool == "podman" else "--volumes", id)


HARDENED = (
    *("--read-only", "--tmpfs=/tmp", "--cap-drop=all", "--security-opt=no-new-privileges"),
    *("--memory=512m", "--network=host"),
)
"""How a cluster runs our containers."""
