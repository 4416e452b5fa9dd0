"""A timer does what is due for every tenant, and one item that fails holds up nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
import pytest
from pymongo.errors import ServerSelectionTimeoutError

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.domain import Change, FailedPrecondition
from libs.chassis.filtering import field
from libs.chassis.store import Collection, Contention, Due, Index
from libs.chassis.timers import LONGEST_PAUSE, NotYet, Timer, pause_after
from libs.engine import metrics
from libs.engine.deferrals import WHOLE_TENANT, Deferral, Deferrals, reason_of
from libs.engine.lease.contract import PATIENT, Lease
from libs.engine.sealing import KeyringError
from libs.engine.store.memory import MemoryCollection, MemoryDatabase
from libs.engine.timers import TENANT_DEFERRALS, Round, TimerLoop
from tests.support.ledger import Account, AccountChanged
from tests.support.loops import running

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
TENANTS = ("acme", "bolt", "crux")
ERRORS = (
    OverflowError("date value out of range"),
    msgspec.ValidationError("Invalid enum value"),
    KeyringError("a page is missing"),
    FailedPrecondition("is closed"),
    KeyError("kind"),
    OSError("too many processes"),
    Contention("accounts"),
    RecursionError(),
)


@pytest.fixture
def clock() -> Iterator[identity.FixedClock]:
    clock = identity.FixedClock(NOW)
    with identity.clock(clock):
        yield clock


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase("ledger")


@pytest.fixture
def accounts(database: MemoryDatabase) -> Collection[Account]:
    return database.collection(Account, "accounts", indexes=(Index(("due",), every_tenant=True),))


def booked(account: Account, amount: int) -> Change[Account]:
    if account.due is None:
        return account, []
    changed = replace(account, balance=account.balance + amount, due=None)
    return changed, [AccountChanged(account=changed)]


class Booking:
    """A timer that books 1 on every account that is due, once. On some it fails."""

    def __init__(self, accounts: Collection[Account]) -> None:
        self.accounts = accounts
        self.broken: dict[str, Exception] = {}
        self.calls: list[tuple[str, list[str]]] = []

    def __call__(self, due: Sequence[Account]) -> None:
        self.calls.append((context.current().tenant, [each.name for each in due]))
        for each in due:
            if each.name in self.broken:
                raise self.broken[each.name]
        self.accounts.update_many(((each.id, 1) for each in due), booked)


@pytest.fixture
def booking(accounts: Collection[Account]) -> Booking:
    return Booking(accounts)


@pytest.fixture
def timer(accounts: Collection[Account], booking: Booking) -> Timer[Account]:
    due = Due(accounts, lambda now: field("due") <= now, order="due", limit=150)
    return Timer(name="booking", every=timedelta(seconds=1), due=due, run=booking)


def add(accounts: Collection[Account], tenant: str, name: str, due: datetime = NOW) -> str:
    with context.enter(Context(tenant=tenant, actor="ada")):
        return accounts.insert(Account(id=identity.new_id("acc"), name=name, due=due).open()).id


def balances(accounts: Collection[Account]) -> dict[str, int]:
    return {each["name"]: each["balance"] for each in cast(MemoryCollection[Account], accounts).documents.values()}


def test_it_is_called_once_per_tenant_in_its_context(
    clock: identity.FixedClock,
    database: MemoryDatabase,
    accounts: Collection[Account],
    booking: Booking,
    timer: Timer[Account],
) -> None:
    for tenant in TENANTS:
        for n in (1, 2):
            add(accounts, tenant, f"{tenant}{n}")
    add(accounts, "acme", "later", NOW + timedelta(days=1))
    assert [Round(database, timer).run() for _ in range(2)] == [6, 0]
    assert sorted((tenant, sorted(names)) for tenant, names in booking.calls) == [
        (tenant, [f"{tenant}1", f"{tenant}2"]) for tenant in TENANTS
    ]
    assert balances(accounts) == {f"{tenant}{n}": 1 for tenant in TENANTS for n in (1, 2)} | {"later": 0}


@pytest.mark.parametrize("error", ERRORS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("tenants", [TENANTS, ("acme",) * 3], ids=["of three tenants", "of one tenant"])
def test_of_three_items_the_one_in_the_middle_fails_and_the_others_are_done(
    *,
    clock: identity.FixedClock,
    database: MemoryDatabase,
    accounts: Collection[Account],
    booking: Booking,
    timer: Timer[Account],
    error: Exception,
    tenants: tuple[str, ...],
) -> None:
    ids = [add(accounts, tenant, f"item{n}") for n, tenant in enumerate(tenants)]
    booking.broken["item1"] = error
    assert Round(database, timer).run() == 2
    assert balances(accounts) == {"item0": 1, "item1": 0, "item2": 1}
    [(tenant, deferral)] = Deferrals(database).of("booking")
    assert (tenant, deferral.item, deferral.failures) == (tenants[1], ids[1], 1)
    assert deferral.reason.startswith(f"{type(error).__name__} at tests/unit/chassis/test_timers.py:")
    booking.calls.clear()
    assert Round(database, timer).run() == 0, "another worker, or this one after a restart, respects the pause"
    assert booking.calls == []
    clock.advance(timedelta(seconds=1))
    booking.broken.clear()
    assert Round(database, timer).run() == 1
    assert balances(accounts)["item1"] == 1
    assert Deferrals(database).of("booking") == []


@pytest.mark.parametrize(
    "damage",
    [{"balance": "much"}, {"state": 7}, {"labels": [{"id": "x"}]}],
    ids=["a wrong type", "no enum value", "a missing field"],
)
def test_an_item_that_cannot_be_read_holds_up_nobody(
    clock: identity.FixedClock,
    database: MemoryDatabase,
    accounts: Collection[Account],
    timer: Timer[Account],
    damage: dict[str, Any],
) -> None:
    ids = [add(accounts, tenant, tenant) for tenant in TENANTS]
    cast(MemoryCollection[Account], accounts).documents[ids[1]] |= damage
    assert Round(database, timer).run() == 2
    [(tenant, deferral)] = Deferrals(database).of("booking")
    assert (tenant, deferral.item) == ("bolt", ids[1])
    assert deferral.reason.startswith("ValidationError at libs/chassis/")


def test_the_pause_grows_with_every_failure_in_a_row(
    clock: identity.FixedClock,
    database: MemoryDatabase,
    accounts: Collection[Account],
    booking: Booking,
    timer: Timer[Account],
) -> None:
    add(accounts, "acme", "bad")
    booking.broken["bad"] = KeyError("x")
    attempts = []
    for second in range(100):
        Round(database, timer).run()
        if booking.calls:
            attempts.append(second)
            booking.calls.clear()
        clock.advance(timedelta(seconds=1))
    assert attempts == [0, 1, 3, 7, 15, 31, 63]
    assert [pause_after(n) for n in (1, 2, 40)] == [timedelta(seconds=1), timedelta(seconds=2), LONGEST_PAUSE]


def test_what_is_mended_otherwise_is_forgotten(
    clock: identity.FixedClock,
    database: MemoryDatabase,
    accounts: Collection[Account],
    booking: Booking,
    timer: Timer[Account],
) -> None:
    id = add(accounts, "acme", "bad")
    booking.broken["bad"] = KeyError("x")
    Round(database, timer).run()
    with context.enter(Context(tenant="acme", actor="ada")):
        accounts.update(id, lambda account: booked(account, 5))
    clock.advance(timedelta(seconds=2))
    Round(database, timer).run()
    assert Deferrals(database).of("booking") == []


def test_a_tenant_with_many_bad_items_waits_as_a_whole_and_the_others_go_on(
    clock: identity.FixedClock,
    database: MemoryDatabase,
    accounts: Collection[Account],
    booking: Booking,
    timer: Timer[Account],
) -> None:
    for n in range(400):
        add(accounts, "acme", f"bad{n}")
        booking.broken[f"bad{n}"] = OverflowError()
    add(accounts, "bolt", "good", NOW + timedelta(milliseconds=1))  # behind all of them
    clock.advance(timedelta(milliseconds=2))
    done = [Round(database, timer).run() for _ in range(3)]
    assert sum(done) == 1
    assert balances(accounts)["good"] == 1
    deferred = [each.item for _, each in Deferrals(database).of("booking")]
    assert len(deferred) == TENANT_DEFERRALS + 1
    assert WHOLE_TENANT in deferred
    booking.broken.clear()
    for _ in range(20):
        clock.advance(timedelta(minutes=1))
        Round(database, timer).run()
    assert set(balances(accounts).values()) == {1}
    assert Deferrals(database).of("booking") == []


def test_what_has_to_wait_is_looked_at_again_when_it_says_so_and_is_no_failure(
    clock: identity.FixedClock, database: MemoryDatabase, accounts: Collection[Account], timer: Timer[Account]
) -> None:
    calls = 0

    def wait(_: Sequence[Account]) -> None:
        nonlocal calls
        calls += 1
        raise NotYet(NOW + timedelta(seconds=10), "something else is at work")

    for n in range(3):
        add(accounts, "acme", f"item{n}")
    for _ in range(10):
        assert Round(database, replace(timer, run=wait)).run() == 0
        clock.advance(timedelta(seconds=1))
    assert calls == 1
    assert Deferrals(database).all(10) == []
    assert Round(database, timer).run() == 3
    assert Deferrals(database).of("booking") == []


def test_two_runners_with_the_same_list_do_each_thing_once(
    clock: identity.FixedClock, database: MemoryDatabase, accounts: Collection[Account], timer: Timer[Account]
) -> None:
    for tenant in TENANTS:
        add(accounts, tenant, tenant)
    stale = timer.due.find(identity.now())
    late = replace(timer, due=cast(Any, Stale(stale)))
    assert Round(database, timer).run() == 3
    Round(database, late).run()
    assert set(balances(accounts).values()) == {1}
    assert Deferrals(database).of("booking") == []


class Stale:
    """A list that was read before somebody else worked on it."""

    limit = 150

    def __init__(self, found: Any) -> None:
        self._found = found

    def find(self, *_: Any, **__: Any) -> Any:
        return self._found


def test_a_database_that_does_not_answer_is_no_item_that_fails(
    clock: identity.FixedClock, database: MemoryDatabase, accounts: Collection[Account], timer: Timer[Account]
) -> None:
    def away(_: Sequence[Account]) -> None:
        raise ServerSelectionTimeoutError("no primary")

    add(accounts, "acme", "one")
    deferrals = cast(MemoryCollection[Deferral], database.collection(Deferral, "deferrals", publishes=False))
    deferrals._read = lambda *_, **__: (_ for _ in ()).throw(ServerSelectionTimeoutError("no primary"))  # type: ignore[method-assign]
    with pytest.raises(ServerSelectionTimeoutError):
        Round(database, replace(timer, run=away)).run()


class Held(Lease):
    """A lease that nobody else wants, until somebody takes it."""

    def __init__(self) -> None:
        super().__init__("timer.booking", "me", PATIENT)
        self.taken = False

    def _take(self) -> int:
        return 0 if self.taken else 1

    def _give_up(self) -> None:
        self.taken = False


def eventually(condition: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(500):
        if condition():
            return
        waiting.wait(0.01)
    raise AssertionError("did not come true")


def test_the_loop_lives_through_items_that_fail(
    database: MemoryDatabase, accounts: Collection[Account], booking: Booking, timer: Timer[Account]
) -> None:
    for n, error in enumerate(ERRORS):
        add(accounts, TENANTS[n % 3], f"bad{n}")
        booking.broken[f"bad{n}"] = error
    loop = TimerLoop(database, timer, Held())
    before = metrics.LOOP_FAILURES.labels(loop.name)._value.get()
    with running(loop):
        eventually(lambda: len(Deferrals(database).of("booking")) == len(ERRORS))
        add(accounts, "bolt", "good")
        eventually(lambda: balances(accounts)["good"] == 1)
        assert loop.why_not_ready() is None
        assert metrics.TIMER_DEFERRED.labels("booking")._value.get() == len(ERRORS)
    assert metrics.LOOP_FAILURES.labels(loop.name)._value.get() == before


def test_who_lost_the_lease_leaves_the_other_tenants_to_the_next_leader(
    database: MemoryDatabase, accounts: Collection[Account], timer: Timer[Account]
) -> None:
    lease, seen = Held(), list[str]()

    def lose(_: Sequence[Account]) -> None:
        seen.append(context.current().tenant)
        lease.taken = True
        lease._held_until = 0.0
        loop.stop()

    for tenant in TENANTS:
        add(accounts, tenant, tenant)
    loop = TimerLoop(database, replace(timer, run=lose), lease)
    loop.run()
    assert len(seen) == 1


def test_a_lease_is_renewed_while_the_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    lease = Held()
    monkeypatch.setattr(lease, "_cadence", replace(PATIENT, time_to_live=0.3, renew_after=0.05))
    assert lease.hold()
    with lease.kept():
        for _ in range(20):
            threading.Event().wait(0.05)
            assert lease.holds
    eventually(lambda: not lease.holds)


def test_a_reason_tells_the_place_and_nothing_that_was_in_the_data() -> None:
    with pytest.raises(KeyError) as failed:
        dict[str, str]()["Ada Lovelace"]
    assert "Ada" not in reason_of(failed.value)
    assert reason_of(failed.value).startswith("KeyError at tests/unit/chassis/test_timers.py:")


def test_an_operator_has_deferred_items_tried_again_at_once(
    clock: identity.FixedClock, database: MemoryDatabase, accounts: Collection[Account], booking: Booking
) -> None:
    due = Due(accounts, lambda now: field("due") <= now, order="due", limit=150)
    timer = Timer(name="booking", every=timedelta(seconds=1), due=due, run=booking)
    for tenant in TENANTS:
        add(accounts, tenant, tenant)
        booking.broken[tenant] = KeyError(tenant)
    Round(database, timer).run()
    failed = [(tenant, each.failures) for tenant, each in Deferrals(database).all(9)]
    assert sorted(failed) == [(each, 1) for each in TENANTS]
    booking.broken.clear()
    assert [Deferrals(database).release("other"), Deferrals(database).release("booking")] == [0, 3]
    assert Round(database, timer).run() == 3
