"""Segments, the pool and entitlements across processes: events and operations do what calls have asked for."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from libs.client import Client
from libs.client.errors import PreconditionFailed
from tests.support.patience import eventually
from tests.support.stack import System


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
