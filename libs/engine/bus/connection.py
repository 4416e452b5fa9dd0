"""One way to connect to RabbitMQ: nothing waits without a limit, and a dead peer is noticed."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import amqp
from amqp.transport import SSLTransport, TCPTransport

from libs.engine.settings import SettingsError

HEARTBEAT: Final = 10
"""Seconds between heartbeats. The peer is given up after two of them without a byte."""
CONNECT_TIMEOUT: Final = 5.0
"""Seconds for the TCP connection and for each step of the handshake."""
IO_TIMEOUT: Final = 10.0
"""Seconds that a write, or the reply to a synchronous method, may take."""
CLOSE_TIMEOUT: Final = 2.0
"""Seconds that a polite goodbye may take: a frozen peer never answers one."""
_READ_AHEAD: Final = 16 * 1024

BUS_ERRORS: Final = (amqp.AMQPError, OSError)
"""Errors of a connection that is lost or in doubt: drop it and make another one."""


class _Coalescing:
    """Additions to both transports: writes gathered into one, reads ahead, and a timeout on the socket.

    SO_RCVTIMEO, which py-amqp sets, has no effect on the non-blocking sockets of eventlet; `settimeout` works on both.
    """

    _gathered: bytearray | None = None

    def _init_socket(self, *arguments: Any) -> None:
        super()._init_socket(*arguments)  # type: ignore[misc]
        self.sock: Any
        self.sock.settimeout(IO_TIMEOUT)

    def write(self, frame: bytes | memoryview) -> None:
        if self._gathered is None:
            super().write(frame)  # type: ignore[misc]
        else:
            self._gathered += frame

    def gather(self) -> None:
        """Hold back what is written from now on."""
        self._gathered = bytearray()

    def flush(self) -> None:
        """Write what was held back, at once."""
        gathered, self._gathered = self._gathered, None
        if gathered:
            super().write(gathered)  # type: ignore[misc]


class _TcpTransport(_Coalescing, TCPTransport):  # type: ignore[misc]
    def _setup_transport(self) -> None:
        super()._setup_transport()
        receive = self.sock.recv
        # py-amqp asks for the 7 bytes of a frame's header, then for its body: nine system calls for one message.
        self._quick_recv = lambda wanted: receive(max(wanted, _READ_AHEAD))


class _TlsTransport(_Coalescing, SSLTransport):  # type: ignore[misc]
    """TLS already reads whole records ahead."""


class _Connection(amqp.Connection):  # type: ignore[misc]
    def Transport(self, host: str, connect_timeout: float, ssl: Any = False, *_: Any, **options: Any) -> Any:  # noqa: N802
        options |= {"connect_timeout": connect_timeout}
        return _TlsTransport(host, ssl=ssl, **options) if ssl else _TcpTransport(host, **options)


def connect(uri: str, *, name: str, on_blocked: Callable[[str], None] | None = None) -> amqp.Connection:
    """An open connection to the broker at `uri` (`amqp://user:password@host:port/vhost`, or `amqps`).

    With `amqps`, the parameters `cacertfile`, `certfile` and `keyfile` of the address name PEM files: whom to believe,
    and what to show. They are read for every connection, so a replaced file counts from the next one on.

    `name` is what operators see in the broker's list. `on_blocked` is called when the broker stops reading from
    publishers because it is short of memory or disk. Raises one of `BUS_ERRORS`.
    """
    parts = urlsplit(uri)
    if parts.scheme not in ("amqp", "amqps"):
        raise SettingsError(f"the address of the broker starts with amqp:// or amqps://, not {parts.scheme!r}")
    secure = parts.scheme == "amqps"
    connection = _Connection(
        host=f"{parts.hostname or 'localhost'}:{parts.port or (5671 if secure else 5672)}",
        userid=unquote(parts.username or "guest"),
        password=unquote(parts.password or "guest"),
        virtual_host=unquote(parts.path[1:]) or "/",
        ssl=_tls(parts) if secure else False,
        heartbeat=HEARTBEAT,
        connect_timeout=CONNECT_TIMEOUT,
        client_properties={"connection_name": name},
        on_blocked=on_blocked,
    )
    connection.connect()
    return connection


def _tls(parts: SplitResult) -> dict[str, Any]:
    named = dict(parse_qsl(parts.query))
    files = {"ca_certs": "cacertfile", "certfile": "certfile", "keyfile": "keyfile"}
    return {
        "server_hostname": parts.hostname,
        "cert_reqs": ssl.CERT_REQUIRED,
        **{ours: named[theirs] for ours, theirs in files.items() if theirs in named},
    }


def body_of(message: amqp.Message) -> bytes:
    """The body as it was sent, where py-amqp makes a text of an empty one."""
    return bytes(message.body or b"")


def tick(connection: amqp.Connection) -> None:
    """Reads whatever has arrived and keeps the heartbeat: at least every few seconds on an idle connection."""
    with contextlib.suppress(TimeoutError):
        while True:
            # Not 0: half a frame would make py-amqp spin until the rest arrives.
            connection.drain_events(timeout=0.001)
    connection.heartbeat_tick()


def close(connection: amqp.Connection | None) -> None:
    """Says goodbye within `CLOSE_TIMEOUT`, then hangs up. Unacknowledged messages go back to their queues."""
    if connection is None:
        return
    # Losing a connection while closing it is what closing is for; one that the broker left still has its socket.
    with contextlib.suppress(*BUS_ERRORS):
        if connection.connected:
            connection.sock.settimeout(CLOSE_TIMEOUT)
            connection.close()
    connection.collect()
