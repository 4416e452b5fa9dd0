"""`Client`: one object, one attribute per service, one connection each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import TracebackType
from typing import Self

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from libs.chassis.rpc.channel import connect
from libs.client.calls import Caller, Token
from libs.client.retry import Retry
from libs.client.service import Service
from libs.client.stack import Stack

SERVICES = ("profiles", "interactions")
COMMON = ("kehu.common.v1.journal_pb2", "kehu.common.v1.operation_pb2")
"""Modules of the gRPC services that every service serves."""


class Client:
    """Speaks to the services for the tenant that the token names; thread safe, and meant to be kept.

    `targets` maps service names to addresses (`{"profiles": "dns:///profiles:50051"}`); what is absent there is taken
    from KEHU_TARGET_<SERVICE> or the local stack. `timeout` is the time in seconds for one
    call with all its retries; bulk calls get 30, and every call takes its own `timeout=`.
    """

    profiles: Service
    """Customers, consents, duplicates, purchases."""
    interactions: Service
    """Contacts on every channel, promises, the context of a customer."""

    def __init__(
        self,
        targets: Mapping[str, str] | None = None,
        *,
        token: Token = "",
        timeout: float = 10.0,
        retry: Retry | None = None,
        channel: Callable[[str], grpc.Channel] = connect,
    ) -> None:
        stack = Stack.find()
        self.targets = {name: (targets or {}).get(name) or stack.target(name) for name in SERVICES}
        self._channels: dict[str, grpc.Channel] = {}
        for name, target in self.targets.items():
            self._channels[name] = channel(target)
            caller = Caller(self._channels[name], token=token or stack.token, timeout=timeout, retry=retry or Retry())
            setattr(self, name, Service(name, descriptors(name), caller))

    def close(self) -> None:
        """Closes the connections; calls under way are cancelled."""
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
    own = [f"{package.__name__}.{each.name}" for each in iter_modules(package.__path__) if each.name.endswith("_pb2")]
    modules = [import_module(each) for each in (*sorted(own), *COMMON)]
    return [service for module in modules for service in module.DESCRIPTOR.services_by_name.values()]
