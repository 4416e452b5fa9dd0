"""The methods of all gRPC services of a service side by side, as its client offers them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.message import Message

from libs.chassis import context
from libs.engine.rpc.shown import Exit


class Methods:
    """The methods of servicers, as attributes. Responses are masked as at the exit of a server."""

    def __init__(self, servicers: Iterable[tuple[Callable[[Any, Any], None], object]]) -> None:
        self._servicers = [servicer for _, servicer in servicers]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        for servicer in self._servicers:
            if name in vars(type(servicer)):
                return _at_the_exit(getattr(servicer, name), exit_of(type(servicer), name))
        raise AttributeError(f"no servicer has the method {name}")


def _at_the_exit(method: Callable[..., Any], shown: Exit) -> Callable[..., Any]:
    def call(request: Any, *rest: Any) -> Any:
        response, scopes = method(request, *rest), context.current().scopes
        if isinstance(response, Message):
            return shown(response, scopes, request if isinstance(request, Message) else None)
        return _each(response, scopes)

    def _each(responses: Iterator[Any], scopes: frozenset[str]) -> Iterator[Any]:
        for response in responses:
            yield shown(response, scopes)

    return call


@cache
def exit_of(servicer: type, name: str) -> Exit:
    """The exit of a method of a servicer, found by the generated class that it fills in."""
    for base in inspect.getmro(servicer)[1:]:
        if base.__module__.endswith("_pb2_grpc"):
            package = base.__module__.removesuffix("_pb2_grpc").rpartition(".")[0]
            service = f"{package}.{base.__name__.removesuffix('Servicer')}"
            return Exit(descriptor_pool.Default().FindServiceByName(service).methods_by_name[name])
    raise TypeError(f"{servicer.__name__} fills in no generated servicer")
