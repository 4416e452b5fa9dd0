"""The lease in a Lease object of the cluster, for those who want to see with `kubectl` who leads.

Nobody compares clocks: a leader counts as dead when its object has not changed for the time to live, on the clock of
the process that looks. Every write names the version that it rests on, so of two that want the lease one is refused.
It needs `get`, `create` and `update` on leases of its own namespace, and nothing else.

Three plain requests instead of the Kubernetes client, which would take 47 MB and two seconds of every worker.
"""

from __future__ import annotations

import json
import math
import ssl
import time
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final

from libs.chassis import identity
from libs.engine.lease.contract import Cadence, Lease, Undecided
from libs.engine.settings import Secret, SettingsError, api_server

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Folder of a pod with the credentials of its service account, the authority of the API server, and its namespace."""
TIMEOUT: Final = 1.0
"""Seconds for a request."""
_OK, _CREATED, _NOT_FOUND, _CONFLICT = 200, 201, 404, 409

Object = dict[str, Any]


class Cluster:
    """The leases of a pod's own namespace. Not safe for threads."""

    def __init__(self, host: str, port: int, account: Path = ACCOUNT) -> None:
        self._host, self._port = host, port
        self._authority = account / "ca.crt"
        self._token = Secret(f"file:{account / 'token'}")  # it is replaced every hour
        namespace = (account / "namespace").read_text(encoding="utf-8").strip()
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._connection: HTTPSConnection | None = None

    @classmethod
    def around(cls) -> Cluster:
        """The cluster that this process runs in. SettingsError when there is none, or when it may not ask."""
        try:
            return cls(*api_server())
        except OSError as error:
            advice = "let the pod mount the token of its service account, or set KEHU_LEASE to mongodb"
            raise SettingsError(f"KEHU_LEASE is kubernetes, but {error.filename} cannot be read; {advice}") from error

    def get(self, name: str) -> Object | None:
        """The lease of this name. None when there is none."""
        return self._ask("GET", f"{self._path}/{name}", None, {_OK: True, _NOT_FOUND: False})

    def create(self, name: str, spec: Object) -> Object | None:
        """The lease as it was made. None when somebody was faster."""
        made = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": spec}
        return self._ask("POST", self._path, made, {_CREATED: True, _CONFLICT: False})

    def replace(self, found: Object, spec: Object) -> Object | None:
        """The lease with another spec. None when it is not what was found any more."""
        path = f"{self._path}/{found['metadata']['name']}"
        return self._ask("PUT", path, {**found, "spec": spec}, {_OK: True, _CONFLICT: False, _NOT_FOUND: False})

    def hang_up(self) -> None:
        """Closes the connection. The next request opens another one."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _ask(self, method: str, path: str, body: Object | None, expected: dict[int, bool]) -> Object | None:
        """The object in the answer, if its status says that there is one. Undecided when nothing expected came."""
        try:
            connection = self._connection or self._connect()
            headers = {"Authorization": f"Bearer {self._token.read()}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, HTTPException) as error:
            self.hang_up()
            raise Undecided(f"{type(error).__name__}: {error}") from error
        if response.status not in expected:
            raise Undecided(f"the API server answered {response.status}: {answer[:200].decode(errors='replace')}")
        return dict(json.loads(answer)) if expected[response.status] else None

    def _connect(self) -> HTTPSConnection:
        trusted = ssl.create_default_context(cafile=str(self._authority))
        self._connection = HTTPSConnection(self._host, self._port, timeout=TIMEOUT, context=trusted)
        return self._connection


class KubernetesLease(Lease):
    """An object of the kind Lease. Its epoch is `leaseTransitions`, which begins with 1."""

    def __init__(self, cluster: Cluster, object_name: str, name: str, owner: str, cadence: Cadence) -> None:
        super().__init__(name, owner, cadence)
        self._cluster = cluster
        self._object_name = object_name
        self._ours: Object | None = None
        """The object as we last wrote it, while we lead."""
        self._seen = ""
        self._seen_at = 0.0
        """The version of somebody else's object, and when it was first seen."""

    def _take(self) -> int:
        ours = self._ours
        written = self._win() if ours is None else self._cluster.replace(ours, {**ours["spec"], "renewTime": _now()})
        self._ours = written
        return 0 if written is None else int(written["spec"]["leaseTransitions"])

    def _give_up(self) -> None:
        ours, self._ours = self._ours, None
        try:
            if ours is not None:
                self._cluster.replace(ours, {**ours["spec"], "holderIdentity": ""})
        finally:
            self._cluster.hang_up()

    def _win(self) -> Object | None:
        found = self._cluster.get(self._object_name)
        if found is None:
            return self._cluster.create(self._object_name, self._spec(1))
        if self._is_led(found):
            return None
        return self._cluster.replace(found, self._spec(found["spec"].get("leaseTransitions", 0) + 1))

    def _is_led(self, found: Object) -> bool:
        """True when somebody else holds it. Our own name is that of a process before us, which is dead."""
        version, holder = found["metadata"]["resourceVersion"], found["spec"].get("holderIdentity")
        now = time.monotonic()
        if version != self._seen:
            self._seen, self._seen_at = version, now
        return holder not in (None, "", self._owner) and now - self._seen_at < self._cadence.time_to_live

    def _spec(self, epoch: int) -> Object:
        return {
            "holderIdentity": self._owner,
            "leaseDurationSeconds": math.ceil(self._cadence.time_to_live),
            "acquireTime": _now(),
            "renewTime": _now(),
            "leaseTransitions": epoch,
        }


def object_name(prefix: str, service: str, lease: str) -> str:
    """The name of the object of a lease."""
    return f"{prefix}-{service}-{lease}".replace(".", "-").replace("_", "-")


def _now() -> str:
    """For people only."""
    return identity.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
