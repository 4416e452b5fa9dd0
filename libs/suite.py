"""The services as their code composes them: for tools above the services, which ask what each stores and reacts to."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from libs.engine.bus import Route


def composition(service: str) -> Any:
    """Returns the `Service` that the composition root of a service defines."""
    return import_module(f"services.{service}.__main__").SERVICE


def routes(service: str) -> list[Route]:
    """Returns what the broker must provide for everything that a service consumes, its journal included."""
    from libs.engine.bus import Route
    from libs.engine.inbox.decoding import route_of
    from libs.engine.journal import SUBSCRIPTION
    from libs.engine.store.memory import MemoryDatabase

    described = composition(service)
    subscriptions = described.subscriptions(described.store(MemoryDatabase(service)))
    journal = Route(name=SUBSCRIPTION, keys={service: ["#"]}, partitions=1, ordered=True)
    return [*(route_of(subscription) for subscription in subscriptions), journal]
