"""Touches as tests plan and send them: rounds of the timers, and time that passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from kehu.care.v1 import touches_pb2 as pb
from kehu.profiles.v1 import events_pb2 as profiles
from kehu.profiles.v1 import merges_pb2

from libs.chassis import identity
from services.care.customers.domain.projection import Channel
from services.care.touches.application.firing import Firing
from services.care.touches.domain.touches import Touch
from tests.unit.care.conftest import NOW, Care, Provider, customer, pulse

DAY = timedelta(days=1)
BIRTHDAY = datetime(2026, 3, 3, 1, tzinfo=UTC)
"""Nine o'clock in Shanghai on the birthday of the customers of these tests."""


def due(world: Care, *channels: Channel) -> list[Touch]:
    found = world.store.touches.due(*(channels or tuple(Channel))).find(identity.now())
    return [each.entity for each in found if each.entity is not None]


def fire(world: Care, provider: Provider, **options: Any) -> None:
    """One round over everything that is due, as the timers do it."""
    Firing(world.store.touches, ports=lambda _: provider, **options).fire(due(world))


def touches(world: Care) -> list[Touch]:
    return sorted(world.store.touches.touches.find(None, limit=100), key=lambda each: each.planned_time)


def planned(world: Care) -> list[Touch]:
    world.tick("sweeps")
    world.tick("planning")
    return touches(world)


def go(world: Care, at: datetime, *, hear: bool = True) -> None:
    """Lets time pass, with signs of consent as they come every minute."""
    world.clock.at = at
    if hear:
        pulse(world)


def mailbox(number: int) -> dict[str, Any]:
    address = f"wang{number}@example.com"
    return {
        "type": "TYPE_EMAIL",
        "raw": address,
        "canonical": address,
        "primary": True,
        "status": "STATUS_ACTIVE",
        "verify_time": NOW - timedelta(days=900),
    }


def merge(world: Care, absorbed: str, survivor: str, revision: int = 9) -> None:
    told = customer(survivor, merged_ids=[absorbed])
    alias = merges_pb2.Alias(customer_id=absorbed, canonical_id=survivor, epoch=1)
    world.hear(profiles.CustomersMerged(customer=told, aliases=[alias]), entity_id=survivor, revision=revision)


def report(world: Care, touch_id: str, status: str, detail: str = "", secret: str = "s3cret") -> pb.Touch:
    import hashlib
    import hmac

    signature = hmac.new(secret.encode(), f"{touch_id}|{status}|{detail}".encode(), hashlib.sha256).hexdigest()
    asked = pb.ReportDeliveryRequest(touch_id=touch_id, status=f"STATUS_{status}", detail=detail, signature=signature)
    return world.call(asked, pb.Touch)
