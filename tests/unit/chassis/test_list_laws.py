"""A list is answered although one of its documents cannot be read, whatever is wrong with that one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.paging import PageRequest
from libs.chassis.store import Collection, Index
from libs.engine.deferrals import Deferrals
from libs.engine.metrics import STORE_UNREADABLE
from libs.engine.store import drafts
from libs.engine.store.memory import MemoryDatabase
from tests.support.ledger import Account
from tests.unit.test_timer_laws import ERRORS


@pytest.fixture
def database() -> Iterator[MemoryDatabase]:
    at = datetime(2026, 5, 4, 9, tzinfo=UTC)
    with identity.clock(identity.FixedClock(at)), context.enter(Context(tenant="acme", actor="ann")):
        yield MemoryDatabase("ledger")


@pytest.fixture
def accounts(database: MemoryDatabase) -> Collection[Account]:
    return database.collection(Account, "accounts", indexes=[Index(("name",))])


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_of_three_the_one_in_the_middle_cannot_be_read_and_the_others_are_listed(
    database: MemoryDatabase, accounts: Collection[Account], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    deferrals = Deferrals(database)
    made = [accounts.insert(lambda id, n=n: Account(id=id, name=n).open()) for n in "abc"]
    read, before = drafts.from_doc, STORE_UNREADABLE.labels("accounts")._value.get()

    def broken(entity: type[Any], document: Any) -> Any:
        if document["_id"] == made[1].id:
            raise error
        return read(entity, document)

    monkeypatch.setattr(drafts, "from_doc", broken)
    page = accounts.page(None, PageRequest(), order="name")
    assert [each.name for each in page.items] == ["a", "c"]
    assert STORE_UNREADABLE.labels("accounts")._value.get() == before + 1
    [(tenant, noted)] = deferrals.all(10)
    assert (tenant, noted.timer, noted.item) == ("acme", "lists of accounts", made[1].id)
    assert type(error).__name__ in noted.reason
    first = accounts.page(None, PageRequest(1), order="name")
    second = accounts.page(None, PageRequest(1, first.next_page_token), order="name")
    third = accounts.page(None, PageRequest(1, second.next_page_token), order="name")
    assert [[each.name for each in page.items] for page in (first, second, third)] == [["a"], [], ["c"]]
    assert third.next_page_token == ""


def test_what_can_be_read_again_is_forgotten_by_an_operator(
    database: MemoryDatabase, accounts: Collection[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    deferrals, read = Deferrals(database), drafts.from_doc
    accounts.insert(lambda id: Account(id=id, name="a").open())
    with monkeypatch.context() as there:
        there.setattr(drafts, "from_doc", lambda entity, each: 1 / 0 if entity is Account else read(entity, each))
        assert accounts.page(None, PageRequest(), order="name").items == []
    assert [each.name for each in accounts.page(None, PageRequest(), order="name").items] == ["a"]
    assert deferrals.release("lists of accounts") == 1
    assert deferrals.all(10) == []
