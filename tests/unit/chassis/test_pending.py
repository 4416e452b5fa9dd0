"""Events that wait in their entity have room there, or the change that causes them is refused with the numbers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pymongo.errors import BulkWriteError

from libs.chassis import identity
from libs.chassis.context import enter
from libs.chassis.store import RelayBehind
from libs.engine.store import drafts
from libs.engine.store.memory import MemoryDatabase
from libs.engine.store.mongo import _in_doubt
from libs.engine.store.refusals import TooManyEvents
from libs.engine.store.revisions import Revisions, next_epoch
from tests.support.ledger import Account
from tests.support.ledger_service.station import TENANT
from tests.support.ledger_service.store import LedgerStore


@pytest.fixture
def store() -> LedgerStore:
    return LedgerStore(MemoryDatabase("ledger"))


def opened(store: LedgerStore) -> Account:
    return store.accounts.insert(Account(id=identity.new_id("acc"), name="a").open())


def many(account: Account, events: int) -> tuple[Account, list]:
    """A change with many events."""
    changed, [event] = account.deposit(1)
    return changed, [event] * events


def test_a_change_with_more_events_than_an_entity_holds_is_refused_for_good(store: LedgerStore) -> None:
    with enter(TENANT):
        account = opened(store)
        with pytest.raises(TooManyEvents) as refused:
            store.accounts.update(account.id, lambda each: many(each, 257))
        assert refused.value.metadata["events"] == "257"
        assert refused.value.metadata["allowed_events"] == "256"
        assert refused.value.reason_code == "TOO_MANY_EVENTS"
        assert store.accounts.get(account.id) == account


def test_bytes_count_like_events(store: LedgerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MAX_PENDING_BYTES", 2_000)
    with enter(TENANT):
        account = opened(store)
        with pytest.raises(TooManyEvents, match=r"has 40 events of \d{4,5} bytes"):
            store.accounts.update(account.id, lambda each: many(each, 40))
        store.accounts.update(account.id, lambda each: many(each, 5))
        with pytest.raises(RelayBehind):
            store.accounts.update(account.id, lambda each: many(each, 5))


def test_a_change_that_would_fit_into_an_empty_entity_waits_for_the_relay(store: LedgerStore) -> None:
    with enter(TENANT):
        account = opened(store)
        with pytest.raises(RelayBehind, match="1 events of"):
            store.accounts.update(account.id, lambda each: many(each, 256))
        store.accounts.update(account.id, lambda each: many(each, 255))


def test_what_no_majority_confirmed_is_not_taken_for_stored() -> None:
    """An answer may hold both: documents that were there before, and documents that may be rolled back."""
    concern = {"code": 64, "errmsg": "waiting for replication timed out"}
    duplicate = {"code": 11000, "index": 0, "errmsg": "E11000 duplicate key"}
    both = BulkWriteError({"writeErrors": [duplicate], "writeConcernErrors": [concern]})
    doubt = _in_doubt(both)
    assert doubt is not None
    assert doubt.code == 64
    assert _in_doubt(BulkWriteError({"writeErrors": [], "writeConcernErrors": [concern]})) is not None
    assert _in_doubt(BulkWriteError({"writeErrors": [duplicate], "writeConcernErrors": []})) is None


def test_an_epoch_is_above_every_revision_before_and_fits_every_client() -> None:
    revisions = Revisions()
    assert [revisions.after(0), revisions.after(7)] == [1, 8]
    revisions.epoch = next_epoch(0, datetime(2026, 5, 4, tzinfo=UTC))
    first = revisions.after(7)
    assert revisions.after(first) == first + 1
    later = next_epoch(revisions.epoch, datetime(2026, 5, 4, 0, 3, tzinfo=UTC))
    assert later == revisions.epoch + 1, "twice within one unit"
    revisions.epoch = next_epoch(0, datetime(2059, 1, 1, tzinfo=UTC))
    assert first < revisions.after(first) < 2**53
