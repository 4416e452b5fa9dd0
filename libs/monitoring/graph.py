"""The graph of subscriptions between services, read from what they declare."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from libs.engine.bus.topology import dead_queue
from libs.registry import SERVICES
from libs.suite import routes


@dataclass(frozen=True, slots=True)
class Edge:
    """One subscription of one service."""

    service: str
    subscription: str
    sources: tuple[str, ...]
    """Services whose events it takes."""
    queues: tuple[str, ...]
    dead: str
    """The queue of what it parked."""


def edges() -> Iterator[Edge]:
    """Every subscription of every service, the journals included."""
    for service in SERVICES:
        for route in routes(service):
            yield Edge(
                service,
                route.name,
                tuple(sorted(route.keys)),
                tuple(route.queues(service)),
                dead_queue(service, route.name),
            )
