"""Addresses of the services, their store and their bus, and the credentials of this user.

Every answer comes from the environment first (KEHU_TARGET_<SERVICE>, KEHU_TOKEN, KEHU_TENANT, KEHU_MONGODB_URI,
KEHU_AMQP_URI, KEHU_MANAGEMENT_URI, KEHU_TOKEN_KEYS, KEHU_TLS_…), then from `build/run/stack.json`, which `make up`
writes for the local stack.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from libs.engine.tls import VARIABLES, Tls
from libs.registry import SERVICES, target_variable

FILE = Path(__file__).resolve().parents[2] / "build" / "run" / "stack.json"

DEFAULT_TENANT = "demo"


class StackUnknown(Exception):
    """Nothing says where something is. The message says how to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Known addresses and credentials. Properties raise StackUnknown when something is missing."""

    targets: Mapping[str, str] = field(default_factory=dict)
    """Service → gRPC address."""
    admin: Mapping[str, str] = field(default_factory=dict)
    """Process (`profiles.api`) → address of its `/readyz`. Only known for the local stack."""
    known: Mapping[str, str] = field(default_factory=dict)
    """The names of `_VARIABLES`, as far as they are known."""

    @classmethod
    def find(cls, environ: Mapping[str, str] | None = None, file: Path = FILE) -> Stack:
        """Returns what the environment and the local stack say."""
        environ = os.environ if environ is None else environ
        local = json.loads(file.read_text()) if file.exists() else {}
        if environ.get("KEHU_AMQP_URI"):
            local.pop("management_uri", None)  # it belongs to another broker
        elsewhere = {service: target for service in SERVICES if (target := environ.get(target_variable(service), ""))}
        return cls(
            targets={**local.get("targets", {}), **elsewhere},
            admin={
                name: f"127.0.0.1:{port}"
                for name, port in local.get("ports", {}).items()
                if name.endswith((".api", ".worker", ".web")) and name.partition(".")[0] not in elsewhere
            },
            known={
                name: value
                for name, variable in _VARIABLES.items()
                if (value := environ.get(variable) or local.get(name))
            },
        )

    @property
    def tls(self) -> Tls | None:
        """The files that calls are made with. None where services serve without TLS."""
        return Tls.of({VARIABLES[name]: self.known[f"tls_{name}"] for name in VARIABLES if f"tls_{name}" in self.known})

    def target(self, service: str) -> str:
        """The gRPC address of a service."""
        try:
            return self.targets[service]
        except KeyError:
            raise StackUnknown(
                f"it is not known where {service} is: start the local stack with `make up`, "
                f"or set {target_variable(service)}=host:port"
            ) from None

    @property
    def tenant(self) -> str:
        """The tenant of access tokens that are issued here."""
        return self.known.get("tenant", DEFAULT_TENANT)

    @property
    def token(self) -> str:
        """KEHU_TOKEN, or an access token of the local stack's development key that may do everything for an hour."""
        return self.known.get("token") or self.issue(self.tenant, ["*"], timedelta(hours=1))

    @property
    def token_tenant(self) -> str:
        """The tenant whose data the access token opens."""
        import jwt

        return str(jwt.decode(self.token, options={"verify_signature": False}).get("tenant", ""))

    @property
    def keys(self) -> Path:
        """The folder of the keys that access tokens are signed with."""
        return Path(self._get("token_keys"))

    @property
    def mongodb_uri(self) -> str:
        """Address of the store, with credentials."""
        return self._get("mongodb_uri")

    @property
    def amqp_uri(self) -> str:
        """Address of the bus, with credentials."""
        return self._get("amqp_uri")

    @property
    def management_uri(self) -> str:
        """Address of RabbitMQ's management API, with credentials."""
        return self._get("management_uri")

    def issue(self, tenant: str, scopes: list[str], lifetime: timedelta, *, subject: str = "developer") -> str:
        """Returns an access token signed with the development key. StackUnknown when there is none here."""
        from libs.engine import access

        try:
            return access.issue(self.keys, subject=subject, tenant=tenant, scopes=scopes, lifetime=lifetime)
        except (StackUnknown, FileNotFoundError):
            raise StackUnknown(
                "there is no token: set KEHU_TOKEN, or start the local stack (`make up`), which makes a development key"
            ) from None

    def _get(self, name: str) -> str:
        try:
            return self.known[name]
        except KeyError:
            raise StackUnknown(
                f"{_VARIABLES[name]} is not set and there is no local stack: start one with `make up`, or set it"
            ) from None


_VARIABLES = {
    "token": "KEHU_TOKEN",
    "tenant": "KEHU_TENANT",
    "mongodb_uri": "KEHU_MONGODB_URI",
    "amqp_uri": "KEHU_AMQP_URI",
    "management_uri": "KEHU_MANAGEMENT_URI",
    "token_keys": "KEHU_TOKEN_KEYS",
    **{f"tls_{name}": variable for name, variable in VARIABLES.items()},
}
