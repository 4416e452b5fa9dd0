"""A real Prometheus on this machine, for tests and pictures.

The programs are those on PATH, if there are any. Otherwise they are taken from Debian's package (19 MB, fetched once
and unpacked into the user's cache): installing it would start a daemon and bring a dozen packages for its web pages.
"""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import yaml

from libs.localstack.cache import fetched
from libs.localstack.debian import unpack
from libs.localstack.processes import HOST, Process, StackError, answers, free_port

_PROGRAMS: Final = ("prometheus", "promtool")


@dataclass(frozen=True, slots=True)
class Programs:
    """Folder of the programs."""

    prometheus: Path
    promtool: Path


def find_programs() -> Programs:
    """The programs, fetched the first time. StackError when they are missing and cannot be fetched."""
    installed = [shutil.which(name) for name in _PROGRAMS]
    if all(installed):
        return Programs(*(Path(str(path)) for path in installed))
    folder = fetched("prometheus", _fetch)
    return Programs(*(folder / "usr" / "bin" / name for name in _PROGRAMS))


@dataclass(frozen=True, slots=True)
class Target:
    """A process to scrape: host:port of its admin server, and the labels that the cluster would add."""

    address: str
    service: str
    role: str


class Prometheus:
    """One server that scrapes and evaluates every `interval` seconds. Its data are in `folder`."""

    def __init__(self, folder: Path, targets: Sequence[Target], rules: Path, interval: int = 1) -> None:
        self._programs = find_programs()
        self._folder = folder
        self._process = Process(folder, "prometheus")
        self._port = free_port()
        self.url = f"http://{HOST}:{self._port}"
        every = f"{interval}s"
        jobs = [{"targets": [each.address], "labels": {"service": each.service, "role": each.role}} for each in targets]
        self._configuration = {
            "global": {"scrape_interval": every, "evaluation_interval": every, "scrape_timeout": every},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "kehu", "static_configs": jobs}],
        }

    def start(self) -> None:
        """Returns when it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = self._folder / "prometheus.yaml"
        configuration.write_text(yaml.safe_dump(self._configuration))
        self._process.start(
            [
                self._programs.prometheus,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address={HOST}:{self._port}",
                "--log.level=warn",
            ]
        )
        self._process.wait_until(lambda: answers(f"{self.url}/-/ready"), 30)

    def stop(self) -> None:
        """Ends it and waits."""
        self._process.stop()


@dataclass(frozen=True, slots=True)
class Series:
    """The answer to a question: labels, and (seconds since 1970, value) in the order of time."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


class Api:
    """Questions to a Prometheus at `url`, never through a proxy. StackError when it refuses one."""

    def __init__(self, url: str) -> None:
        self._url = url

    def query(self, expr: str) -> list[Series]:
        """Returns the answer of this moment."""
        found = self._get("query", query=expr)
        if found["resultType"] == "scalar":
            return [Series({}, [_point(found["result"])])]
        return [Series(each["metric"], [_point(each["value"])]) for each in found["result"]]

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        """Returns the answers from `start` to `end`, every `step` seconds."""
        found = self._get("query_range", query=expr, start=start, end=end, step=step)
        return [Series(each["metric"], [_point(pair) for pair in each["values"]]) for each in found["result"]]

    def rules(self) -> list[Mapping[str, Any]]:
        """Every rule as it was last evaluated: `name`, `type`, `health`, `lastError`, `state` and others."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _get(self, what: str, **parameters: object) -> Any:
        parts = urlsplit(self._url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        try:
            connection.request("GET", f"{parts.path.rstrip('/')}/api/v1/{what}?{urlencode(parameters)}")
            answer = json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise StackError(f"Prometheus at {self._url} does not answer ({error}); is the address right?") from error
        finally:
            connection.close()
        if answer["status"] != "success":
            raise StackError(f"Prometheus refuses {parameters.get('query', what)!r}: {answer['error']}.")
        return answer["data"]


def _point(pair: Sequence[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])


def _fetch(folder: Path) -> None:
    """Makes `folder` with the content of the package. It appears only when it is complete."""
    try:
        unpack(folder, ["prometheus"])
    except StackError as error:
        raise StackError(f"Prometheus is missing; put prometheus and promtool on PATH. {error}") from error
