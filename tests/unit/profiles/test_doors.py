"""The two doors, calls and events: what goes in and out of them, in the words of the protos."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from kehu.interactions.v1 import events_pb2 as interactions
from kehu.interactions.v1.timeline_pb2 import Interaction
from kehu.profiles.v1 import activity_pb2, consent_pb2, customer_pb2, relationships_pb2, transactions_pb2
from kehu.profiles.v1 import customers_pb2 as pb
from kehu.profiles.v1 import events_pb2 as events

from libs.chassis.domain import InvalidArgument, NotFound
from libs.chassis.inbox import Received, Subscription
from libs.chassis.paging import Page
from libs.engine.store.memory import MemoryDatabase
from services.profiles.api import servicers
from services.profiles.store import ProfilesStore
from services.profiles.subscriptions import subscriptions
from tests.support.servicers import Methods
from tests.unit.profiles.builders import NOW

CALL = cast(Any, None)
"""Servicers of ours never look at grpc's context."""
ADA = customer_pb2.Customer(kind="KIND_PERSON", names=[customer_pb2.PersonName(given="Ada", family="Lovelace")])


def no_history(entity_id: str, *, size: int, token: str = "") -> Page[Received]:
    return Page([], "")


@pytest.fixture
def servicer(store: ProfilesStore) -> Methods:
    return Methods(servicers(store, no_history))


@pytest.fixture
def ada_id(servicer: Methods) -> str:
    return servicer.CreateCustomer(pb.CreateCustomerRequest(customer=ADA), CALL).id


def subscription(store: ProfilesStore, name: str) -> Subscription:
    return next(each for each in subscriptions(store) if each.name == name)


def told(message: Message) -> Received:
    return Received(
        id="x:1:0",
        type="",
        tenant="acme",
        entity_id="x",
        revision=1,
        time=NOW,
        actor="bob",
        correlation_id="",
        traceparent="",
        changed_fields=(),
        message=message,
    )


# ------------------------------------------------------------------------------------------------------- calls


def test_an_update_keeps_what_the_mask_does_not_name(servicer: Methods, ada_id: str) -> None:
    change = customer_pb2.Customer(id=ada_id, owner="bob", display_name="ignored")
    request = pb.UpdateCustomerRequest(customer=change, update_mask=FieldMask(paths=["owner"]), revision=1)
    changed = servicer.UpdateCustomer(request, CALL)
    assert (changed.owner, changed.display_name, changed.revision) == ("bob", "Ada Lovelace", 2)
    unknown = pb.UpdateCustomerRequest(customer=change, update_mask=FieldMask(paths=["salary"]))
    with pytest.raises(InvalidArgument, match="update_mask"):
        servicer.UpdateCustomer(unknown, CALL)


def test_a_preference_can_be_changed_alone(servicer: Methods, ada_id: str) -> None:
    for path, value in (("time_zone", "Asia/Shanghai"), ("language_code", "zh-hans")):
        change = customer_pb2.Customer(id=ada_id, preferences=customer_pb2.Preferences(**{path: value}))
        mask = FieldMask(paths=[f"preferences.{path}"])
        changed = servicer.UpdateCustomer(pb.UpdateCustomerRequest(customer=change, update_mask=mask), CALL)
    assert (changed.preferences.time_zone, changed.preferences.language_code) == ("Asia/Shanghai", "zh-Hans")


def test_an_imported_row_is_wrong_alone(servicer: Methods) -> None:
    row = pb.ImportCustomersRequest.Row
    good = row(request_id=str(uuid4()), customer=ADA)
    rows = [good, row(request_id="7", customer=ADA), row(request_id=str(uuid4())), good]
    outcomes = servicer.ImportCustomers(pb.ImportCustomersRequest(rows=rows), CALL).outcomes
    assert [outcome.created for outcome in outcomes] == [True, False, False, False]
    assert outcomes[3].id == outcomes[0].id
    shouted = row(request_id=good.request_id.upper(), customer=ADA)
    [again] = servicer.ImportCustomers(pb.ImportCustomersRequest(rows=[shouted]), CALL).outcomes
    assert (again.id, again.created) == (outcomes[0].id, False)
    assert "request_id" in outcomes[1].error.message
    assert "customer: is required" in outcomes[2].error.message


def test_transactions_are_answered_chunk_by_chunk(servicer: Methods, ada_id: str) -> None:
    sale = transactions_pb2.Transaction(customer_id=ada_id, type="TYPE_SALE", source="shop", source_key="1")
    sale.amount.currency_code, sale.amount.minor_units = "EUR", 100
    unreadable = transactions_pb2.RecordTransactionsRequest.Row(transaction=sale)
    readable = transactions_pb2.RecordTransactionsRequest.Row(transaction=sale)
    readable.transaction.occurred_time.FromDatetime(NOW)
    chunks = [transactions_pb2.RecordTransactionsRequest(rows=rows) for rows in ([unreadable, readable], [readable])]
    answers = [list(answer.outcomes) for answer in servicer.RecordTransactions(iter(chunks), CALL)]
    assert [[outcome.created for outcome in answer] for answer in answers] == [[False, True], [False]]
    assert "transaction.occurred_time: is required" in answers[0][0].error.message
    assert answers[1][0].id == answers[0][1].id


