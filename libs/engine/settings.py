"""Everything an operator can set, read once from the environment.

A wrong environment stops the process at once, with one sentence that says what is allowed; nothing is ignored in
silence. Values that hold credentials are `Secret`s: they print masked, and may name a mounted file that is read again
when it changes.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from libs.engine.tls import Tls

Role = Literal["api", "worker", "web", "operation", "migrate", "check"]
"""Purpose of a process: the word after `kehu <service>`. A worker starts an `operation` by itself."""

PREFIX = "KEHU_"

OTHERS = ("KEHU_TOKEN", "KEHU_TENANT", "KEHU_MANAGEMENT_URI", "KEHU_REFERENCE_DATA", "KEHU_CRASH_AT")
"""Names that the client, the tests or the local stack read. A service accepts them and takes no notice."""

CLEAN_UP = 4.0
"""Seconds at the end of a process for what comes after its work: closing connections, sending the last spans."""

OTHER_PREFIXES = ("KEHU_TARGET_", "KEHU_TEST_")


def concerns_services(name: str) -> bool:
    """True for an environment variable that a service reads, or refuses to start because of."""
    return name.startswith(PREFIX) and name not in OTHERS and not name.startswith(OTHER_PREFIXES)


class SettingsError(ValueError):
    """The environment cannot be used. The message is one sentence for the operator."""


class Secret:
    """A credential: given as it is, or as `file:<path>` of a mounted file."""

    def __init__(self, given: str) -> None:
        self._path = Path(given.removeprefix("file:")) if given.startswith("file:") else None
        self._value = given
        self._stamp = (0, 0)
        self._lock = threading.Lock()

    def read(self) -> str:
        """The value now. A file is read again when its time or size changed. OSError when the file is gone."""
        if self._path is None:
            return self._value
        with self._lock:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                self._value = self._path.read_text(encoding="utf-8").strip()
                self._stamp = stamp
            return self._value

    def __str__(self) -> str:
        """The value with its credentials masked. A file is named, not shown."""
        if self._path is not None:
            return f"file:{self._path}"
        parts = urlsplit(self._value)
        if not parts.scheme or not parts.netloc:
            return "***" if self._value else ""
        _, at, address = parts.netloc.rpartition("@")
        return urlunsplit((parts.scheme, f"***{at}{address}" if at else address, parts.path, "", ""))

    __repr__ = __str__

    def __bool__(self) -> bool:
        return bool(self._value)


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) < 65536):
        raise ValueError
    return text


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise ValueError
    return path


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError
    return path


def _mongodb(text: str) -> Secret:
    return _uri(text, "mongodb://", "mongodb+srv://")


def _amqp(text: str) -> Secret:
    return _uri(text, "amqp://", "amqps://")


def _uri(text: str, *schemes: str) -> Secret:
    if not text.startswith((*schemes, "file:")):
        raise ValueError
    return Secret(text)


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise ValueError
        return value

    return parse


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError
        return text

    return parse


def _dns_prefix(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,98}[a-z0-9])?", text):
        raise ValueError
    return text


def _yes_or_no(text: str) -> bool:
    return {"yes": True, "no": False}[text]


def _from(parse: Callable[[str], object], allowed: str, *, needed_by: tuple[Role, ...] = ()) -> Mapping[str, Any]:
    """The reader of a field's text, its allowed values, and the roles that cannot do without it."""
    return {"parse": parse, "allowed": allowed, "needed_by": needed_by}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process. The field `x` is read from `KEHU_X`."""

    mongodb_uri: Secret = field(
        default=Secret(""),
        metadata=_from(
            _mongodb,
            "mongodb://… of a replica set, or file:<path>",
            needed_by=("api", "worker", "web", "operation", "migrate", "check"),
        ),
    )
    """Address of the database, with credentials. Secret."""
    amqp_uri: Secret = field(
        default=Secret(""),
        metadata=_from(_amqp, "amqp://user:password@host:port/vhost, or file:<path>", needed_by=("worker", "migrate")),
    )
    """Address of the broker, with credentials. Secret."""
    listen: str = field(default="127.0.0.1:50051", metadata=_from(_address, "host:port"))
    """Address of the gRPC server, or of the pages of a web process. Port 0 takes a free one."""
    admin_listen: str = field(default="127.0.0.1:9090", metadata=_from(_address, "host:port"))
    """Address of /livez, /readyz and /metrics. Port 0 takes a free one."""
    token_keys: Path = field(
        default=Path(),
        metadata=_from(
            _folder,
            "a folder with <key id>.pub.pem files, page.key and seal.key",
            needed_by=("api", "worker", "web", "operation"),
        ),
    )
    """Folder of the public keys that access tokens are verified with, and of the keys of page tokens and personal
    values."""
    token_issuer: str = field(default="kehu", metadata=_from(str, "text"))
    """The `iss` that an access token must carry."""
    log_level: str = field(
        default="info",
        metadata=_from(_one_of("debug", "info", "warning", "error"), "debug, info, warning or error"),
    )
    """The least severe lines that are written."""
    threads: int = field(default=16, metadata=_from(_whole(1, 256), "a whole number from 1 to 256"))
    """Unary calls that one api process works on at a time, half of them for one tenant at most. More of them wait or
    are refused."""
    streams: int = field(default=200, metadata=_from(_whole(1, 10_000), "a whole number from 1 to 10000"))
    """Streaming calls that one api process holds open at a time, each on a thread of its own, half of them for one
    tenant at most; more are refused."""
    tenant_rate: int = field(default=5000, metadata=_from(_whole(0, 1_000_000), "a whole number from 0 to 1000000"))
    """Calls per second that one api process takes from one tenant, bursts of twice as many. 0 means no limit."""
    drain_seconds: int = field(default=5, metadata=_from(_whole(0, 60), "a whole number from 0 to 60"))
    """Seconds between "not ready" and the end of service, in which load balancers learn of it."""
    grace_seconds: int = field(default=20, metadata=_from(_whole(0, 600), "a whole number from 0 to 600"))
    """Seconds that calls, handlers and operations in flight have to end when the process is asked to."""
    connection_age_seconds: int = field(
        default=300, metadata=_from(_whole(1, 86_400), "a whole number from 1 to 86400")
    )
    """Seconds after which a client has to connect again, so that a new api process gets its share of calls."""
    lease: str = field(default="mongodb", metadata=_from(_one_of("mongodb", "kubernetes"), "mongodb or kubernetes"))
    """Place of the leases of workers: a document of their database, or a Lease of their cluster."""
    lease_prefix: str = field(
        default="kehu",
        metadata=_from(_dns_prefix, "lower case letters, digits and dashes, as in the name of a Kubernetes object"),
    )
    """Beginning of the names of Leases in a cluster: `<prefix>-<service>-<lease>`."""
    tls_certificate: Path | None = field(
        default=None, metadata=_from(_file, "a PEM file with a certificate and those between it and its authority")
    )
    """The certificate of this process: the gRPC server serves TLS with it, and other services are called with it."""
    tls_key: Path | None = field(
        default=None, metadata=_from(_file, "a PEM file with the private key of KEHU_TLS_CERTIFICATE")
    )
    """The private key of the certificate."""
    tls_authorities: Path | None = field(
        default=None, metadata=_from(_file, "a PEM file with the certificates of authorities")
    )
    """Authorities that are believed about other services and about clients."""
    tls_clients: str = field(default="anybody", metadata=_from(_one_of("anybody", "certified"), "anybody or certified"))
    """Connections that the gRPC server takes: from anybody, or from clients with a certificate of `tls_authorities`."""
    reflection: bool = field(default=True, metadata=_from(_yes_or_no, "yes or no"))
    """True when the gRPC server describes its services to everybody who asks."""
    trace_endpoint: str = field(default="", metadata=_from(str, "the URL of an OTLP/gRPC collector"))
    """Collector of the spans of an api process. Without it, and in a worker, trace ids are passed on and not
    recorded."""
    web_https: bool = field(default=True, metadata=_from(_yes_or_no, "yes or no"))
    """True when people reach the pages of a web process over https, through a proxy that ends TLS or without."""
    web_proxies: int = field(default=0, metadata=_from(_whole(0, 5), "a whole number from 0 to 5"))
    """Proxies before a web process that add the address of whoever asks to X-Forwarded-For."""
    web_rate: int = field(default=300, metadata=_from(_whole(0, 1_000_000), "a whole number from 0 to 1000000"))
    """Requests per minute that one web process takes from one address, half of them at once. 0 means no limit."""
    version: str = field(default="dev", metadata=_from(str, "text"))
    """The release that this process is of, as the image says."""
    revision: str = field(default="unknown", metadata=_from(str, "text"))
    """The commit that the release was built from, as the image says."""

    @classmethod
    def read(cls, role: Role, environ: Mapping[str, str] | None = None) -> Settings:
        """Reads the environment for a process of this role. SettingsError when it cannot be used."""
        environ = os.environ if environ is None else environ
        known = {PREFIX + f.name.upper(): f for f in fields(cls)}
        unknown = sorted(name for name in environ if concerns_services(name) and name not in known)
        if unknown:
            raise SettingsError(f"unknown {', '.join(unknown)}; allowed are {', '.join(known)}")
        values: dict[str, Any] = {}
        for name, declared in known.items():
            text = environ.get(name, "").strip()
            if text:
                try:
                    values[declared.name] = declared.metadata["parse"](text)
                except (ValueError, KeyError):
                    shown = str(Secret(text)) if isinstance(declared.default, Secret) else repr(text)
                    raise SettingsError(f"{name} is {shown}; allowed is {declared.metadata['allowed']}") from None
            elif role in declared.metadata["needed_by"]:
                raise SettingsError(f"{name} is missing; the {role} role needs {declared.metadata['allowed']}")
        return cls(**values)

    @property
    def tls(self) -> Tls | None:
        """The identity that the process serves TLS with. None when it serves without."""
        if self.tls_certificate is None and self.tls_key is None:
            return None
        return Tls(certificate=self.tls_certificate, key=self.tls_key, authorities=self.tls_authorities)

    @property
    def stop_budget(self) -> float:
        """Seconds after which a process that was asked to end does so, whatever it has left to do. Whoever runs it may
        kill it one second later."""
        return self.drain_seconds + self.grace_seconds + CLEAN_UP

    def describe(self) -> dict[str, str]:
        """Name → value as text, credentials masked: what a process logs when it starts."""
        return {PREFIX + f.name.upper(): str(getattr(self, f.name)) for f in fields(self)}


def api_server(environ: Mapping[str, str] | None = None) -> tuple[str, int]:
    """(host, port) of the API server of the cluster that this process runs in, as Kubernetes tells every container.
    SettingsError outside of a cluster."""
    environ = os.environ if environ is None else environ
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise SettingsError("KEHU_LEASE is kubernetes, but this process runs in no cluster; set it to mongodb")
    return host, int(port)
