"""An erasure whose workers are killed again and again: everybody answers once, and for all of it."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from libs.client.client import Client
from libs.registry import ERASURE_PARTICIPANTS
from tests.support.patience import eventually
from tests.support.stack import System

CONTACTS = 1100
"""Several batches of an erasure."""


@pytest.fixture
def talkative(client: Client, stack: System) -> str:
    """A customer with many contacts."""
    mailbox = f"{uuid.uuid4().hex}@example.com"
    customer = client.profiles.create_customer(
        customer={
            "kind": "PERSON",
            "names": [{"given": "Ada", "family": "Lovelace"}],
            "contact_points": [{"type": "EMAIL", "raw": mailbox}],
        }
    )
    stack.settle()
    now = datetime.now(UTC).replace(microsecond=0)
    rows = [
        {
            "channel": "EMAIL",
            "direction": "INBOUND",
            "occurred_time": now - timedelta(minutes=number + 1),
            "customer_id": customer.id,
            "summary": f"letter {number}",
            "external_key": f"{mailbox}/{number}",
        }
        for number in range(CONTACTS)
    ]
    for start in range(0, CONTACTS, 500):
        done = client.interactions.import_interactions(interactions=rows[start : start + 500])
        assert not [each for each in done.outcomes if each.HasField("error")]
    stack.settle()
    return str(customer.id)


def test_killed_workers_answer_once_and_for_everything(
    stack: System, client: Client, mongodb_uri: str, talkative: str
) -> None:
    with MongoClient[dict[str, Any]](mongodb_uri) as mongo:
        progress, contacts = mongo["interactions"]["erasures"], mongo["interactions"]["interactions"]
        keys = [each["_sealed"]["key"] for each in contacts.find({"customer_id": talkative}, {"_sealed.key": 1})]
        assert len(keys) == CONTACTS
        begun = client.profiles.request_erasure(customer_id=talkative, reason="letter 7")
        kills, seen = 0, -1
        while kills < 3:
            found = eventually(lambda: progress.find_one({"_id": begun.id}), seconds=60)
            if found["answered"]:
                break
            if found["stage"] == "interactions" and found["revision"] != seen:
                stack.kill("interactions-worker")
                kills += 1
                seen = progress.find_one({"_id": begun.id})["revision"]  # type: ignore[index]
                stack.restart("interactions-worker")
        assert kills, "it was over before anybody could be killed"
        eventually(lambda: progress.find_one({"_id": begun.id})["answered"], seconds=60)  # type: ignore[index]
        stack.kill("profiles-worker")
        stack.restart("profiles-worker")
        done = eventually(lambda: _with_certificate(client, begun.id), seconds=90)
        stack.settle()
        told = mongo["interactions"]["journal"].count_documents(
            {"entity_id": begun.id, "type": "kehu.interactions.erasure.completed.v1"}
        )
        left = contacts.count_documents({"customer_id": talkative})
        assert (told, left) == (1, CONTACTS)
        assert {_key(mongo, key) for key in keys} == {None}, "a key was forgotten"
    receipts = {each.service: each for each in done.receipts}
    assert receipts.keys() == set(ERASURE_PARTICIPANTS)
    others = receipts["interactions"]
    assert {each.kind: each.count for each in others.erased} == {"customers": 1, "interactions": CONTACTS}
    assert len(others.digest) == 2 * hashlib.sha256().digest_size
    assert client.profiles.get_erasure_status(erasure_id=begun.id).certificate == done.certificate
    assert not any(each.summary for each in client.interactions.list_timeline(customer_id=talkative, page_size=500))


def _key(mongo: MongoClient[dict[str, Any]], id: str) -> bytes | None:
    """A key as the keyring has it: None once it was destroyed."""
    page, _, place = id.partition(".")
    found = mongo["keyring"]["pages"].find_one({"_id": page})
    assert found, f"the page of key {id} is missing"
    key: bytes | None = found["keys"][int(place)]
    return key


def _with_certificate(client: Client, erasure_id: str) -> Any:
    status = client.profiles.get_erasure_status(erasure_id=erasure_id)
    return status if status.certificate else None
