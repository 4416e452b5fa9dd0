"""Natural keys come from outside and may tell of a person: a document never shows one."""

from __future__ import annotations

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.engine.store.memory import MemoryCollection, MemoryDatabase
from tests.support.ledger import Account
from tests.support.ledger_service.store import LedgerStore


def test_a_natural_key_recognizes_a_repeat_and_stands_in_no_document() -> None:
    store = LedgerStore(MemoryDatabase("ledger"))
    account = Account(id=identity.new_id("acc"), name="savings")
    with context.enter(Context(tenant="acme", actor="ann")):
        first = store.accounts.insert(account.open(), key="crm:zanzibar")
        assert store.accounts.insert(account.open(), key="crm:zanzibar").id == first.id
    assert isinstance(store.accounts, MemoryCollection)
    assert "zanzibar" not in repr(store.accounts.documents)
