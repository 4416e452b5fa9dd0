"""What customers are worth, asked for at the command line and computed by the worker."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from libs.client import Client
from libs.client.errors import PreconditionFailed
from tests.support.patience import eventually
from tests.support.stack import System

GOLDEN = [400, 250, 120, 80, 60, 40, 25, 15, 7, 3]


@pytest.fixture
def ids(client: Client) -> list[str]:
    """Ten customers with the golden contributions, this month and the last."""
    made = [
        client.profiles.create_customer(customer={"kind": "PERSON", "names": [{"family": "王", "given": f"小{n}"}]}).id
        for n in range(10)
    ]
    now = datetime.now(UTC)
    rows = [
        {
            "transaction": {
                "customer_id": id,
                "occurred_time": now - timedelta(days=days),
                "type": "SALE",
                "amount": {"currency_code": "EUR", "minor_units": units * 50},
                "source": "erp",
                "source_key": f"{id}/{days}",
            }
        }
        for id, units in zip(made, GOLDEN, strict=True)
        for days in (1, 40)
    ]
    outcomes = list(client.profiles.record_transactions([{"rows": rows}]))
    assert all(outcome.created for response in outcomes for outcome in response.outcomes)
    return made


def test_tiers_from_the_first_policy_to_the_card(stack: System, tenant: str, client: Client, ids: list[str]) -> None:
    def kehu(*arguments: str) -> str:
        done = stack.kehu(tenant, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "standard version 1" in kehu("worth", "revise", "standard", "--currency", "EUR")
    told = json.loads(kehu("worth", "evaluate", "--json"))
    assert told["changed_count"] == "10"
    report = kehu("worth", "report")
    assert "40.0% of the customers (4 of 10) make 80 % of the contribution" in report
    assert "the top fifth makes 65.0%" in report
    assert "A since" in kehu("worth", "show", ids[0])
    assert client.profiles.get_tier(customer_id=ids[5]).tier_assignment.tier == 2
    kehu("worth", "rfm", "--currency", "EUR")
    assert client.profiles.get_rfm(customer_id=ids[0]).frequency == 2
    assert "base" in kehu("worth", "loyalty", "--currency", "EUR", "--compute")
    card = kehu("customer", "show", ids[0])
    assert "Worth" in card
    assert "contribution" in card
    assert "share of the top fifth" in kehu("worth", "measures", "concentration")


def test_a_fit_on_too_little_is_refused_with_the_numbers(stack: System, tenant: str, ids: list[str]) -> None:
    assert ids
    done = stack.kehu(tenant, "worth", "fit", "--currency", "EUR", "--margin", "0.3")
    assert done.returncode == 1
    assert "customers bought again, 100 are needed" in done.stderr


def test_one_evaluation_at_a_time(client: Client, ids: list[str]) -> None:
    assert ids
    policy = client.profiles.create_tier_policy(
        tier_policy={"name": "p", "currency_code": "EUR", "review_date": {"year": 2100, "month": 1, "day": 1}}
    )
    first = client.profiles.evaluate_tiers(tier_policy_id=policy.id)
    with pytest.raises(PreconditionFailed, match=first.id):
        client.profiles.evaluate_tiers(tier_policy_id=policy.id)
    assert eventually(lambda: client.profiles.get_operation(operation_id=first.id).HasField("result"))
