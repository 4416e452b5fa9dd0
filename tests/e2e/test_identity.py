"""Two records of one customer, from the first look to the undoing of their merge, across services."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.client import Client, PreconditionFailed
from tests.support.patience import eventually
from tests.support.stack import System

NOW = datetime.now(UTC).replace(microsecond=0)
BORN = {"kind": "BIRTH", "year": 1988, "month": 4, "day": 18}


def person(client: Client, **fields: Any) -> Any:
    names = [{"family": "欧阳", "given": "小明"}]
    return client.profiles.create_customer(customer={"kind": "PERSON", "names": names, "dates": [BORN], **fields})


def call(client: Client, key: str, **who: Any) -> None:
    client.interactions.ingest_interaction(
        interaction={
            "channel": "VOICE",
            "direction": "INBOUND",
            "purpose": "INQUIRY",
            "occurred_time": NOW - timedelta(hours=1),
            "external_key": key,
            **who,
        }
    )


def timeline(client: Client, customer_id: str) -> set[str]:
    return {each.external_key for each in client.interactions.list_timeline(customer_id=customer_id)}


def test_two_records_of_one_customer_become_one_and_two_again(client: Client) -> None:
    phone = {"type": "PHONE", "raw": "+86 139 0013 9000"}
    a, b = person(client), person(client, contact_points=[phone])
    [pair] = eventually(lambda: list(client.profiles.list_duplicate_candidates(customer_id=a.id)))
    assert sorted(pair.customer_ids) == sorted((a.id, b.id))
    call(client, "a", customer_id=a.id)
    call(client, "b", customer_id=b.id)
    eventually(lambda: timeline(client, b.id) == {"b"})

    preview = client.profiles.preview_merge(survivor_id=a.id, loser_ids=[b.id])
    done = client.profiles.merge_customers(survivor_id=a.id, loser_ids=[b.id], revisions=dict(preview.revisions))
    assert client.profiles.get_customer(customer_id=b.id).id == a.id
    with pytest.raises(PreconditionFailed) as refusal:
        client.profiles.update_customer(customer={"id": b.id, "owner": "eve"}, update_mask={"paths": ["owner"]})
    assert (refusal.value.reason, refusal.value.metadata["survivor_id"]) == ("CUSTOMER_MERGED", a.id)
    eventually(lambda: timeline(client, a.id) == timeline(client, b.id) == {"a", "b"})
    call(client, "by phone", identifier={"kind": "PHONE", "value": "+8613900139000"})
    eventually(lambda: "by phone" in timeline(client, a.id))
    context = client.interactions.get_context(customer_id=b.id)
    assert (context.customer.id, list(context.customer.merged_ids)) == (a.id, [b.id])

    client.profiles.unmerge_customers(merge_id=done.merge.id, reason="two people")
    eventually(lambda: timeline(client, a.id) == {"a"} and timeline(client, b.id) == {"b", "by phone"})
    assert client.profiles.get_customer(customer_id=b.id).contact_points[0].canonical == "+8613900139000"
    assert client.profiles.list_duplicate_candidates(customer_id=b.id, filter="state = REJECTED")


def test_the_command_line_merges_and_undoes_it(stack: System) -> None:
    tenant = "merging"
    with stack.client(tenant) as client:
        a, b = person(client), person(client, labels={"shoe": "38"})
        eventually(lambda: list(client.profiles.list_duplicate_candidates(customer_id=a.id)))
    listed = stack.kehu(tenant, "customer", "duplicates")
    assert "likely" in listed.stdout
    assert a.id in stack.kehu(tenant, "customer", "duplicates", b.id).stdout.replace("\n", "")
    told = stack.kehu(tenant, "customer", "merge", a.id, b.id, "--yes", "--json", "--reason", "same birthday")
    assert told.returncode == 0, told.stderr
    merge_id = json.loads(told.stdout)["merge"]["id"]
    assert f"merged from {b.id}" in stack.kehu(tenant, "customer", "show", b.id).stdout
    assert "same birthday" in stack.kehu(tenant, "customer", "merges", b.id).stdout
    eventually(lambda: "merged: united" in stack.kehu(tenant, "customer", "origins", b.id).stdout)
    undone = stack.kehu(tenant, "customer", "unmerge", merge_id)
    assert undone.returncode == 0, undone.stderr
    assert b.id in undone.stdout
    again = stack.kehu(tenant, "customer", "merge", a.id, b.id)
    assert again.returncode == 1
    assert "must not be merged" in again.stderr