def test_a_withdrawal_is_never_refused(servicer: Methods, ada_id: str) -> None:
    request = consent_pb2.WithdrawConsentRequest(
        customer_id=ada_id, purpose="PURPOSE_MARKETING", capture="CAPTURE_STAFF_ENTRY"
    )
    assert servicer.WithdrawConsent(request, CALL).state == consent_pb2.ConsentReceipt.STATE_DENIED
    assert servicer.WithdrawConsent(request, CALL).sequence == 2
    question = consent_pb2.CheckSendPermissionRequest(
        customer_id=ada_id, purpose="PURPOSE_MARKETING", channel="CHANNEL_VIDEO"
    )
    (block,) = servicer.CheckSendPermission(question, CALL).blocks
    assert block.reason == consent_pb2.SendPermission.REASON_CONSENT_DENIED


def test_wrong_decisions_are_named_where_the_caller_wrote_them(servicer: Methods, ada_id: str) -> None:
    receipt = consent_pb2.ConsentReceipt(
        purpose="PURPOSE_CARE", state="STATE_GRANTED", capture="CAPTURE_STAFF_ENTRY", contact_point="+49 30 1"
    )
    with pytest.raises(InvalidArgument) as refused:
        servicer.RecordConsent(consent_pb2.RecordConsentRequest(customer_id=ada_id, receipt=receipt), CALL)
    assert refused.value.violations[0].field == "receipt.contact_point"
    withdrawal = consent_pb2.WithdrawConsentRequest(
        customer_id=ada_id, purpose="PURPOSE_CARE", capture="CAPTURE_STAFF_ENTRY"
    )
    withdrawal.capture_time.FromDatetime(NOW + timedelta(days=1))
    with pytest.raises(InvalidArgument) as refused:
        servicer.WithdrawConsent(withdrawal, CALL)
    assert refused.value.violations[0].field == "capture_time"


def test_relationships_are_listed_from_either_side(servicer: Methods, ada_id: str) -> None:
    bob_id = servicer.CreateCustomer(pb.CreateCustomerRequest(customer=ADA), CALL).id
    referral = relationships_pb2.Relationship(from_customer_id=ada_id, to_customer_id=bob_id, type="TYPE_REFERRED_BY")
    servicer.AddRelationship(relationships_pb2.AddRelationshipRequest(relationship=referral), CALL)
    found = [
        len(
            servicer.ListRelationships(
                relationships_pb2.ListRelationshipsRequest(customer_id=id, direction=direction), CALL
            ).relationships
        )
        for id in (ada_id, bob_id)
        for direction in ("DIRECTION_UNSPECIFIED", "DIRECTION_FROM", "DIRECTION_TO")
    ]
    assert found == [1, 1, 0, 0, 0, 1]


def test_changes_of_nobody_are_not_found(servicer: Methods, ada_id: str) -> None:
    assert not servicer.ListCustomerChanges(pb.ListCustomerChangesRequest(customer_id=ada_id), CALL).changes
    with pytest.raises(NotFound):
        servicer.ListCustomerChanges(pb.ListCustomerChangesRequest(customer_id="cus_0"), CALL)


# ------------------------------------------------------------------------------------------------------ events


def test_recorded_transactions_are_summed_up(
    store: ProfilesStore, database: MemoryDatabase, servicer: Methods, ada_id: str
) -> None:
    sale = transactions_pb2.Transaction(customer_id=ada_id, type="TYPE_SALE", source="shop", source_key="1")
    sale.amount.currency_code, sale.amount.minor_units = "EUR", 100
    sale.occurred_time.FromDatetime(NOW)
    row = transactions_pb2.RecordTransactionsRequest.Row(transaction=sale)
    list(servicer.RecordTransactions(iter([transactions_pb2.RecordTransactionsRequest(rows=[row])]), CALL))
    subscription(store, "transaction_summaries").handle(
        [told(events.TransactionRecorded.FromString(database.events()[-1].data))]
    )
    request = transactions_pb2.GetTransactionSummaryRequest(customer_id=ada_id)
    summary = servicer.GetTransactionSummary(request, CALL)
    assert (summary.count, summary.totals[0].amount.minor_units) == (1, 100)
    customer = servicer.GetCustomer(pb.GetCustomerRequest(customer_id=ada_id), CALL)
    assert customer.lifecycle == customer_pb2.Customer.LIFECYCLE_ACTIVE


def test_contacts_teach_habits_and_those_of_nobody_wait(store: ProfilesStore, servicer: Methods, ada_id: str) -> None:
    call = Interaction(id="int_1", customer_id=ada_id, channel="CHANNEL_VOICE", direction="DIRECTION_INBOUND")
    mail = Interaction(id="int_2", channel="CHANNEL_EMAIL", direction="DIRECTION_OUTBOUND")
    for contact in (call, mail):
        contact.occurred_time.FromDatetime(NOW)
    learn = subscription(store, "contact_habits").handle
    learn([told(interactions.InteractionRecorded(interaction=each)) for each in (mail, call, call)])
    mail.customer_id = ada_id
    learn([told(interactions.InteractionAttributed(interaction=mail))] * 2)
    habits = servicer.GetContactHabits(activity_pb2.GetContactHabitsRequest(customer_id=ada_id), CALL)
    assert [use.recent_count for use in habits.channels] == [1, 1]
    assert habits.recent_count == 2
    assert [(use.hour, use.recent_count) for use in habits.usual_hours] == [(9, 1)]
    assert habits.last_outbound_time == habits.last_contact_time
