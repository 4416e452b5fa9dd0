"""`Client`: one object, one attribute per service, one connection each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from threading import Lock
from types import TracebackType
from typing import Self

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from libs.client.calls import Caller, Token
from libs.client.channel import connect
from libs.client.retry import Retry
from libs.client.service import Service
from libs.client.stack import Stack
from libs.engine.tls import Tls
from libs.registry import SERVICES

COMMON = ("kehu.common.v1.journal_pb2", "kehu.common.v1.operation_pb2")
"""Modules of the gRPC services that every service serves."""


class Client:
    """Speaks to the services for the tenant that the access token names. Thread safe, and meant to be kept.

    Every service of the registry is an attribute: `client.profiles`, `client.interactions`, … It connects when it is
    first used, so only services that are called have to be known. `targets` maps service names to addresses
    (`{"profiles": "dns:///profiles:50051"}`); what is absent there is taken from KEHU_TARGET_<SERVICE> or the local
    stack. `timeout` is the time in seconds for one call with all its retries; bulk calls get 30, and every call takes
    its own `timeout=`. `tls` names files with the authorities to believe and perhaps a certificate to show; they are
    read again when they change. Without it KEHU_TLS_AUTHORITIES decides, or the local stack.
    """

    def __init__(
        self,
        targets: Mapping[str, str] | None = None,
        *,
        token: Token = "",
        timeout: float = 10.0,
        retry: Retry | None = None,
        tls: Tls | None = None,
        channel: Callable[[str], grpc.Channel] | None = None,
    ) -> None:
        self._stack = Stack.find()
        self.targets = {**self._stack.targets, **(targets or {})}
        """Service → address, as far as it is known."""
        self._token = token or self._stack.token
        self._timeout = timeout
        self._retry = retry or Retry()
        self._connect = channel or partial(connect, tls=tls or self._stack.tls)
        self._channels: dict[str, grpc.Channel] = {}
        self._lock = Lock()

    def __getattr__(self, name: str) -> Service:
        if name not in SERVICES:
            raise AttributeError(f"{name!r} is no service; there are {', '.join(SERVICES)}")
        with self._lock:
            if name not in self.__dict__:
                channel = self._connect(self.targets.get(name) or self._stack.target(name))
                caller = Caller(channel, token=self._token, timeout=self._timeout, retry=self._retry)
                self._channels[name] = channel
                self.__dict__[name] = Service(name, descriptors(name), caller)
        service: Service = self.__dict__[name]
        return service

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *SERVICES]

    def close(self) -> None:
        """Closes the connections. Calls under way are cancelled."""
        for channel in self._channels.values():
            channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def descriptors(name: str) -> list[ServiceDescriptor]:
    """The gRPC services of a service: those of its own package, and those that every service serves."""
    package = import_module(f"kehu.{name}.v1")
    own = {f"{package.__name__}.{each.name}" for each in iter_modules(package.__path__) if each.name.endswith("_pb2")}
    modules = [import_module(each) for each in (*sorted(own), *COMMON)]
    return [service for module in modules for service in module.DESCRIPTOR.services_by_name.values()]
