"""A service that holds something on customers: its projection follows whatever order events come in, and it erases."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import permutations
from types import NoneType
from typing import Any

import pytest
from kehu.common.v1 import erasure_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import identity
from libs.chassis.customers import CustomerErased
from libs.chassis.domain import DomainError, InvalidArgument, NotFound
from libs.chassis.erasure import ERASURE_BATCH
from libs.chassis.store import Outcome
from libs.chassis.testing import World
from tests.support.ledger import Account
from tests.support.ledger_service import customers
from tests.support.ledger_service.customers import SERVICE, CustomersLedger, Holder

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
ADA, TWIN = identity.new_id("cus"), identity.new_id("cus")


@pytest.fixture
def world() -> Iterator[World[CustomersLedger]]:
    with World(SERVICE, at=NOW).entered() as world:
        yield world


def told(id: str = ADA, name: str = "Ada", **fields: Any) -> profiles.CustomerUpdated:
    event = profiles.CustomerUpdated()
    event.customer.id, event.customer.display_name = id, name
    event.customer.preferences.time_zone = "Asia/Shanghai"
    event.customer.MergeFrom(type(event.customer)(**fields))
    return event


def merged(epoch: int, canonical: str = ADA) -> profiles.CustomersMerged:
    event = profiles.CustomersMerged()
    event.customer.CopyFrom(told(merged_ids=[TWIN] if canonical == ADA else []).customer)
    event.aliases.add(customer_id=TWIN, canonical_id=canonical, epoch=epoch)
    return event


def to_be_erased(id: str = ADA) -> profiles.CustomerErasureRequested:
    erasure_id = identity.derived_id("era", "erasure", id)
    return profiles.CustomerErasureRequested(customer_id=id, erasure_id=erasure_id, customer=told(id).customer)


def open_account(world: World[CustomersLedger], customer_id: str = ADA, holder: str = "Ada Lovelace") -> Account:
    account = Account(id=identity.new_id("acc"), name="main", holder=holder, customer_id=customer_id)
    accounts = world.store.accounts
    return world.store.customers.while_living(
        [customer_id], lambda: accounts.insert(account.open()), lambda each: accounts.update(each.id, Account.empty)
    )


def test_the_fields_that_were_named_are_kept_and_no_others(world: World[CustomersLedger]) -> None:
    world.hear(told(labels={"tier": "gold"}), entity_id=ADA)
    known = world.store.customers.require(ADA)
    assert (known.display_name, known.time_zone, known.source_revision) == ("Ada", "Asia/Shanghai", 1)
    assert set(Holder.__dataclass_fields__) >= {"display_name", "time_zone"}
    with pytest.raises(NotFound):
        world.store.customers.require(TWIN)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_newest_state_wins_in_whatever_order_it_comes(
    world: World[CustomersLedger], order: tuple[int, ...]
) -> None:
    for number in (*order, *order):
        world.hear(told(name=f"Ada {number}"), entity_id=ADA, revision=number + 1)
    assert world.store.customers.require(ADA).display_name == "Ada 2"


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_merge_leads_to_the_survivor_in_whatever_order_it_comes(
    world: World[CustomersLedger], order: tuple[int, ...]
) -> None:
    news = [
        (told(), ADA, 1),
        (told(TWIN, "Twin"), TWIN, 1),
        (merged(1), ADA, 2),
        (told(TWIN, "Twin", merged_into=ADA), TWIN, 2),
    ]
    for number in order:
        message, entity_id, revision = news[number]
        world.hear(message, entity_id=entity_id, revision=revision)
    found = world.store.customers.find(TWIN)
    assert found is not None
    assert (found.id, world.store.customers.group(TWIN)) == (ADA, (ADA, TWIN))


@pytest.mark.parametrize("late", [False, True])
def test_an_unmerge_leads_back_and_an_older_merge_changes_nothing(world: World[CustomersLedger], late: bool) -> None:
    world.hear(told(TWIN, "Twin"), entity_id=TWIN)
    steps = [(merged(1), 2), (merged(2, canonical=TWIN), 3)]
    for message, revision in reversed(steps) if late else steps:
        world.hear(message, entity_id=ADA, revision=revision)
    found = world.store.customers.find(TWIN)
    assert found is not None
    assert found.id == TWIN


def test_an_erasure_empties_everything_and_answers(world: World[CustomersLedger]) -> None:
    world.hear(told(), entity_id=ADA)
    accounts = [open_account(world) for _ in range(ERASURE_BATCH + 3)]
    other = open_account(world, customer_id=TWIN, holder="Twin")
    world.hear(to_be_erased(), entity_id=ADA, revision=2)
    world.tick("erasures")
    held = world.store.accounts.batch_get([each.id for each in accounts])
    assert {each.holder for each in held} == {""}
    assert world.store.accounts.get(other.id).holder == "Twin"
    tombstone = world.store.customers.require(ADA)
    assert (tombstone.erased, tombstone.display_name, tombstone.time_zone) == (True, "", "")
    answers = [each for each in world.database.events() if each.type == "kehu.ledger.erasure.completed.v1"]
    [receipt] = [erasure_pb2.ErasureCompleted.FromString(each.data).receipt for each in answers]
    assert receipt.service == "ledger"
    assert {each.kind: each.count for each in receipt.erased} == {"customers": 1, "accounts": ERASURE_BATCH + 3}
    assert {each.kind: each.reason for each in receipt.kept}["accounts"] == "books outlive who they were for"
    assert receipt.destroyed_keys == ERASURE_BATCH + 4
    past = [erasure for erasure in world.database.events() if b"Lovelace" in erasure.data]
    assert past == [], "events of the past tell nothing any more"


def test_a_repeated_request_and_late_news_change_nothing(world: World[CustomersLedger]) -> None:
    world.hear(told(), entity_id=ADA)
    for revision in (3, 3):
        world.hear(to_be_erased(), entity_id=ADA, revision=revision)
    world.tick("erasures")
    before = world.events()
    world.hear(told(name="Late"), entity_id=ADA, revision=2)
    world.hear(told(name="Later"), entity_id=ADA, revision=4)
    world.hear(to_be_erased(), entity_id=ADA, revision=3)
    world.tick("erasures")
    assert world.events() == before
    known = world.store.customers.require(ADA)
    assert (known.display_name, known.erased, known.source_revision) == ("", True, 4)


def test_of_an_erased_customer_nothing_is_recorded(world: World[CustomersLedger]) -> None:
    world.hear(told(), entity_id=ADA)
    world.hear(to_be_erased(), entity_id=ADA, revision=2)
    with pytest.raises(CustomerErased, match=ADA):
        open_account(world)


def test_what_is_stored_while_an_erasure_begins_is_withdrawn(world: World[CustomersLedger]) -> None:
    world.hear(told(), entity_id=ADA)
    account = Account(id=identity.new_id("acc"), name="main", holder="Ada Lovelace", customer_id=ADA)

    def insert() -> Account:
        stored = world.store.accounts.insert(account.open())
        world.hear(to_be_erased(), entity_id=ADA, revision=2)  # between the look and the next one
        return stored

    withdrawn: list[Account] = []
    with pytest.raises(CustomerErased):
        world.store.customers.while_living([ADA], insert, withdrawn.append)
    assert [each.id for each in withdrawn] == [account.id]


def test_rows_of_erased_customers_are_refused_and_those_of_one_erased_meanwhile_withdrawn(
    world: World[CustomersLedger],
) -> None:
    late = identity.new_id("cus")
    for id in (ADA, TWIN, late):
        world.hear(told(id), entity_id=id)
    world.hear(to_be_erased(TWIN), entity_id=TWIN, revision=2)

    def account(customer_id: str) -> Account:
        return Account(id=identity.new_id("acc"), name="main", holder="Ada Lovelace", customer_id=customer_id)

    def store(made: Sequence[Account]) -> Sequence[Outcome[Account]]:
        outcomes = world.store.accounts.insert_many([each.open() for each in made], keys=[each.id for each in made])
        world.hear(to_be_erased(late), entity_id=late, revision=2)
        return outcomes

    withdrawn: list[str] = []
    unread = InvalidArgument.field("name", "is missing")
    rows: list[str | DomainError] = [ADA, unread, TWIN, late]
    outcomes = world.store.customers.take(rows, account, store, of=str, withdraw=withdrawn.extend)
    assert [type(each.error) for each in outcomes] == [NoneType, InvalidArgument, CustomerErased, NoneType]
    assert outcomes[3].entity is not None
    assert withdrawn == [outcomes[3].entity.id]


def test_an_export_holds_everything_under_every_id(world: World[CustomersLedger]) -> None:
    world.hear(told(), entity_id=ADA)
    world.hear(told(TWIN, "Twin"), entity_id=TWIN)
    world.hear(merged(1), entity_id=ADA, revision=2)
    exported = list(world.store.erasures.everything(TWIN))
    assert [(kind, each.id) for kind, each in exported] == [("customer", ADA), ("customer", TWIN)]


def test_to_project_and_to_erase_takes_few_lines() -> None:
    """The whole service, which does nothing else, imports and declarations included."""
    source = ast.parse(inspect.getsource(customers))
    lines = {line for node in ast.walk(source) for line in span(node)}
    assert len(lines) <= 40, "twenty for each"


def span(node: ast.AST) -> range:
    """The lines of a statement, docstrings left out."""
    if not isinstance(node, ast.stmt) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        return range(0)
    inner = [each.lineno for each in ast.walk(node) if isinstance(each, ast.stmt) and each is not node]
    return range(node.lineno, min(inner, default=node.end_lineno or node.lineno) + 1)
