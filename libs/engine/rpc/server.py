"""The gRPC server of a service: servicers behind the chain, health, reflection, and an orderly end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import descriptor_pool

from libs.chassis import validation
from libs.engine import metrics
from libs.engine.access import Verifier
from libs.engine.rpc import observe
from libs.engine.rpc.answer import SEND_LIMIT
from libs.engine.rpc.call import Method, describe
from libs.engine.rpc.chain import Chain
from libs.engine.rpc.limit import Limiter
from libs.engine.rpc.pools import Pool
from libs.engine.rpc.public import Health, Reflection
from libs.engine.rpc.secure import server_credentials
from libs.engine.settings import Settings, SettingsError
from libs.engine.tls import CertificateUnusable

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]

AddToServer = Callable[[Any, Any], None]
"""A generated `add_XServicer_to_server`."""

LIVENESS = "liveness"
READINESS = "readiness"
"""Names that the health service answers to, beside the services' own and the empty one."""

RECEIVE_LIMIT = 1024 * 1024
METADATA_LIMIT = 8 * 1024
"""Bytes of a request, and of the metadata of a call."""

OPTIONS = (
    # Without this a forgotten server on the same port does not fail the next one but takes half of its calls.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", RECEIVE_LIMIT),
    ("grpc.max_send_message_length", SEND_LIMIT),
    ("grpc.max_metadata_size", METADATA_LIMIT),
    ("grpc.absolute_max_metadata_size", 2 * METADATA_LIMIT),
    ("grpc.max_concurrent_streams", 1000),
    # Longer than any call may take: an old connection ends when its last call has.
    ("grpc.max_connection_age_grace_ms", 60_000),
    # A dead peer is noticed; one that pings more often than every 10 s is sent away.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 3),
)


class Server:
    """Serves `servicers`, each given with its generated function. Refuses to be made while a method is undeclared.

    `service` stands in the scopes of methods that several services serve.
    """

    def __init__(
        self, settings: Settings, servicers: Iterable[tuple[AddToServer, object]], *, service: str = ""
    ) -> None:
        self._settings = settings
        self._unary = Pool("unary", settings.threads, observe.end)
        self._streams = Pool("stream", settings.streams, observe.end)
        self._limiter = Limiter(self._unary, self._streams, settings.tenant_rate)
        registered = _Registered(service)
        for add, servicer in servicers:
            # Generated code imports the messages that it names, not the file that declares the service.
            import_module(add.__module__.removesuffix("_grpc"))
            add(servicer, registered)
        self.methods = tuple(registered.methods)
        """The methods that are served."""
        validation.warm({method.request for method in self.methods})
        verifier = Verifier(settings.token_keys, issuer=settings.token_issuer)
        self._chain = Chain(
            self.methods,
            verifier=verifier,
            unary=self._unary,
            streams=self._streams,
            limiter=self._limiter,
            certified=settings.tls_clients == "certified",
        )
        age = ("grpc.max_connection_age_ms", settings.connection_age_seconds * 1000)
        self._grpc = grpc.server(self._chain.reception, handlers=[self._chain], options=(*OPTIONS, age))
        self._services = sorted({method.service for method in self.methods})
        self._health = Health()
        self._reflection = Reflection(self._services, self._chain.reception)
        self._ready: bool | None = None
        self._draining = False
        self._readiness = threading.Lock()
        self._chain.publish(self._health.methods())
        if settings.reflection:
            self._chain.publish(self._reflection.methods())
        self.port = self._listen(settings)
        """The port that is listened on, also when 0 was asked for."""
        for pool in (self._unary, self._streams):
            metrics.RPC_IN_FLIGHT.labels(pool.name).set_function(partial(getattr, pool, "in_flight"))
        metrics.RPC_IN_FLIGHT.labels("receiving").set_function(partial(getattr, self._chain.reception, "waiting"))

    def _listen(self, settings: Settings) -> int:
        if settings.tls is None:
            if settings.tls_clients == "certified":
                raise SettingsError(
                    "KEHU_TLS_CLIENTS is certified, so KEHU_TLS_CERTIFICATE and KEHU_TLS_KEY are needed"
                )
            return int(self._grpc.add_insecure_port(settings.listen))
        try:
            credentials = server_credentials(settings.tls, clients=settings.tls_clients == "certified")
        except CertificateUnusable as problem:
            raise SettingsError(str(problem)) from problem
        return int(self._grpc.add_secure_port(settings.listen, credentials))

    def start(self) -> None:
        """Begins to serve, not yet ready: see `set_ready`."""
        self._health.set((LIVENESS,), serving=True)
        self.set_ready(False)
        self._chain.reception.start()
        self._grpc.start()

    def set_ready(self, ready: bool) -> None:
        """Tells load balancers whether to send calls. The calls that come are served anyway, see `refuse`.

        A server that drains stays not ready.
        """
        with self._readiness:
            if ready == self._ready or (ready and self._draining):
                return
            self._ready = ready
            self._health.set(("", READINESS, *self._services), serving=ready)

    def refuse(self, reason: str | None) -> None:
        """From now on answers every call with UNAVAILABLE and this reason, or none."""
        self._chain.closed = reason

    def drain(self, wait: float | None = None) -> None:
        """Ends the service without failing a call: not ready, wait (as set, or given in seconds), finish what runs.

        Streams end with UNAVAILABLE at once after the wait, because a watch would never end by itself.
        """
        self._draining = True
        self.set_ready(False)
        time.sleep(self._settings.drain_seconds if wait is None else wait)
        stopped = self._grpc.stop(self._settings.grace_seconds)
        self._chain.end_streams()
        stopped.wait()
        self._close()

    def stop(self) -> None:
        """Ends at once. Calls that run are cancelled."""
        self._grpc.stop(None)
        self._chain.end_streams()
        self._close()

    def _close(self) -> None:
        self._chain.close()
        self._reflection.close()
        self._unary.shutdown()
        self._streams.shutdown()


class _Registered:
    """Takes what a generated `add_XServicer_to_server` registers, and keeps it for the chain."""

    def __init__(self, service: str) -> None:
        self._service = service
        self.methods: list[Method] = []

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Not needed: the same handlers come by name."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Describes each method of the service by its descriptor."""
        declared = descriptor_pool.Default().FindServiceByName(service)
        for name, handler in handlers.items():
            self.methods.append(describe(declared.methods_by_name[name], _behavior(handler), self._service))


def _behavior(handler: Handler) -> Callable[..., Any]:
    """The servicer's own code behind a handler, which is under one of four names."""
    found = (handler.unary_unary, handler.unary_stream, handler.stream_unary, handler.stream_stream)
    return next(behavior for behavior in found if behavior is not None)
