"""One file for whoever helps: the state of a release, and nothing in it that must not leave the house."""

from __future__ import annotations

import io
import json
import platform
import re
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from libs.client.stack import StackUnknown
from libs.command.ops.cluster import Cluster
from libs.command.output import Failure

LINES: Final = 500
"""Of each log, the last."""
HIDDEN: Final = "[hidden]"

_SECRET_NAME: Final = re.compile(
    r"password|secret|token|key|credential|authorization|cookie|uri|url|dsn", re.IGNORECASE
)
_HARMLESS: Final = re.compile(r"^(file:)?/[\w./-]*$|^dns:///[\w.:-]+$")
"""Values that only say where something is."""
_PATTERNS: Final = (
    (re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), HIDDEN),  # tokens
    (re.compile(r"(?<=://)[^/@\s\"']*@"), f"{HIDDEN}@"),  # credentials inside addresses
    (re.compile(r"(?i)\b(bearer|basic) +[\w.~+/=-]{8,}"), HIDDEN),
    (re.compile(r"(?i)(password|secret|api_?key|credential)(\"?\s*[=:]\s*\"?)[^\s\",;&]+"), rf"\1\2{HIDDEN}"),
    (re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL), HIDDEN),
    (re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"), "[mail]"),
    (re.compile(r"(?<![\w.:-])(\+\d[\d ()-]{7,16}\d|1[3-9]\d{9})(?![\w:-]|\.\d)"), "[phone]"),
)


def redact(text: str) -> str:
    """The text without credentials, mail addresses and telephone numbers."""
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def redact_object(value: Any) -> Any:
    """JSON without the values of environment variables that may be secret, without managed fields, texts redacted."""
    if isinstance(value, Mapping):
        if set(value) >= {"name", "value"} and _SECRET_NAME.search(str(value["name"])):
            shown = value["value"] if _HARMLESS.match(str(value["value"])) else HIDDEN
            return {**value, "value": shown}
        dropped = {"managedFields", "kubectl.kubernetes.io/last-applied-configuration"}
        return {name: redact_object(each) for name, each in value.items() if name not in dropped}
    if isinstance(value, list):
        return [redact_object(each) for each in value]
    return redact(value) if isinstance(value, str) else value


class Bundle:
    """A .tar.gz that grows file by file. What cannot be had is written into `missing.txt` instead."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._missing: list[str] = []
        self._archive = tarfile.open(path, "x:gz")  # noqa: SIM115  (closed by `close`)

    def attempt(self, what: str, step: Callable[[], object]) -> None:
        """Does a step. When it fails, that is noted instead."""
        try:
            step()
        except (Failure, StackUnknown) as refused:
            self._missing.append(f"{what}: {refused}")

    def text(self, name: str, make: Callable[[], str]) -> None:
        """Adds a text, redacted."""
        self._add(name, redact(make()).encode())

    def json(self, name: str, make: Callable[[], Any]) -> None:
        """Adds a JSON value, redacted."""
        self.text(name, lambda: json.dumps(redact_object(make()), ensure_ascii=False, indent=2, default=str) + "\n")

    def close(self) -> list[str]:
        """Finishes the file. Returns what is missing in it."""
        if self._missing:
            self._add("missing.txt", redact("\n".join(self._missing) + "\n").encode())
        self._archive.close()
        return self._missing

    def _add(self, name: str, content: bytes) -> None:
        folder = self.path.name.removesuffix(".tar.gz")
        entry = tarfile.TarInfo(f"{folder}/{name}")
        entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
        self._archive.addfile(entry, io.BytesIO(content))


def of_cluster(cluster: Cluster) -> Iterator[tuple[str, Callable[[Bundle], None]]]:
    """(what, how it gets into a bundle) of everything that the cluster tells of a release."""
    yield "versions", lambda bundle: bundle.json(
        "versions.json",
        lambda: {"cluster": cluster.version(), "host": cluster.host, "namespace": cluster.namespace,
                 "release": cluster.release, "python": platform.python_version()},
    )  # fmt: skip
    for plural, group, version in (
        ("deployments", "apps", "v1"),
        ("replicasets", "apps", "v1"),
        ("pods", "", "v1"),
        ("poddisruptionbudgets", "policy", "v1"),
        ("horizontalpodautoscalers", "autoscaling", "v2"),
        ("jobs", "batch", "v1"),
        ("leases", "coordination.k8s.io", "v1"),
        ("events", "", "v1"),
    ):
        yield (
            plural,
            lambda bundle, plural=plural, group=group, version=version: bundle.json(  # type: ignore[misc]
                f"objects/{plural}.json", lambda: cluster.raw(group, version, plural)
            ),
        )
    for pod in cluster.pods():
        name = pod.metadata.name
        yield (
            f"log of {name}",
            lambda bundle, name=name: bundle.text(  # type: ignore[misc]
                f"logs/{name}.log", lambda: cluster.log(name, lines=LINES)
            ),
        )
        if any(each.restart_count for each in pod.status.container_statuses or ()):
            yield (
                f"log before the restart of {name}",
                lambda bundle, name=name: bundle.text(  # type: ignore[misc]
                    f"logs/{name}.previous.log", lambda: cluster.log(name, lines=LINES, previous=True)
                ),
            )
