"""The care service over the store in memory, with customers of the profiles service and programs to greet them by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest
from kehu.care.v1 import programs_pb2, senders_pb2, touches_pb2
from kehu.profiles.v1 import consent_pb2, customer_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import identity
from libs.chassis.testing import World
from services.care.__main__ import SERVICE
from services.care.senders.domain import Fate, Handover, Message
from services.care.store import CareStore

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
"""A Monday, 9 o'clock in Shanghai."""
SCOPES = {
    f"care.{area}.{right}"
    for area in ("programs", "touches", "senders", "tasks", "reports", "unsubscribes", "measurements", "pressure")
    for right in ("read", "write", "activate")
} | {
    "profiles.names.read",
    "profiles.contacts.read",
}
SCOPES |= {
    f"care.{area}.{right}"
    for area in (
        "adherence",
        "alert_rules",
        "alerts",
        "churn",
        "churn_reasons",
        "entitlements",
        "loyalty_reviews",
        "plays",
        "retention_policy",
        "subject_data",
    )
    for right in ("read", "start", "write")
}
Care: TypeAlias = World[CareStore]
Heard = Callable[..., str]

PLAN: dict[str, Any] = {
    "on_date": {"kind": "KIND_BIRTH"},
    "minute": 540,
    "form": "FORM_MESSAGE",
    "channel": "CHANNEL_EMAIL",
    "contents": [
        {"language_code": "zh", "subject": "生日快乐，{{display_name}}", "body": "祝您生日快乐！ {{unsubscribe}}"},
        {"language_code": "en", "subject": "Happy birthday, {{display_name}}", "body": "All the best! {{unsubscribe}}"},
    ],
}
PROGRAM: dict[str, Any] = {
    "display_name": "Birthdays",
    "purpose": "PURPOSE_CARE",
    "phase": "PHASE_AFTER_SALE",
    "time_zone": "Asia/Shanghai",
    "plans": [PLAN],
}


@pytest.fixture
def world() -> Iterator[Care]:
    """An empty service."""
    with World(SERVICE, at=NOW, scopes=SCOPES).entered() as world:
        yield world


def program(plan: dict[str, Any] | None = None, **fields: Any) -> programs_pb2.Program:
    """A program as it is sent, of one plan unless it says otherwise."""
    return programs_pb2.Program(**{**PROGRAM, **({"plans": [plan]} if plan else {}), **fields})


def created(world: Care, plan: dict[str, Any] | None = None, **fields: Any) -> programs_pb2.Program:
    """A program that was created."""
    return world.call(programs_pb2.CreateProgramRequest(program=program(plan, **fields)), programs_pb2.Program)


def grant(**fields: Any) -> consent_pb2.ConsentDecision:
    """An agreement to care by every channel, long ago."""
    told = {
        "purpose": "PURPOSE_CARE",
        "state": "STATE_GRANTED",
        "capture": "CAPTURE_CUSTOMER_ACTION",
        "capture_time": NOW - timedelta(days=900),
        "effective_from_time": NOW - timedelta(days=900),
        "receipt_id": identity.new_id("rcp"),
        **fields,
    }
    return consent_pb2.ConsentDecision(**told)


def customer(id: str = "", **fields: Any) -> customer_pb2.Customer:
    """A customer of Shanghai who agreed to be cared for by mail and was born on the next day of the tests."""
    told: dict[str, Any] = {
        "id": id or identity.new_id("cus"),
        "kind": "KIND_PERSON",
        "display_name": "王芳",
        "owner": "ada",
        "lifecycle": "LIFECYCLE_ACTIVE",
        "preferences": {"language_code": "zh-CN", "time_zone": "Asia/Shanghai"},
        "dates": [{"kind": "KIND_BIRTH", "month": 3, "day": 3, "year": 1980}],
        "contact_points": [
            {
                "type": "TYPE_EMAIL",
                "raw": "wang@example.com",
                "canonical": "wang@example.com",
                "primary": True,
                "status": "STATUS_ACTIVE",
                "verify_time": NOW - timedelta(days=900),
            }
        ],
        "consent": {"decisions": [grant()]},
        **fields,
    }
    return customer_pb2.Customer(**told)


@pytest.fixture
def heard(world: Care) -> Heard:
    """Hears of a customer, and returns the id."""

    def hear(id: str = "", revision: int = 1, **fields: Any) -> str:
        told = customer(id, **fields)
        event = profiles.CustomerCreated if revision == 1 else profiles.CustomerUpdated
        world.hear(event(customer=told), entity_id=told.id, revision=revision)
        return told.id

    return hear


def active(world: Care, plan: dict[str, Any] | None = None, **fields: Any) -> programs_pb2.Program:
    """A program at work, with a sign of consent just heard."""
    made = created(world, plan, **fields)
    world.call(touches_pb2.ReviewProgramRequest(program_id=made.id), touches_pb2.ReviewProgramResponse)
    made = world.call(programs_pb2.ActivateProgramRequest(program_id=made.id), programs_pb2.Program)
    world.deliver()
    pulse(world)
    return made


def pulse(world: Care) -> None:
    """A sign that events about consent flow."""
    world.hear(profiles.ConsentPulsed(), entity_id=identity.new_id("pls"))


def sender(world: Care, **fields: Any) -> senders_pb2.Sender:
    """A sender of mails that is never connected to in these tests."""
    told: dict[str, Any] = {
        "channel": "CHANNEL_EMAIL",
        "smtp": {"host": "localhost", "port": 2525, "security": "SECURITY_PLAIN", "from_address": "care@example.com"},
        "secret": "s3cret",
        "rate_per_minute": 1000,
        "unsubscribe_url": "https://example.com/out/",
        **fields,
    }
    return world.call(senders_pb2.DefineSenderRequest(sender=senders_pb2.Sender(**told)), senders_pb2.Sender)


@dataclass
class Provider:
    """A provider that does as it is told and remembers every message: an adapter of the port, in this process."""

    can_find: bool = True
    sent: list[Message] = field(default_factory=list)
    fates: list[Fate] = field(default_factory=list)
    before: Callable[[Message], object] = lambda _: None
    keeps: bool = True
    """Set when it keeps what it gives no answer about."""
    asked: list[str] = field(default_factory=list)

    def send(self, message: Message) -> Handover:
        self.before(message)
        fate = self.fates.pop(0) if self.fates else Fate.ACCEPTED
        if fate is Fate.ACCEPTED or (fate is Fate.UNKNOWN and self.keeps):
            self.sent.append(message)
        return Handover(fate=fate, provider_id="p1" if fate is Fate.ACCEPTED else "", explanation=str(fate))

    def find(self, key: str) -> Handover | None:
        self.asked.append(key)
        if not self.can_find:
            return Handover(fate=Fate.UNKNOWN)
        return Handover(fate=Fate.ACCEPTED, provider_id="p1") if any(each.key == key for each in self.sent) else None

    def close(self) -> None:
        """Nothing to end."""


@pytest.fixture
def provider() -> Provider:
    return Provider()
