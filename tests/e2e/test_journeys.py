"""What people do, across services, through their front doors only."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.client import (
    AlreadyExists,
    Client,
    FieldErrors,
    KehuError,
    NotFound,
    PermissionDenied,
    Retry,
    to_money,
)
from libs.registry import PROCESSES
from tests.support.patience import eventually
from tests.support.stack import System

NOW = datetime.now(UTC).replace(microsecond=0)


def person(client: Client, family: str = "王", given: str = "小明", **fields: Any) -> Any:
    return client.profiles.create_customer(
        customer={"kind": "PERSON", "names": [{"family": family, "given": given}], **fields}
    )


def ingest(client: Client, customer_id: str, **fields: Any) -> Any:
    interaction = {
        "customer_id": customer_id,
        "channel": "VOICE",
        "direction": "INBOUND",
        "purpose": "INQUIRY",
        "occurred_time": NOW - timedelta(hours=1),
        **fields,
    }
    return client.interactions.ingest_interaction(interaction=interaction)


def test_a_new_customer_is_known_to_whoever_takes_the_call(client: Client) -> None:
    customer = person(client, preferences={"language_code": "zh-Hans-CN", "channels": ["MESSENGER"]})
    copy = eventually(lambda: _copy(client, customer.id))
    assert (copy.display_name, copy.language_code) == ("王小明", "zh-Hans-CN")

    client.profiles.edit_customer(customer.id, lambda c: c.names.add(family="Wang", given="Xiaoming"))
    client.profiles.update(_renamed(client, customer.id, "王小明先生"), fields=["display_name"])
    eventually(lambda: _copy(client, customer.id).display_name == "王小明先生")


def test_contacts_become_habits(client: Client) -> None:
    customer = person(client, preferences={"time_zone": "Asia/Shanghai"})
    for hours in (2, 26, 50):
        ingest(client, customer.id, channel="MESSENGER", occurred_time=NOW - timedelta(hours=hours))
    ingest(client, customer.id, channel="VOICE", direction="OUTBOUND")
    habits = eventually(
        lambda: _if(client.profiles.get_contact_habits(customer_id=customer.id), lambda h: h.recent_count == 4)
    )
    assert habits.channels[0].recent_count == 3
    assert habits.last_outbound_time.ToDatetime(tzinfo=UTC) == NOW - timedelta(hours=1)


def test_a_withdrawal_is_seen_by_the_next_agent(client: Client) -> None:
    customer = person(client)
    client.profiles.record_consent(
        customer_id=customer.id,
        receipt={
            "purpose": "MARKETING",
            "channel": "VOICE",
            "state": "GRANTED",
            "capture": "RECORDED_CALL",
            "capture_time": NOW - timedelta(days=2),
            "proof_ref": "call 1",
        },
    )
    eventually(lambda: _consents(client, customer.id) == {"MARKETING": "GRANTED"})
    client.profiles.withdraw_consent(
        customer_id=customer.id, purpose="MARKETING", channel="VOICE", capture="CUSTOMER_ACTION"
    )
    eventually(lambda: _consents(client, customer.id) == {"MARKETING": "WITHDRAWN"})
    permission = client.profiles.check_send_permission(customer_id=customer.id, purpose="MARKETING", channel="VOICE")
    assert not permission.allowed


def test_a_promise_is_kept_in_the_context_until_it_is_kept(client: Client) -> None:
    customer = person(client)
    eventually(lambda: _copy(client, customer.id))
    promise = client.interactions.make_promise(
        promise={
            "customer_id": customer.id,
            "text": "call back",
            "term": {
                "civil_time": {"date": (NOW + timedelta(days=2)).date(), "minute": 600, "time_zone": "Asia/Shanghai"}
            },
        }
    )
    assert [p.id for p in client.interactions.get_context(customer_id=customer.id).promises] == [promise.id]
    client.interactions.keep_promise(promise_id=promise.id)
    assert not client.interactions.get_context(customer_id=customer.id).promises


def test_purchases_add_up(client: Client) -> None:
    customer = person(client)
    rows = [
        {
            "transaction": {
                "customer_id": customer.id,
                "occurred_time": NOW - timedelta(days=day),
                "type": "SALE",
                "amount": to_money("10.50", "CNY"),
                "source": "shop",
                "source_key": str(day),
            }
        }
        for day in range(20)
    ]
    answers = list(client.profiles.record_transactions([{"rows": rows[:10]}, {"rows": rows}]))
    assert [[o.created for o in answer.outcomes] for answer in answers] == [[True] * 10, [False] * 10 + [True] * 10]
    summary = eventually(
        lambda: _if(client.profiles.get_transaction_summary(customer_id=customer.id), lambda s: s.count == 20)
    )
    assert [(t.amount.minor_units, t.count) for t in summary.totals] == [(21000, 20)]


def test_the_same_request_twice_is_one_customer(client: Client) -> None:
    request = {
        "customer": {"kind": "PERSON", "display_name": "Ada"},
        "request_id": "7c1e7a4e-3f8e-4a55-9d6c-2f4b7f1f3b11",
    }
    first, second = client.profiles.create_customer(**request), client.profiles.create_customer(**request)
    assert first == second
    with pytest.raises(AlreadyExists) as caught:
        client.profiles.create_customer(**{**request, "customer": {"kind": "PERSON", "display_name": "Bob"}})
    assert caught.value.reason == "REQUEST_ID_REUSED"


def test_refusals_are_typed(client: Client) -> None:
    with pytest.raises(NotFound):
        client.profiles.get_customer(customer_id="cus_" + "0" * 26)
    with pytest.raises(FieldErrors) as caught:
        client.profiles.create_customer(customer={"kind": "PERSON", "contact_points": [{"type": "PHONE", "raw": "12"}]})
    assert caught.value.fields[0].path == "customer.contact_points[0].raw"
    person(client, external_ids=[{"system": "erp", "id": "1"}])
    with pytest.raises(AlreadyExists):
        person(client, external_ids=[{"system": "erp", "id": "1"}])


def test_another_tenant_sees_nothing(stack: System, client: Client) -> None:
    customer = person(client, external_ids=[{"system": "erp", "id": "7"}])
    interaction = ingest(client, customer.id)
    eventually(lambda: _copy(client, customer.id))
    with stack.client("another-tenant") as stranger:
        for call in (
            lambda: stranger.profiles.get_customer(customer_id=customer.id),
            lambda: stranger.profiles.edit_customer(customer.id, lambda c: c.aliases.append("x")),
            lambda: stranger.profiles.list_customer_changes(customer_id=customer.id).first(),
            lambda: stranger.interactions.get_interaction(interaction_id=interaction.id),
            lambda: stranger.interactions.get_context(customer_id=customer.id),
            lambda: stranger.interactions.list_timeline(customer_id=customer.id).first(),
            lambda: next(stranger.interactions.watch_timeline(customer_id=customer.id)),
        ):
            with pytest.raises(NotFound):
                call()
        assert not stranger.profiles.search_customers(query="王").customers
        assert stranger.profiles.lookup_customer(external_id={"system": "erp", "id": "7"}).first() is None


def test_a_token_opens_only_what_its_scopes_say(stack: System, tenant: str) -> None:
    with stack.client(tenant, ["profiles.customers.read"]) as reader:
        assert reader.profiles.list_customers().first() is None
        with pytest.raises(PermissionDenied, match=r"profiles\.customers\.write"):
            reader.profiles.create_customer(customer={"kind": "PERSON", "display_name": "Ada"})


def test_a_watch_tells_every_contact_once_and_survives_a_restart(stack: System, client: Client) -> None:
    customer = person(client)
    eventually(lambda: _copy(client, customer.id))
    watch = client.interactions.watch_timeline(customer_id=customer.id)
    assert next(watch).WhichOneof("change") is None
    first = ingest(client, customer.id, summary="first")
    assert next(_contacts(watch)).id == first.id
    stack.restart("interactions-api")
    second = ingest(client, customer.id, summary="second")
    assert next(_contacts(watch)).id == second.id
    watch.close()


def test_a_rolling_restart_is_not_noticed(stack: System, tenant: str) -> None:
    """A client that repeats UNAVAILABLE loses no call and makes nothing twice while every process is replaced."""
    made: list[str] = []
    failures: list[KehuError] = []
    stop = threading.Event()
    with stack.client(tenant, timeout=20, retry=Retry(attempts=30)) as client:

        def work() -> None:
            number = 0
            while not stop.is_set():
                try:
                    made.append(person(client, "李", f"{number:04d}").id)
                    client.profiles.get_customer(customer_id=made[-1])
                except KehuError as error:
                    failures.append(error)
                    return
                number += 1

        worker = threading.Thread(target=work)
        worker.start()
        for name in (*PROCESSES, "profiles-api"):
            stack.restart(name)
        stop.set()
        worker.join(30)
        assert not failures
        assert sorted(made) == sorted(customer.id for customer in client.profiles.list_customers(page_size=500))
        for customer_id in (made[0], made[-1]):
            eventually(lambda customer_id=customer_id: _copy(client, customer_id))


def _copy(client: Client, customer_id: str) -> Any:
    """What interactions knows of a customer, or None while it knows nothing."""
    try:
        return client.interactions.get_context(customer_id=customer_id).customer
    except NotFound:
        return None


def _consents(client: Client, customer_id: str) -> dict[str, str]:
    copy = _copy(client, customer_id)
    return {} if copy is None else {consent.purpose: consent.state for consent in copy.consents}


def _renamed(client: Client, customer_id: str, name: str) -> Any:
    customer = client.profiles.get_customer(customer_id=customer_id)
    customer.display_name = name
    return customer


def _contacts(watch: Iterator[Any]) -> Iterator[Any]:
    return (message.interaction for message in watch if message.WhichOneof("change") == "interaction")


def _if(value: Any, holds: Any) -> Any:
    return value if holds(value) else None
