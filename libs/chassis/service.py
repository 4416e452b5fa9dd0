"""The parts of a service, brought together by its composition root."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from libs.chassis.inbox import Subscription
from libs.chassis.operations import OperationKind
from libs.chassis.store import Database
from libs.chassis.timers import Timer

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

S = TypeVar("S")

Servicer = tuple[Callable[[Any, Any], None], object]
"""A generated `add_XServicer_to_server` and the servicer that it adds."""


@dataclass(frozen=True, kw_only=True)
class Service(Generic[S]):
    """The parts that a composition root brings together. Imports of grpc belong inside `servicers`."""

    name: str
    """Folder, database, exchange and metric label."""
    store: Callable[[Database], S]
    """Declares the collections."""
    servicers: Callable[[S], Sequence[Servicer]]
    """The gRPC services of the areas, made in an api process only. Journal and operations are added to them."""
    subscriptions: Callable[[S], Sequence[Subscription]] = lambda _: ()
    """Reactions of the service, asked for in every role but api."""
    timers: Callable[[S], Sequence[Timer[Any]]] = lambda _: ()
    """Timers of the service, asked for in a worker only."""
    web: Callable[[S, bytes], WSGIApplication] | None = None
    """The pages that the service serves to people outside, made in a web process only. The key is for signatures."""
    operations: Callable[[S], Sequence[OperationKind[Any, Any]]] | None = None
    """The long work of the service, asked for in the child process that does it."""
