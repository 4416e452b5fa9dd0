"""Personal values leave no trace in clear, and erasure reaches every copy."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from libs.client.client import Client
from libs.client.errors import KehuError, NotFound, PermissionDenied
from libs.registry import ERASURE_PARTICIPANTS
from tests.support.patience import eventually
from tests.support.stack import System

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def canary() -> str:
    """A word that nothing else contains."""
    return f"zanzibar{uuid.uuid4().hex[:12]}"


def letters(canary: str) -> str:
    """The canary as a name."""
    return canary.translate(str.maketrans("0123456789", "ghijklmnop")).capitalize()


@pytest.fixture
def ada(client: Client, canary: str) -> str:
    """A customer with a canary in every corner of both services."""
    name = letters(canary)
    customer = client.profiles.create_customer(
        customer={
            "kind": "PERSON",
            "names": [{"given": name, "family": "Lovelace"}],
            "contact_points": [{"type": "EMAIL", "raw": f"{canary}@example.com"}],
            "addresses": [{"region_code": "GB", "lines": [f"{canary} road"]}],
            "external_ids": [{"system": "erp", "id": canary}],
            "labels": {"nick": canary},
        }
    )
    client.profiles.record_fact(fact={"customer_id": customer.id, "topic": "HOME_TOWN", "text": f"from {canary}"})
    grant = {"purpose": "MARKETING", "state": "GRANTED", "capture": "CUSTOMER_ACTION", "proof_ref": "form/1"}
    client.profiles.record_consent(customer_id=customer.id, receipt={**grant, "contact_point": f"{canary}@example.com"})
    eventually(lambda: _is_known(client, customer.id))
    contact = {
        "channel": "EMAIL",
        "direction": "INBOUND",
        "occurred_time": NOW - timedelta(minutes=5),
        "identifier": {"kind": "EMAIL", "value": f"{canary}@example.com"},
        "summary": f"{canary} is angry",
    }
    conversation = client.interactions.ingest_interaction(interaction=contact).conversation_id
    client.interactions.transfer_conversation(conversation_id=conversation, queue="second", note=f"call {canary}")
    due = {"civil_time": {"date": (NOW + timedelta(days=1)).date(), "time_zone": "UTC"}}
    client.interactions.make_promise(promise={"customer_id": customer.id, "text": f"write to {canary}", "term": due})
    stuck = {**contact, "summary": f"another of {canary}"}
    eventually(lambda: client.interactions.ingest_interaction(interaction=stuck).customer_id == customer.id)
    return str(customer.id)


def traces(folder: Path, words: list[str]) -> Iterator[str]:
    """Files below a folder that contain one of the words in clear."""
    for path in sorted(folder.rglob("*")):
        try:
            content = path.read_bytes().lower() if path.is_file() else b""
        except OSError:  # sockets, and files that are just being replaced
            continue
        yield from (f"{path.relative_to(folder)}: {word}" for word in words if word.lower().encode() in content)


@pytest.fixture
def files(stack: System, stack_folder: Path, mongodb_uri: str) -> Callable[[], Path]:
    """The folder of all data and logs, once everything that happened is written there."""

    def settled() -> Path:
        stack.settle()
        with MongoClient[dict[str, Any]](mongodb_uri) as mongo:
            mongo.admin.command("fsync")
        return stack_folder

    return settled


def test_no_file_of_database_broker_or_log_shows_a_personal_value(
    files: Callable[[], Path], mongodb_uri: str, canary: str, ada: str
) -> None:
    control = f"control{uuid.uuid4().hex[:12]}"
    with MongoClient[dict[str, Any]](mongodb_uri) as mongo:
        mongo["control"]["control"].insert_one({"name": control})
    folder = files()
    assert list(traces(folder, [control])), "the search would not find what lies open"
    assert list(traces(folder, [ada])), "the customer was not written"
    assert list(traces(folder, [canary, letters(canary)])) == []


def test_an_erased_customer_is_gone_everywhere_with_proof(
    files: Callable[[], Path], client: Client, canary: str, ada: str
) -> None:
    files()
    before = sum(1 for _ in client.interactions.list_timeline(customer_id=ada, page_size=500))
    begun = client.profiles.request_erasure(customer_id=ada, reason="letter 7")
    assert {*begun.awaited_services} == {*ERASURE_PARTICIPANTS} - {"profiles"}
    done = eventually(lambda: _erased(client, begun.id), seconds=60)
    receipts = {receipt.service: receipt for receipt in done.receipts}
    assert receipts.keys() == set(ERASURE_PARTICIPANTS)
    assert all(receipt.digest for receipt in receipts.values())
    assert receipts["profiles"].destroyed_keys
    assert receipts["interactions"].destroyed_keys
    assert done.certificate
    folder = files()

    def told() -> str:
        """Every answer that could tell something of her."""
        answers: list[Any] = [
            client.profiles.get_customer(customer_id=ada),
            client.interactions.get_context(customer_id=ada),
            *client.profiles.list_customer_changes(customer_id=ada),
            *client.profiles.export_subject_data(customer_id=ada),
            *client.interactions.export_subject_data(customer_id=ada),
        ]
        return repr(answers).lower()

    # The processes that serve calls forget the keys within seconds.
    eventually(lambda: not any(word.lower() in told() for word in (canary, letters(canary))), seconds=60)
    assert sum(1 for _ in client.interactions.list_timeline(customer_id=ada, page_size=500)) == before
    assert client.profiles.verify_consent_chain(customer_id=ada).intact
    for service in (client.profiles, client.interactions):
        checked = service.verify_journal()
        assert (checked.intact, checked.complete) == (True, True)
    assert list(traces(folder, [canary, letters(canary)])) == []


def test_a_journal_is_checked_in_parts_and_against_what_was_told_before(
    stack: System, mongodb_uri: str, client: Client, tenant: str, ada: str
) -> None:
    stack.settle()
    whole = client.profiles.verify_journal().checked
    rest = client.profiles.verify_journal(after_position=2, roots=[whole])
    assert (rest.intact, rest.complete, rest.checked) == (True, True, whole)
    with MongoClient[dict[str, Any]](mongodb_uri) as mongo:
        mongo["profiles"]["journal"].update_one({"tenant": tenant, "position": 3}, {"$set": {"actor": "nobody"}})
    broken = client.profiles.verify_journal()
    assert (broken.intact, broken.broken_position, broken.explanation) == (False, 3, "was changed")
    assert client.profiles.get_customer(customer_id=ada).id == ada


def test_a_hold_is_respected_and_masks_are_lifted_with_a_purpose(
    stack: System, tenant: str, client: Client, canary: str, ada: str
) -> None:
    client.profiles.place_legal_hold(customer_id=ada, reason="case 4711")
    with pytest.raises(KehuError, match="legal hold forbids"):
        client.profiles.request_erasure(customer_id=ada, reason="letter 7")
    client.profiles.release_legal_hold(customer_id=ada)
    scopes = ["profiles.customers.read", "profiles.contacts.reveal"]
    with stack.client(tenant, scopes=scopes) as reader:
        [point] = reader.profiles.get_customer(customer_id=ada).contact_points
        assert point.canonical == "z•••••@example.com"
        revealed = reader.profiles.reveal_contact_points(customer_id=ada, purpose_of_use="returning a call")
        assert revealed.contact_points[0].canonical == f"{canary}@example.com"
        with pytest.raises(PermissionDenied):
            reader.profiles.export_subject_data(customer_id=ada).__next__()
    [access] = client.profiles.list_accesses(customer_id=ada)
    assert access.purpose_of_use == "returning a call"


def _is_known(client: Client, customer_id: str) -> bool:
    """Whether interactions has heard of a customer."""
    try:
        return bool(client.interactions.get_context(customer_id=customer_id).customer.display_name)
    except NotFound:
        return False


def _erased(client: Client, erasure_id: str) -> Any:
    status = client.profiles.get_erasure_status(erasure_id=erasure_id)
    return status if status.certificate else None
