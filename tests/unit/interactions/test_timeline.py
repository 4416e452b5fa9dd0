"""Recording, completing, redacting and finding contacts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from kehu.interactions.v1 import timeline_pb2

from libs.chassis import context
from libs.chassis.context import Command, Context
from libs.chassis.domain import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from libs.chassis.paging import PageRequest
from services.interactions.customers.domain import Channel, Identifier, IdentifierKind
from services.interactions.timeline.application import Timeline
from services.interactions.timeline.domain import Direction, Interaction, Link, Purpose, TimelineQuery

HOUR = timedelta(hours=1)
Make = Callable[..., Interaction]


@pytest.fixture
def timeline(world: Any) -> Timeline:
    return Timeline(world.store.timeline)


def page(**fields: Any) -> timeline_pb2.ListTimelineRequest:
    return PageRequest.of(timeline_pb2.ListTimelineRequest(**fields))


@pytest.mark.parametrize("channel", list(Channel))
def test_a_repeat_on_any_channel_is_recorded_once(
    world: Any, timeline: Timeline, contact: Make, channel: Channel
) -> None:
    told = contact(channel=channel, external_key="4711", summary="Asked for an invoice")
    first = timeline.ingest(told)
    world.clock.advance(HOUR)
    assert timeline.ingest(told) == first
    assert world.events() == ["conversation.opened", "interaction.recorded"]


def test_the_same_key_on_another_channel_is_another_contact(timeline: Timeline, contact: Make) -> None:
    told = contact(external_key="4711")
    assert timeline.ingest(told).id != timeline.ingest(replace(told, channel=Channel.SMS)).id


def test_the_same_key_with_other_content_is_refused(world: Any, timeline: Timeline, contact: Make) -> None:
    first = timeline.ingest(contact(external_key="4711", summary="one"))
    with pytest.raises(AlreadyExists) as refused:
        timeline.ingest(contact(external_key="4711", summary="another"))
    assert refused.value.reason_code == "SOURCE_KEY_REUSED"
    assert refused.value.metadata == {"key": "4711", "id": first.id}
    assert len(world.events()) == 2


def test_a_repeat_is_recognised_after_attribution_completion_and_redaction(
    world: Any, timeline: Timeline, contact: Make, phone: Any, customer: Any
) -> None:
    told = contact(external_key="4711", summary="secret", identifier=phone("+8613800138000"))
    first = timeline.ingest(told)
    customer_id = customer("+8613800138000")
    timeline.complete(first.id, lambda each: replace(each, topic="invoices"), 0)
    timeline.redact(first.id, "erasure 17")
    repeated = timeline.ingest(told)
    assert (repeated.id, repeated.customer_id, repeated.summary) == (first.id, customer_id, "")


def test_a_request_id_does_what_a_key_does(world: Any, timeline: Timeline, contact: Make) -> None:
    def ingest(summary: str) -> Interaction:
        command = Command(key="0b5c9a3e", fingerprint=summary.encode())
        with context.enter(Context(tenant="acme", actor="ann", command=command)):
            return timeline.ingest(contact(summary=summary))

    first = ingest("one")
    assert ingest("one") == first
    with pytest.raises(AlreadyExists) as refused:
        ingest("another")
    assert refused.value.reason_code == "REQUEST_ID_REUSED"
    assert world.events() == ["conversation.opened", "interaction.recorded"]


def test_what_only_the_server_writes_is_ignored(timeline: Timeline, contact: Make) -> None:
    told = contact(conversation_id="conv_x", ahead_of_clock=True, identifier_key="EMAIL::x@example.com", revision=7)
    recorded = timeline.ingest(told)
    assert recorded.conversation_id != "conv_x"
    assert (recorded.revision, recorded.ahead_of_clock, recorded.identifier_key) == (1, False, "")


def test_t48_a_contact_from_the_future_is_flagged_and_never_counts_as_negative_time(
    world: Any, timeline: Timeline, contact: Make
) -> None:
    told = contact(channel=Channel.EMAIL, occurred_time=world.clock.at + HOUR, external_key="ahead")
    recorded = timeline.ingest(told)
    assert recorded.ahead_of_clock
    assert (recorded.occurred_time, recorded.source_time) == (world.clock.at, world.clock.at + HOUR)
    conversation = world.conversation(recorded)
    assert conversation.waiting_since_time == world.clock.at
    assert conversation.last_interaction_time == world.clock.at
    world.clock.advance(2 * HOUR)
    assert timeline.ingest(told) == recorded  # told again, when it no longer lies ahead


@pytest.mark.parametrize(
    ("identifier", "field", "allowed"),
    [
        (Identifier(kind=IdentifierKind.PHONE, value="138 0013 8000"), "identifier.value", "E.164"),
        (Identifier(kind=IdentifierKind.EMAIL, value="li@EXAMPLE.com"), "identifier.value", "lower case"),
        (Identifier(kind=IdentifierKind.EMAIL, value="li"), "identifier.value", "an address"),
        (Identifier(kind=IdentifierKind.MESSENGER, value="ada"), "identifier.value", "network:handle"),
        (Identifier(kind=IdentifierKind.EXTERNAL_ID, value="1"), "identifier.system", "is required"),
        (Identifier(kind=IdentifierKind.PHONE, value="+8613800138000", system="x"), "identifier.system", "empty"),
        (Identifier(kind=IdentifierKind.CUSTOMER, value="cus_1"), "identifier.kind", "customer_id"),
    ],
)
def test_an_identifier_must_be_canonical(
    timeline: Timeline, contact: Make, identifier: Identifier, field: str, allowed: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        timeline.ingest(contact(identifier=identifier))
    assert [violation.field for violation in refused.value.violations] == [field]
    assert allowed in refused.value.violations[0].description


def test_content_can_be_completed_for_24_hours(world: Any, timeline: Timeline, contact: Make) -> None:
    recorded = timeline.ingest(contact())
    world.clock.advance(24 * HOUR)
    completed = timeline.complete(recorded.id, lambda each: replace(each, summary="Wants an invoice"), 0)
    assert (completed.summary, completed.revision) == ("Wants an invoice", 2)
    assert world.events()[-1] == "interaction.updated"
    world.clock.advance(timedelta(seconds=1))
    with pytest.raises(FailedPrecondition, match="immutable"):
        timeline.complete(recorded.id, lambda each: replace(each, summary="Too late"), 0)
    assert timeline.complete(recorded.id, lambda each: each, 0) == completed  # nothing to do is never too late


def test_what_makes_it_this_contact_cannot_be_changed(timeline: Timeline, contact: Make) -> None:
    recorded = timeline.ingest(contact())
    with pytest.raises(InvalidArgument, match="channel, direction cannot be changed; allowed: body_ref"):
        timeline.complete(
            recorded.id, lambda each: replace(each, channel=Channel.FAX, direction=Direction.OUTBOUND, topic="x"), 0
        )


def test_redaction_keeps_the_skeleton_and_tells_who_and_why(world: Any, timeline: Timeline, contact: Make) -> None:
    recorded = timeline.ingest(
        contact(
            summary="secret",
            body_ref="s3://calls/1",
            topic="invoices",
            intent="a discount",
            links=(Link(kind="order", id="4711"),),
            identifier=Identifier(kind=IdentifierKind.EXTERNAL_ID, system="erp", value="8"),
        )
    )
    world.clock.advance(400 * 24 * HOUR)
    redacted = timeline.redact(recorded.id, "erasure 17")
    assert (redacted.summary, redacted.body_ref, redacted.topic, redacted.intent, redacted.links) == (
        "",
        "",
        "",
        "",
        (),
    )
    assert redacted.identifier == recorded.identifier
    assert timeline.get(recorded.id) == redacted
    told = repr([event.data for event in world.database.events()])
    assert "4711" not in told, "what the journal keeps cannot be read any more"
    assert "secret" not in told
    assert redacted.redaction is not None
    assert (redacted.redaction.reason, redacted.redaction.actor) == ("erasure 17", "ann")
    assert redacted.redaction.time == world.clock.at
    assert timeline.redact(recorded.id, "again") == redacted
    assert world.events().count("interaction.redacted") == 1
    with pytest.raises(FailedPrecondition, match="redacted"):
        timeline.complete(recorded.id, lambda each: replace(each, summary="back"), 0)


def test_what_is_added_during_a_redaction_is_redacted_too(
    world: Any, timeline: Timeline, contact: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = timeline.ingest(contact(summary="secret"))
    erase = world.store.timeline.interactions.erase

    def meanwhile(ids: list[str]) -> int:
        monkeypatch.undo()
        destroyed: int = erase(ids)
        timeline.complete(recorded.id, lambda each: replace(each, summary="more secrets"), 0)
        return destroyed

    monkeypatch.setattr(world.store.timeline.interactions, "erase", meanwhile)
    assert timeline.redact(recorded.id, "erasure 17").summary == ""
    assert "secret" not in repr([event.data for event in world.database.events()])


# ---------------------------------------------------------------------------------------------------- loading


def test_rows_of_an_import_stand_alone(
    world: Any, timeline: Timeline, contact: Make, phone: Any, customer: Any
) -> None:
    customer_id = customer("+8613800138000")
    known = timeline.ingest(contact(external_key="a"))
    world.deliver()
    rows = [
        contact(external_key="1", identifier=phone("+8613800138000")),
        contact(external_key="2", identifier=phone("12")),
        contact(),
        contact(external_key="1", identifier=phone("+8613800138000")),
        contact(external_key="1", summary="other content"),
        contact(external_key="a"),
        contact(external_key="a", summary="other content"),
        InvalidArgument.field("channel", "is required"),
    ]
    outcomes = timeline.load(rows)
    assert [outcome.created for outcome in outcomes] == [True, *[False] * 7]
    assert [type(outcome.error).__name__ for outcome in outcomes] == [
        "NoneType",
        "InvalidArgument",
        "InvalidArgument",
        "NoneType",
        "SourceKeyReused",
        "NoneType",
        "SourceKeyReused",
        "InvalidArgument",
    ]
    first, repeat, earlier = outcomes[0].entity, outcomes[3].entity, outcomes[5].entity
    assert first is not None
    assert (first.customer_id, first.conversation_id) == (customer_id, "")
    assert repeat is not None
    assert repeat.id == first.id
    assert earlier == known
    assert world.events().count("interaction.recorded") == 2


def test_loading_again_doubles_nothing(
    world: Any, timeline: Timeline, contact: Make, phone: Any, customer: Any
) -> None:
    rows = [contact(external_key=str(n), identifier=phone(f"+86138001380{n:02}")) for n in range(50)]
    first = timeline.load(rows)
    customer("+8613800138007")  # attributes one of them meanwhile
    again = timeline.load(rows)
    assert all(outcome.created for outcome in first)
    assert not any(outcome.created or outcome.error for outcome in again)
    assert [o.entity.id for o in again if o.entity] == [o.entity.id for o in first if o.entity]


# ---------------------------------------------------------------------------------------------------- finding


def test_a_timeline_filters_and_pages_stably_under_inserts(
    world: Any, timeline: Timeline, contact: Make, phone: Any, customer: Any
) -> None:
    customer_id = customer("+8613800138000")
    start = world.clock.at - 100 * HOUR
    channels = [Channel.VOICE, Channel.EMAIL, Channel.SMS]
    rows = [
        contact(
            external_key=str(n),
            identifier=phone("+8613800138000"),
            occurred_time=start + n * HOUR,
            channel=channels[n % 3],
            direction=[Direction.INBOUND, Direction.OUTBOUND][n % 2],
            purpose=Purpose.COMPLAINT if n % 5 == 0 else Purpose.INQUIRY,
        )
        for n in range(60)
    ]
    timeline.load(rows)
    query = TimelineQuery(customer_id=customer_id, channels=(Channel.VOICE, Channel.SMS), direction=Direction.INBOUND)
    expected = [n for n in reversed(range(60)) if n % 3 != 1 and n % 2 == 0]
    seen: list[int] = []
    token = ""
    while True:
        _, found = timeline.of_customer(query, page(customer_id=customer_id, page_size=7, page_token=token))
        seen += [int(each.external_key) for each in found.items]
        token = found.next_page_token
        if not token:
            break
        timeline.load([contact(external_key=f"10{len(seen)}", identifier=phone("+8613800138000"))])  # newer: no effect
    assert seen == expected
    _, complaints = timeline.of_customer(
        TimelineQuery(
            customer_id=customer_id,
            purpose=Purpose.COMPLAINT,
            start_time=start + 10 * HOUR,
            end_time=start + 25 * HOUR,
        ),
        page(customer_id=customer_id),
    )
    assert [int(each.external_key) for each in complaints.items] == [20, 15, 10]


def test_a_timeline_of_nobody_is_not_found(timeline: Timeline, customer: Any) -> None:
    known = customer()
    assert timeline.of_customer(TimelineQuery(customer_id=known), page(customer_id=known))[1].items == []
    with pytest.raises(NotFound), context.enter(Context(tenant="other", actor="bob")):
        timeline.of_customer(TimelineQuery(customer_id=known), page(customer_id=known))


def test_all_contacts_are_listed_by_filter(timeline: Timeline, contact: Make, phone: Any, customer: Any) -> None:
    customer("+8613800138000")
    known = timeline.ingest(contact(identifier=phone("+8613800138000")))
    unknown = timeline.ingest(contact(channel=Channel.SMS, occurred_time=known.occurred_time - HOUR))

    def listed(filter: str) -> list[str]:
        request = PageRequest()
        return [each.id for each in timeline.list(filter, request).items]

    assert listed("") == [known.id, unknown.id]
    assert listed('customer_id = ""') == [unknown.id]
    assert listed("channel = SMS AND occurred_time < 2026-08-10T09:00:00Z") == [unknown.id]
    with pytest.raises(InvalidArgument, match="'summary' has no index; allowed: channel, conversation_id"):
        listed('summary = "x"')
