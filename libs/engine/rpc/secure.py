"""TLS of calls, for servers and channels.

Connections that are made after a file was replaced use the new one. The age of connections bounds the life of the rest.
An authority that is replaced has to be believed for as long, beside the new one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

import grpc

from libs.engine import logs
from libs.engine.tls import VARIABLES, CertificateUnusable, Tls

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the files of a channel."""

log = logs.get(__name__)


def server_credentials(tls: Tls, *, clients: bool) -> grpc.ServerCredentials:
    """The credentials of a server, which asks its files before every handshake.

    With `clients`, nobody connects without a certificate that the authorities vouch for. CertificateUnusable when the
    files cannot be used now; when that happens later, the old certificate stays.
    """
    if clients and tls.authorities is None:
        raise CertificateUnusable(f"{VARIABLES['authorities']} is missing: it says whose clients may connect")
    seen, lock = tls.stamp() if _readable(tls) else (), threading.Lock()

    def configuration() -> Any:
        pem = tls.read()
        if pem.key is None or pem.certificate is None:
            raise CertificateUnusable(f"{VARIABLES['certificate']} and {VARIABLES['key']} are missing")
        authorities = pem.authorities if clients else None
        return grpc.ssl_server_certificate_configuration([(pem.key, pem.certificate)], authorities)

    def changed() -> Any:
        nonlocal seen
        with lock:
            try:
                now = tls.stamp()
                if now == seen:
                    return None
                made, seen = configuration(), now
            except (OSError, CertificateUnusable) as error:
                log.warning("the new certificate cannot be used, so the old one stays", error=str(error))
                return None
        log.info("took up a new certificate")
        return made

    return grpc.dynamic_ssl_server_credentials(configuration(), changed, clients)


def _readable(tls: Tls) -> bool:
    try:
        tls.stamp()
    except OSError:
        return False
    return True


def channel(tls: Tls, connect: Callable[[grpc.ChannelCredentials], grpc.Channel]) -> grpc.Channel:
    """A channel that `connect` makes, and makes anew when the files have changed."""
    return _Renewed(tls, connect)


class _Renewed(grpc.Channel):
    """A channel over the one of the moment. What is in flight ends on the channel that it began on."""

    def __init__(self, tls: Tls, connect: Callable[[grpc.ChannelCredentials], grpc.Channel]) -> None:
        self._tls = tls
        self._connect = connect
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._stamp = tls.stamp() if _readable(tls) else ()
        self._former: grpc.Channel | None = None
        self._watchers: list[tuple[Any, bool]] = []
        self._channel = self._made()

    def current(self) -> grpc.Channel:
        """Returns the channel for a call that begins now."""
        with self._lock:
            if time.monotonic() - self._looked >= LOOK_EVERY:
                self._looked = time.monotonic()
                self._look()
            return self._channel

    def _look(self) -> None:
        try:
            now = self._tls.stamp()
            if now == self._stamp:
                return
            fresh, self._stamp = self._made(), now
        except (OSError, CertificateUnusable) as error:
            log.warning("the new certificate cannot be used, so the old one stays", error=str(error))
            return
        if self._former is not None:
            self._former.close()
        self._former, self._channel = self._channel, fresh
        for watcher, connecting in self._watchers:
            fresh.subscribe(watcher, connecting)

    def _made(self) -> grpc.Channel:
        pem = self._tls.read()
        return self._connect(grpc.ssl_channel_credentials(pem.authorities, pem.key, pem.certificate))

    def subscribe(self, callback: Any, try_to_connect: bool = False) -> None:
        """See grpc.Channel."""
        self._watchers.append((callback, try_to_connect))
        self._channel.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Any) -> None:
        """See grpc.Channel."""
        self._watchers = [each for each in self._watchers if each[0] is not callback]
        self._channel.unsubscribe(callback)

    def unary_unary(self, *arguments: Any, **options: Any) -> Any:
        """See grpc.Channel."""
        return _Renewing(self, "unary_unary", arguments, options)

    def unary_stream(self, *arguments: Any, **options: Any) -> Any:
        """See grpc.Channel."""
        return _Renewing(self, "unary_stream", arguments, options)

    def stream_unary(self, *arguments: Any, **options: Any) -> Any:
        """See grpc.Channel."""
        return _Renewing(self, "stream_unary", arguments, options)

    def stream_stream(self, *arguments: Any, **options: Any) -> Any:
        """See grpc.Channel."""
        return _Renewing(self, "stream_stream", arguments, options)

    def close(self) -> None:
        """Closes the channel. Calls under way are cancelled."""
        for each in (self._channel, self._former):
            if each is not None:
                each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Renewing:
    """A method of a channel that may be another one at the next call."""

    def __init__(self, channel: _Renewed, kind: str, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        self._channel, self._kind, self._arguments, self._options = channel, kind, arguments, options
        self._of: grpc.Channel | None = None
        self._method: Any = None

    def _now(self) -> Any:
        current = self._channel.current()
        if current is not self._of:
            self._method, self._of = getattr(current, self._kind)(*self._arguments, **self._options), current
        return self._method

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._now()(*arguments, **options)

    def with_call(self, *arguments: Any, **options: Any) -> Any:
        """See grpc.UnaryUnaryMultiCallable."""
        return self._now().with_call(*arguments, **options)

    def future(self, *arguments: Any, **options: Any) -> Any:
        """See grpc.UnaryUnaryMultiCallable."""
        return self._now().future(*arguments, **options)
