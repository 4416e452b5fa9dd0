"""Local copies of customers, the attribution of contacts, and what whoever picks up next is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.domain import NotFound
from libs.worktime.civil import CivilTime
from libs.worktime.terms import Term
from services.interactions.context.application import Contexts
from services.interactions.customers.application import Customers
from services.interactions.customers.domain import (
    Channel,
    ConsentSummary,
    CustomerProjection,
    Identifier,
    IdentifierKind,
)
from services.interactions.customers.subscriptions import customer_events
from services.interactions.promises.application import Promises
from services.interactions.promises.domain import Promise
from services.interactions.timeline.application import Timeline
from services.interactions.timeline.domain import Interaction

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NUMBER = "+8613800138000"
Make = Callable[..., Interaction]


@pytest.fixture
def timeline(world: Any) -> Timeline:
    return Timeline(world.store.timeline)


@pytest.fixture
def customers(world: Any) -> Customers:
    return Customers(world.store.customers)


@pytest.fixture
def contexts(world: Any) -> Contexts:
    return Contexts(world.store.timeline, world.store.cases)


def full_event() -> profiles.CustomerUpdated:
    event = profiles.CustomerUpdated()
    person = event.customer
    person.id = identity.new_id("cus")
    person.display_name = "单雄信"
    person.lifecycle = "LIFECYCLE_ACTIVE"
    person.contact_points.add(type="TYPE_PHONE", canonical=NUMBER)
    person.contact_points.add(type="TYPE_PHONE", canonical="+8613900139000", status="STATUS_RECYCLED")
    person.contact_points.add(type="TYPE_POSTAL", canonical="1 main street")
    person.external_ids.add(system="erp", id="4711")
    person.preferences.language_code = "zh-Hans-CN"
    person.preferences.time_zone = "Asia/Shanghai"
    person.preferences.channels.extend(["CHANNEL_MESSENGER", "CHANNEL_VOICE", 99])
    person.consent.decisions.add(purpose="PURPOSE_MARKETING", channel="CHANNEL_EMAIL", state="STATE_WITHDRAWN")
    person.consent.decisions.add(purpose="PURPOSE_CARE", state="STATE_GRANTED")
    return event


def test_a_copy_holds_the_few_fields_that_are_needed(world: Any, customers: Customers) -> None:
    event = full_event()
    world.hear(event, revision=3)
    copy = customers.require(event.customer.id)
    assert copy == CustomerProjection(
        id=event.customer.id,
        revision=1,
        create_time=world.clock.at,
        update_time=world.clock.at,
        source_revision=3,
        source_time=world.clock.at,
        display_name="单雄信",
        lifecycle="ACTIVE",
        language_code="zh-Hans-CN",
        time_zone="Asia/Shanghai",
        preferred_channels=(Channel.MESSENGER, Channel.VOICE),
        consents=(
            ConsentSummary(purpose="MARKETING", channel=Channel.EMAIL, state="WITHDRAWN"),
            ConsentSummary(purpose="CARE", state="GRANTED"),
        ),
        identifiers=(f"CUSTOMER::{event.customer.id}", "EXTERNAL_ID:erp:4711", f"PHONE::{NUMBER}"),
    )


def test_older_news_are_skipped(world: Any, customers: Customers) -> None:
    event = full_event()
    world.hear(event, revision=5)
    event.customer.display_name = "an older name"
    world.hear(event, revision=4)
    assert customers.require(event.customer.id).display_name == "单雄信"


def test_a_consent_event_brings_the_whole_customer(world: Any, customers: Customers) -> None:
    event = full_event()
    changed = profiles.ConsentChanged(customer_id=event.customer.id, customer=event.customer)
    world.hear(changed, revision=2)
    assert len(customers.require(event.customer.id).consents) == 2


def test_a_deleted_customer_keeps_its_history_and_loses_its_identifiers(
    world: Any, customers: Customers, timeline: Timeline, contact: Make, phone: Any
) -> None:
    event = full_event()
    world.hear(event, revision=1)
    deleted = profiles.CustomerDeleted(customer=event.customer)
    deleted.customer.delete_time.FromDatetime(world.clock.at)
    world.hear(deleted, revision=2)
    known = customers.require(event.customer.id)
    assert (known.deleted, known.identifiers) == (True, (f"CUSTOMER::{known.id}",))
    assert timeline.ingest(contact(identifier=phone(NUMBER))).customer_id == ""
    assert timeline.ingest(contact(customer_id=known.id)).customer_id == known.id
    world.hear(profiles.CustomerUndeleted(customer=event.customer), revision=3)
    assert not customers.require(event.customer.id).deleted


# ------------------------------------------------------------------------------------------------- attribution


@pytest.mark.parametrize(
    "identifier",
    [
        Identifier(kind=IdentifierKind.PHONE, value=NUMBER),
        Identifier(kind=IdentifierKind.EXTERNAL_ID, system="erp", value="4711"),
    ],
)
def test_contacts_wait_for_the_customer_they_were_with(
    world: Any, timeline: Timeline, contact: Make, identifier: Identifier
) -> None:
    told = timeline.ingest(contact(identifier=identifier))
    loaded = timeline.load([contact(external_key="1", identifier=identifier)])[0].entity
    assert loaded is not None
    assert told.customer_id == loaded.customer_id == ""
    event = full_event()
    world.hear(event)
    for id in (told.id, loaded.id):
        assert timeline.get(id).customer_id == event.customer.id
    conversation = world.conversation(told)
    assert conversation.customer_id == event.customer.id
    assert world.events().count("interaction.attributed") == 2
    assert world.events().count("conversation.attributed") == 1
    assert timeline.ingest(contact(customer_id=event.customer.id)).conversation_id == told.conversation_id


def test_a_customer_id_that_is_not_known_yet_is_remembered(world: Any, timeline: Timeline, contact: Make) -> None:
    event = full_event()
    told = timeline.ingest(contact(customer_id=event.customer.id))
    assert (told.customer_id, told.identifier) == (
        "",
        Identifier(kind=IdentifierKind.CUSTOMER, value=event.customer.id),
    )
    world.hear(event)
    assert timeline.get(told.id).customer_id == event.customer.id


def test_another_tenants_customer_is_nobody(world: Any, timeline: Timeline, contact: Make, customer: Any) -> None:
    customer_id = customer(NUMBER)
    with context.enter(Context(tenant="other", actor="bob")):
        assert timeline.ingest(contact(customer_id=customer_id)).customer_id == ""


def test_a_shared_number_leads_to_nobody(
    world: Any, timeline: Timeline, contact: Make, phone: Any, customer: Any
) -> None:
    early = timeline.ingest(contact(identifier=phone(NUMBER)))
    first = customer(NUMBER)
    assert timeline.get(early.id).customer_id == first  # it was hers alone then
    customer(NUMBER)
    assert timeline.ingest(contact(identifier=phone(NUMBER))).customer_id == ""
    customer(NUMBER)
    assert world.events().count("interaction.attributed") == 1


def test_a_contact_recorded_while_its_customer_became_known(
    world: Any, timeline: Timeline, contact: Make, phone: Any, customer: Any
) -> None:
    """The customer arrived after the contact was resolved and before it was stored: the second look finds it."""
    told = contact(identifier=phone(NUMBER)).as_told(world.clock.at)
    customer_id = customer(NUMBER)
    stored = world.store.timeline.interactions.insert(told.record(), key="late")
    world.deliver()
    assert timeline.get(stored.id).customer_id == customer_id


def test_many_contacts_are_attributed_in_batches(
    world: Any, timeline: Timeline, contact: Make, phone: Any, customer: Any
) -> None:
    timeline.load([contact(external_key=str(n), identifier=phone(NUMBER)) for n in range(450)])
    customer(NUMBER)
    assert world.events().count("interaction.attributed") == 450


# ----------------------------------------------------------------------------------------------------- context


def test_the_context_tells_all_that_whoever_picks_up_must_know(
    world: Any, contexts: Contexts, timeline: Timeline, contact: Make
) -> None:
    event = full_event()
    world.hear(event, revision=2)
    customer_id, promises = event.customer.id, Promises(world.store.promises)

    def promise(text: str, days: int) -> Promise:
        due = (world.clock.at + days * DAY).date()
        term = Term(civil_time=CivilTime(date=due, minute=720, time_zone="UTC"))
        return promises.make(Promise(id="", customer_id=customer_id, text=text, term=term))

    long_ago, broken = promise("long ago", 1), promise("broken", 32)
    world.clock.advance(40 * DAY)
    world.tick("promises")
    kept, open_promise = promise("kept", 2), promise("open", 3)
    promises.keep(kept.id)
    for n in range(12):
        timeline.ingest(
            contact(customer_id=customer_id, agent_id="a", occurred_time=world.clock.at - (20 - n) * HOUR, topic=str(n))
        )
    waiting = timeline.ingest(contact(customer_id=customer_id, channel=Channel.FAX))
    world.deliver()
    found = contexts.get(customer_id)
    assert found.customer.display_name == "单雄信"
    assert found.customer.source_revision == 2
    assert [each.id for each in found.conversations] == [waiting.conversation_id]
    assert found.interactions[0] == waiting
    assert [each.topic for each in found.interactions[1:]] == [str(n) for n in range(11, 2, -1)]
    assert [each.id for each in found.promises] == [open_promise.id]
    assert [each.id for each in found.broken_promises] == [broken.id]  # the other is older than 30 days
    assert long_ago.id not in {each.id for each in found.broken_promises}
    assert found.waiting_since_time == waiting.occurred_time
    assert found.as_of_time == world.clock.at


def test_the_context_of_nobody_is_not_found(contexts: Contexts, customer: Any) -> None:
    customer_id = customer()
    with pytest.raises(NotFound, match="Customer"):
        contexts.get("cus_nobody")
    with pytest.raises(NotFound), context.enter(Context(tenant="other", actor="bob")):
        contexts.get(customer_id)


def test_an_unknown_word_of_profiles_is_passed_on_as_its_number(world: Any) -> None:
    event = full_event()
    event.customer.lifecycle = 77
    assert customer_events(world.store.customers).told_of(event.customer, 1, world.clock.at).lifecycle == "77"
