"""The care service on a real MongoDB: customers as profiles tells of them, a program that greets them, and rounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from google.protobuf.message import Message as Told
from kehu.common.v1.envelope_pb2 import Envelope
from kehu.profiles.v1 import consent_pb2, customer_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.inbox import event_type
from libs.engine.inbox.decoding import received
from libs.engine.store import MongoDatabase, connect
from services.care.customers.domain.projection import Channel, DateKind
from services.care.programs.application import Programs
from services.care.programs.domain.contents import Content, Purpose
from services.care.programs.domain.plans import Form, Plan
from services.care.programs.domain.programs import Phase, Program
from services.care.programs.domain.triggers import OnDate
from services.care.senders.application.senders import Senders
from services.care.senders.domain import Fate, Handover, Message, Security, Sender, Smtp, Webhook
from services.care.store import CareStore
from services.care.subscriptions import subscriptions, timers
from services.care.touches.application.simulation import Simulations
from services.care.touches.domain.touches import Touch
from tests.support.timers import tick

TENANT = "acme"
SHANGHAI = "Asia/Shanghai"
_REVISIONS = count(1)
"""Revisions of everything that is told, so that what comes later counts."""


@contextmanager
def care_store(uri: str, name: str = "") -> Iterator[CareStore]:
    """The service over a database of its own, which goes with the block unless it has a name."""
    with connect(uri, "care") as client, context.enter(Context(tenant=TENANT, actor="ada")):
        named = name or f"care_{uuid4().hex[:8]}"
        store = CareStore(MongoDatabase(client, "care", page_key=bytes(32), seal_key=bytes(32), name=named))
        if not name:
            store.database.migrate()  # type: ignore[attr-defined]
        yield store
        if not name:
            client.drop_database(named)


def hear(store: CareStore, *told: tuple[str, Told]) -> None:
    """Hands the service what others tell about entities, as its worker does."""
    now = identity.now()
    events = []
    for entity_id, message in told:
        revision = next(_REVISIONS)
        envelope = Envelope(
            id=f"{entity_id}:{revision}:0",
            type=event_type(type(message)),
            tenant=TENANT,
            entity_id=entity_id,
            revision=revision,
            data=message.SerializeToString(),
        )
        envelope.time.FromDatetime(now)
        events.append(received(envelope, message))
    for subscription in subscriptions(store):
        theirs = [each for each in events if type(each.message) in subscription.listens]
        if theirs:
            store.database.transact(lambda handle=subscription.handle, some=theirs: handle(some))  # type: ignore[misc]


def pulse(store: CareStore) -> None:
    """A sign that events about consent flow."""
    store.customers.hear_consent(identity.now())


def granted(purpose: str = "PURPOSE_CARE", state: str = "STATE_GRANTED", **fields: Any) -> consent_pb2.ConsentDecision:
    """A decision that was in force long ago."""
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    told: dict[str, Any] = {
        "purpose": purpose,
        "state": state,
        "capture": "CAPTURE_CUSTOMER_ACTION",
        "capture_time": long_ago,
        "effective_from_time": long_ago,
        "receipt_id": identity.new_id("rcp"),
        **fields,
    }
    return consent_pb2.ConsentDecision(**told)


def customer(number: int, id: str = "", **fields: Any) -> customer_pb2.Customer:
    """A customer of Shanghai who agreed to care and has a mailbox."""
    address = f"wang{number}@example.com"
    point = {
        "type": "TYPE_EMAIL",
        "raw": address,
        "canonical": address,
        "primary": True,
        "status": "STATUS_ACTIVE",
        "verify_time": datetime(2020, 1, 1, tzinfo=UTC),
    }
    told: dict[str, Any] = {
        "id": id or identity.new_id("cus"),
        "kind": "KIND_PERSON",
        "display_name": f"王芳{number}",
        "owner": "ada",
        "lifecycle": "LIFECYCLE_ACTIVE",
        "preferences": {"language_code": "zh-CN", "time_zone": SHANGHAI},
        "contact_points": [point],
        "consent": {"decisions": [granted()]},
        **fields,
    }
    return customer_pb2.Customer(**told)


def introduce(store: CareStore, *customers: customer_pb2.Customer) -> Sequence[str]:
    """Tells of new customers. Their ids."""
    for start in range(0, len(customers), 200):
        hear(store, *((each.id, profiles.CustomerCreated(customer=each)) for each in customers[start : start + 200]))
    return [each.id for each in customers]


GREETING = Plan(
    on_date=OnDate(kind=DateKind.BIRTH),
    minute=540,
    form=Form.MESSAGE,
    channel=Channel.EMAIL,
    contents=(
        Content(
            language_code="zh",
            subject="生日快乐，{{display_name}}",
            body="祝您生日快乐！\n不想再收到这样的问候：{{unsubscribe}}\n",
        ),
    ),
)
"""A birthday greeting at nine in the morning."""


def active(store: CareStore, plan: Plan = GREETING, **fields: Any) -> Program:
    """A program at work, with all customers so far enrolled."""
    told: dict[str, Any] = {
        "id": "",
        "display_name": "Birthdays",
        "purpose": Purpose.CARE,
        "phase": Phase.AFTER_SALE,
        "time_zone": SHANGHAI,
        "plans": (plan,),
        **fields,
    }
    made = Programs(store.programs).create(Program(**told))
    Simulations(store.touches).review(made.id, 1, 10)
    made = Programs(store.programs).activate(made.id)
    from services.care.touches.application.planning import Planning

    store.database.transact(lambda: Planning(store.touches).begin_sweep([made.id]))
    return made


def mail_sender(store: CareStore, port: int = 2525, **fields: Any) -> Sender:
    """A sender of mails over a server of this machine."""
    told: dict[str, Any] = {
        "id": "",
        "channel": Channel.EMAIL,
        "smtp": Smtp(
            host="127.0.0.1",
            port=port,
            security=Security.PLAIN,
            from_address="care@example.com",
            from_name="客户关怀",
        ),
        "secret": "s3cret",
        "rate_per_minute": 100_000,
        "unsubscribe_url": "https://example.com/out/",
        **fields,
    }
    return Senders(store.senders).define(Sender(**told))


def text_sender(store: CareStore, url: str, **fields: Any) -> Sender:
    """A sender of text messages over a provider of this machine."""
    told = {"id": "", "channel": Channel.SMS, "webhook": Webhook(url=url), "secret": "s3cret", "rate_per_minute": 1000}
    return Senders(store.senders).define(Sender(**{**told, **fields}))  # type: ignore[arg-type]


def rounds(store: CareStore, *names: str) -> Mapping[str, int]:
    """Runs timers of these names until nothing is due. How much was, by name."""
    done = dict.fromkeys(names, 0)
    for name in names:
        while found := tick(store.database, timers(store), name):
            done[name] += found
    return done


def plan(store: CareStore) -> Sequence[Touch]:
    """Enrolls and plans everything that is due, and returns all touches by time."""
    rounds(store, "sweeps", "planning")
    return touches(store)


def touches(store: CareStore) -> Sequence[Touch]:
    """All touches, the earliest planned first."""
    return store.touches.touches.find(None, order="planned_time", limit=10_000)


def due(store: CareStore) -> Sequence[Touch]:
    """The touches whose time has come, as a timer finds them."""
    found = store.touches.due(*Channel).find(identity.now())
    return [each.entity for each in found if each.entity is not None]


@dataclass
class Provider:
    """A provider that takes everything and remembers it: an adapter of the port, in this process."""

    can_find: bool = True
    sent: list[tuple[str, datetime]] = field(default_factory=list)
    """(key, real time at which it was handed over)."""
    takes: timedelta = timedelta()

    def send(self, message: Message) -> Handover:
        """Takes a message."""
        self.sent.append((message.key, datetime.now(UTC)))
        return Handover(fate=Fate.ACCEPTED, provider_id=f"p-{message.key}")

    def find(self, key: str) -> Handover | None:
        """The message of this key, when it came."""
        there = any(each == key for each, _ in self.sent)
        return Handover(fate=Fate.ACCEPTED, provider_id=f"p-{key}") if there else None

    def close(self) -> None:
        """Nothing to end."""
