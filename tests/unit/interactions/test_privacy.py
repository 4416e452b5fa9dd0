"""What a caller is shown of the people behind interactions: no more than profiles would show."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message
from kehu.interactions.v1 import context_pb2, privacy_pb2, timeline_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import context, identity
from libs.chassis.context import Context
from services.interactions.__main__ import servicers
from services.interactions.customers.domain import Identifier, IdentifierKind
from services.interactions.timeline.application import Timeline
from services.interactions.timeline.domain import Interaction
from tests.support.servicers import Methods

NAME, NUMBER, MAILBOX = "单雄信", "+8613800138000", "shan@example.cn"
NAMES, CONTACTS = "profiles.names.read", "profiles.contacts.read"


@pytest.fixture
def customer_id(world: Any, contact: Any) -> str:
    """A customer with a name, a mailbox with a consent, and a call."""
    event = profiles.CustomerUpdated()
    event.customer.id = identity.new_id("cus")
    event.customer.display_name = NAME
    event.customer.contact_points.add(type="TYPE_PHONE", canonical=NUMBER)
    event.customer.contact_points.add(type="TYPE_EMAIL", canonical=MAILBOX)
    event.customer.consent.decisions.add(
        purpose="PURPOSE_MARKETING", channel="CHANNEL_EMAIL", state="STATE_GRANTED", contact_point=MAILBOX
    )
    world.hear(event)
    interaction: Interaction = contact(identifier=Identifier(kind=IdentifierKind.PHONE, value=NUMBER))
    Timeline(world.store.timeline).ingest(interaction)
    world.deliver()
    return event.customer.id


def answers(world: Any, customer_id: str, *scopes: str) -> dict[str, Message]:
    """Method → what a caller with these scopes is answered."""
    methods = Methods(servicers(world.store))
    with context.enter(Context(tenant="acme", actor="eve", scopes=frozenset(scopes))):
        listed = methods.ListTimeline(timeline_pb2.ListTimelineRequest(customer_id=customer_id), None)
        [first] = listed.interactions
        exported = methods.ExportSubjectData(privacy_pb2.ExportSubjectDataRequest(customer_id=customer_id), None)
        return {
            "ListTimeline": listed,
            "GetInteraction": methods.GetInteraction(timeline_pb2.GetInteractionRequest(interaction_id=first.id), None),
            "GetContext": methods.GetContext(context_pb2.GetContextRequest(customer_id=customer_id), None),
            **{f"ExportSubjectData.{each.WhichOneof('record')}": each for each in exported},
        }


def test_without_scopes_nobody_is_told_names_or_contact_points(world: Any, customer_id: str) -> None:
    for method, answer in answers(world, customer_id, "interactions.interactions.read").items():
        for value in (NAME, NUMBER, MAILBOX):
            assert value.encode() not in answer.SerializeToString(), f"{method} tells {value}"


def test_each_scope_opens_its_class(world: Any, customer_id: str) -> None:
    masked, named = answers(world, customer_id), answers(world, customer_id, NAMES)
    whole = answers(world, customer_id, NAMES, CONTACTS)
    assert [each["GetContext"].customer.display_name for each in (masked, named, whole)] == ["单•••••", NAME, NAME]  # type: ignore[attr-defined]
    for answered, mailbox, number in (
        (masked, "s•••••@example.cn", "+86•••••00"),
        (named, "s•••••@example.cn", "+86•••••00"),
        (whole, MAILBOX, NUMBER),
    ):
        found: dict[str, Any] = dict(answered)
        assert found["GetContext"].customer.consents[0].contact_point == mailbox
        assert found["ExportSubjectData.customer"].customer.consents[0].contact_point == mailbox
        assert found["GetContext"].interactions[0].identifier.value == number
        assert found["ListTimeline"].interactions[0].identifier.value == number
        assert found["GetInteraction"].identifier.value == number
        assert found["ExportSubjectData.interaction"].interaction.identifier.value == number


def test_the_id_of_a_customer_is_no_contact_point(world: Any, contact: Any) -> None:
    unknown = identity.new_id("cus")
    recorded = Timeline(world.store.timeline).ingest(contact(customer_id=unknown))
    request = timeline_pb2.GetInteractionRequest(interaction_id=recorded.id)
    assert Methods(servicers(world.store)).GetInteraction(request, None).identifier.value == unknown
