"""Segments, the pool and entitlements across processes: events and operations do what calls have asked for."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from kehu.profiles.v1.customer_pb2 import Customer

from libs.client import Client
from libs.client.errors import PreconditionFailed
from tests.support.patience import eventually
from tests.support.stack import System

ACTIVE = Customer.LIFECYCLE_ACTIVE


def person(client: Client, **fields: Any) -> Any:
    names = [{"family": "王", "given": "小明"}]
    return client.profiles.create_customer(customer={"kind": "PERSON", "names": names, **fields})


def members(client: Client, segment: str) -> set[str]:
    return {each.customer_id for each in client.profiles.list_segment_members(segment=segment)}


def sell(client: Client, customer_id: str, key: str) -> None:
    sale = {
        "customer_id": customer_id,
        "type": "SALE",
        "amount": {"currency_code": "CNY", "minor_units": 100_00},
        "occurred_time": datetime.now(UTC),
        "source": "shop",
        "source_key": key,
    }
    (answer,) = client.profiles.record_transactions([{"rows": [{"transaction": sale}]}])
    assert answer.outcomes[0].created


def test_a_segment_takes_in_who_was_there_and_who_comes(client: Client) -> None:
    old = person(client, labels={"region": "east"})
    defined = client.profiles.define_segment(
        segment={"key": "east-buyers", "filter": "labels.region = east AND sale_count >= 1 OR labels.vip = yes"}
    )
    assert defined.version == 1
    sell(client, old.id, f"{old.id}/1")
    eventually(lambda: members(client, "east-buyers") == {old.id})
    vip = person(client, labels={"region": "east", "vip": "yes"})
    sell(client, vip.id, f"{vip.id}/1")
    eventually(lambda: members(client, "east-buyers") == {old.id, vip.id})
    eventually(lambda: client.profiles.get_segment(segment="east-buyers").evaluated_version == 1)

    client.profiles.define_segment(segment={"key": "east-buyers", "filter": "labels.vip = yes"})
    eventually(lambda: members(client, "east-buyers") == {vip.id})
    why = client.profiles.preview_segment(filter="labels.vip = yes", customer_ids=[old.id]).verdicts[0]
    assert (why.matches, why.reasons[0].clause) == (False, "labels.vip = yes")


def test_the_pool_from_the_command_line(stack: System, client: Client, tenant: str, tmp_path: Path) -> None:
    customer = person(client, owner="li.lei")
    owned = eventually(lambda: _owned(client, customer.id))
    assert owned.owner == "li.lei"
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"recycle_rules": [{"contact_days": 30, "warn_days": 7}], "daily_limit": 5}))
    assert "version 1" in stack.kehu(tenant, "pool", "policy", "--file", rules).stdout
    tried = stack.kehu(tenant, "pool", "run", "--dry-run", seconds=120)
    assert "of 1 owned customers would be, by version 1: 1 kept" in tried.stdout, tried.stderr
    assert stack.kehu(tenant, "pool", "release", customer.id, "--note", "moved").returncode == 0
    listed = stack.kehu(tenant, "pool", "list").stdout
    assert customer.id in listed
    assert "0 of 5" in listed
    assert "is yours" in stack.kehu(tenant, "pool", "claim", customer.id).stdout
    refused = stack.kehu(tenant, "pool", "claim", customer.id)
    assert refused.returncode == 1
    assert "the customer belongs to" in refused.stderr
    told = stack.kehu(tenant, "pool", "history", customer.id).stdout
    assert "li.lei" in told
    assert "moved" in told
    with pytest.raises(PreconditionFailed):
        client.profiles.claim_customer(customer_id=customer.id)


def test_contracts_entitlements_and_stages_from_the_command_line(stack: System, client: Client, tenant: str) -> None:
    customer = person(client)
    today = datetime.now(UTC).date()
    first, last = today.replace(month=1, day=1), today.replace(month=12, day=31)
    added = stack.kehu(
        tenant,
        "contract",
        "add",
        customer.id,
        "2026-117",
        "--plan",
        "gold-service",
        "--from",
        f"{first}",
        "--to",
        f"{last}",
    )
    assert f"2026-117, gold-service, from {first} until {last}" in added.stdout, added.stderr
    client.profiles.create_entitlement(
        entitlement={
            "benefit": "trip",
            "basis": "PLAN",
            "subject": "gold-service",
            "allowance": 1,
            "period": "YEAR",
            "valid_from_date": first,
        }
    )
    given = stack.kehu(tenant, "entitlement", "show", customer.id).stdout
    assert "1 a year" in given
    assert "2026-117" in given
    assert "gold-service" in stack.kehu(tenant, "contract", "list", customer.id).stdout
    eventually(lambda: client.profiles.get_customer(customer_id=customer.id).lifecycle == ACTIVE)
    card = stack.kehu(tenant, "customer", "show", customer.id).stdout
    assert "has a running contract, gold-service" in " ".join(card.split())
    looked = stack.kehu(tenant, "worth", "lifecycles", "--preview", seconds=120)
    assert "1 customers looked at; would move:" in looked.stdout, looked.stderr
    assert stack.kehu(tenant, "worth", "lifecycles", "--every", "7", seconds=120).returncode == 0
    assert "evaluate_lifecycles" in stack.kehu(tenant, "operation", "planned").stdout
    assert "SUCCEEDED" in stack.kehu(tenant, "operation", "list").stdout.upper()
    contract = added.stdout.split()[0]
    assert f"until {first}" in stack.kehu(tenant, "contract", "end", contract, "--on", f"{first}").stdout
    shown = stack.kehu(tenant, "customer", "reveal", customer.id, "--fields", "names", "--purpose", "to call back")
    assert "王小明" in shown.stdout, shown.stderr
    [look] = client.profiles.list_accesses(customer_id=customer.id)
    assert look.purpose_of_use == "to call back"


def _owned(client: Client, customer_id: str) -> Any:
    found = client.profiles.get_ownership(customer_id=customer_id)
    return found if found.owner else None


def test_a_card_shows_owner_segments_and_entitlements(stack: System, client: Client, tenant: str) -> None:
    customer = person(client, owner="li.lei", labels={"level": "gold"})
    client.profiles.define_segment(segment={"key": "gold", "filter": "labels.level = gold"})
    visit = {"benefit": "visit", "basis": "SEGMENT", "subject": "gold", "allowance": 2, "period": "YEAR"}
    client.profiles.create_entitlement(entitlement={**visit, "valid_from_date": date(2026, 1, 1)})
    eventually(lambda: members(client, "gold") == {customer.id})
    eventually(lambda: _owned(client, customer.id))
    view = client.profiles.get_customer360(customer_id=customer.id)
    assert not view.partial_sections
    assert view.customer.id == view.entitlements.customer_id == customer.id
    shown = stack.kehu(tenant, "customer", "show", customer.id).stdout
    for part in ("li.lei", "gold", "labels.level = gold", "visit: 2 a year", "in the segment gold"):
        assert part in shown, shown
    told = stack.kehu(tenant, "segment", "show", "gold").stdout
    assert "王小明" in told
    assert "labels.level = gold" in stack.kehu(tenant, "segment", "list").stdout
