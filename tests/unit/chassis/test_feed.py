"""The feed: nothing missed, nothing told twice, whatever the watcher and the source do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from pymongo.errors import AutoReconnect, InvalidOperation

from libs.chassis import context
from libs.chassis.context import Context
from libs.chassis.domain import InvalidArgument
from libs.chassis.feed import Notice
from libs.chassis.paging import Position
from libs.engine import loop
from libs.engine.feed import Changed, ChangeFeed, CursorTooOld, Reader, Subject
from libs.engine.feed import feed as feed_module
from libs.engine.sealing import KeyringError
from libs.engine.store.pager import Pager
from tests.support.ledger import Account

ANN, BOB = Subject("acme", "cus_ann"), Subject("acme", "cus_bob")
PAGER = Pager(bytes(32))
WAIT = 5.0


class Log:
    """A source of changes in memory: cursors are places in a list, written so that they sort."""

    def __init__(self) -> None:
        self.grown = threading.Condition()
        self.changes: list[Changed] = []
        self.oldest = 0
        """Changes up to here are forgotten."""
        self.failures: list[Exception] = []
        self.opened = 0
        self.closed = False

    def write(self, party: Subject, name: str) -> None:
        with self.grown:
            entity = Account(id=name, name=party.key)
            self.changes.append(Changed(cursor(len(self.changes) + 1), party, entity))
            self.grown.notify_all()

    def after(self, start: str, only: Sequence[Subject] = ()) -> Reader:
        self.opened += 1
        if start and int(start) < self.oldest:
            raise CursorTooOld(code=286)
        return LogReader(self, int(start) if start else len(self.changes), only)


class LogReader:
    def __init__(self, log: Log, place: int, only: Sequence[Subject]) -> None:
        self.log, self.place, self.only = log, place, only

    @property
    def cursor(self) -> str:
        return cursor(self.place)

    def read(self) -> Changed | None:
        with self.log.grown:
            self.log.grown.wait_for(lambda: self.place < len(self.log.changes) or self.log.failures, 0.05)
            if self.log.closed:
                raise InvalidOperation("closed")
            if self.log.failures:
                raise self.log.failures.pop()
            if self.place == len(self.log.changes):
                return None
            change = self.log.changes[self.place]
            self.place += 1
            return change if not self.only or change.subject in self.only else None

    def close(self) -> None:
        """Nothing is held."""


def cursor(place: int) -> str:
    return f"{place:08}"


def sealed(place: int, subject: Subject = ANN) -> str:
    """A cursor as a watcher has it."""
    bound_to = f"watch\0{subject.tenant}\0{subject.key}".encode()
    return PAGER.seal(Position((cursor(place),)), bound_to)


def place(notice: Notice, subject: Subject = ANN) -> str:
    """The place that a watcher's cursor stands for."""
    [opened] = PAGER.open(notice.cursor, f"watch\0{subject.tenant}\0{subject.key}".encode(), 1).values
    return str(opened)


@pytest.fixture(autouse=True)
def acting() -> Iterator[None]:
    with context.enter(Context(tenant="acme", actor="ann")):
        yield


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    monkeypatch.setattr(loop, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(feed_module, "_GLANCE", 0.05)
    source = Log()
    yield source
    source.closed = True


def changes(notices: Iterator[Notice], count: int) -> list[str]:
    """The names of the next changes. Checkpoints are passed over."""
    return [notice.entity.id for notice in islice((each for each in notices if each.entity), count) if notice.entity]


def always() -> bool:
    return True


def for_a_while(seconds: float) -> Callable[[], bool]:
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    return lambda: datetime.now(UTC) < end


def test_a_watch_begins_with_a_checkpoint_and_tells_what_follows(log: Log) -> None:
    log.write(ANN, "before")
    notices = ChangeFeed(log, PAGER).watch([ANN.key], "", always)
    assert place(next(notices)) == cursor(1)
    log.write(BOB, "not hers")
    log.write(ANN, "first")
    log.write(ANN, "second")
    assert changes(notices, 2) == ["first", "second"]


def test_one_reader_serves_every_watch(log: Log) -> None:
    feed = ChangeFeed(log, PAGER)
    watches = [feed.watch([party.key], "", always) for party in (ANN, ANN, BOB)]
    for watch in watches:
        next(watch)
    log.write(ANN, "a")
    log.write(BOB, "b")
    assert [changes(watch, 1) for watch in watches] == [["a"], ["a"], ["b"]]
    assert log.opened == 1


def test_whoever_resumes_soon_is_served_from_memory(log: Log) -> None:
    feed = ChangeFeed(log, PAGER)
    first = feed.watch([ANN.key], "", always)
    checkpoint = next(first)
    for name in "abc":
        log.write(ANN, name)
    told = list(islice(first, 2))
    first.close()
    log.write(ANN, "d")
    assert changes(feed.watch([ANN.key], told[-1].cursor, always), 2) == ["c", "d"]
    assert changes(feed.watch([ANN.key], checkpoint.cursor, always), 4) == ["a", "b", "c", "d"]
    assert log.opened == 1


def test_whoever_resumes_late_is_served_from_the_source(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "BACKLOG", 3)
    feed = ChangeFeed(log, PAGER)
    first = feed.watch([ANN.key], "", always)
    checkpoint = next(first)
    for n in range(20):
        log.write(BOB if n % 2 else ANN, str(n))
    assert changes(first, 10) == [str(n) for n in range(0, 20, 2)]
    late = feed.watch([ANN.key], checkpoint.cursor, always)
    assert changes(late, 10) == [str(n) for n in range(0, 20, 2)]
    log.write(ANN, "live")
    assert changes(late, 1) == ["live"]
    assert log.opened == 2


def test_a_cursor_from_before_this_process_began_is_served(log: Log) -> None:
    for name in "abc":
        log.write(ANN, name)
    assert changes(ChangeFeed(log, PAGER).watch([ANN.key], sealed(1), always), 2) == ["b", "c"]


def test_a_cursor_from_a_process_that_is_ahead_tells_nothing_twice(log: Log) -> None:
    feed = ChangeFeed(log, PAGER)
    behind = feed.watch([ANN.key], "", always)
    next(behind)
    resumed = feed.watch([ANN.key], sealed(2), always)
    for name in "abc":
        log.write(ANN, name)
    assert changes(resumed, 1) == ["c"]


def test_a_cursor_that_is_too_old_is_refused(log: Log) -> None:
    for name in "abc":
        log.write(ANN, name)
    log.oldest = 2
    with pytest.raises(CursorTooOld, match="too old"):
        next(ChangeFeed(log, PAGER).watch([ANN.key], sealed(1), always))


def test_a_slow_watcher_has_to_resume_and_misses_nothing(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "QUEUE", 5)
    feed = ChangeFeed(log, PAGER)
    other = feed.watch([BOB.key], "", always)
    next(other)
    slow = feed.watch([ANN.key], "", always)
    last = next(slow)
    for n in range(12):
        log.write(ANN, str(n))
    log.write(BOB, "behind all of them")
    assert changes(other, 1) == ["behind all of them"]
    told = []
    for notice in slow:  # ends by itself
        assert notice.entity is not None
        told.append(notice.entity.id)
        last = notice
    assert told == ["0", "1", "2", "3", "4"]
    log.write(ANN, "12")
    assert changes(feed.watch([ANN.key], last.cursor, always), 8) == [str(n) for n in range(5, 13)]


def test_silence_is_broken_by_checkpoints_that_move_on(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "KEEP_ALIVE", timedelta(seconds=0.1))
    notices = ChangeFeed(log, PAGER).watch([ANN.key], "", always)
    assert place(next(notices)) == cursor(0)
    log.write(BOB, "not hers")
    seen = list(islice(notices, 3))
    assert all(notice.entity is None for notice in seen)
    assert place(seen[-1]) == cursor(1)


def test_an_interruption_of_the_source_loses_nothing(log: Log) -> None:
    notices = ChangeFeed(log, PAGER).watch([ANN.key], "", always)
    next(notices)
    log.write(ANN, "a")
    assert changes(notices, 1) == ["a"]
    with log.grown:
        log.failures.append(AutoReconnect("primary stepped down"))
    log.write(ANN, "b")
    log.write(ANN, "c")
    assert changes(notices, 2) == ["b", "c"]


def test_when_the_place_is_lost_every_watcher_has_to_resume(log: Log) -> None:
    feed = ChangeFeed(log, PAGER)
    notices = feed.watch([ANN.key], "", always)
    next(notices)
    with log.grown:
        log.failures.append(CursorTooOld(code=286))
        log.grown.notify_all()
    assert list(notices) == []
    again = feed.watch([ANN.key], "", always)
    next(again)
    log.write(ANN, "a")
    assert changes(again, 1) == ["a"]


def test_a_watch_ends_when_nobody_listens(log: Log) -> None:
    feed = ChangeFeed(log, PAGER)
    assert [notice.entity for notice in feed.watch([ANN.key], "", for_a_while(0.1))] == [None]
    assert feed._watchers == {}


@pytest.mark.parametrize(
    "error", [KeyringError("a page"), KeyError("x"), OverflowError()], ids=lambda e: type(e).__name__
)
def test_a_defect_while_reading_loses_nothing_and_the_feed_lives(log: Log, error: Exception) -> None:
    feed = ChangeFeed(log, PAGER)
    notices = feed.watch([ANN.key], "", always)
    next(notices)
    with log.grown:
        log.failures.append(error)
    log.write(ANN, "a")
    log.write(BOB, "b")
    assert changes(notices, 1) == ["a"]
    assert changes(feed.watch([BOB.key], sealed(0, BOB), always), 1) == ["b"]


def test_a_feed_that_cannot_read_ends_its_watches_instead_of_saying_that_all_is_told(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "KEEP_ALIVE", timedelta(seconds=0.2))
    monkeypatch.setattr(loop, "_FIRST_PAUSE", 5.0)
    notices = ChangeFeed(log, PAGER).watch([ANN.key], "", for_a_while(5))
    next(notices)
    with log.grown:
        log.failures.append(KeyError("x"))
        log.grown.notify_all()
    begun = datetime.now(UTC)
    list(notices)
    assert datetime.now(UTC) - begun < timedelta(seconds=2)


def test_a_cursor_says_nothing_of_others_and_is_of_use_to_nobody_else(log: Log) -> None:
    feed = ChangeFeed(log, PAGER)
    log.write(BOB, "secret")
    first = next(feed.watch([ANN.key], "", always))
    assert "secret" not in first.cursor
    assert cursor(1) not in first.cursor
    for other in (sealed(1, BOB), sealed(1, Subject("bolt", ANN.key)), cursor(1), "x"):
        with pytest.raises(InvalidArgument, match="cursor: is none of ours"):
            next(feed.watch([ANN.key], other, always))


def test_few_read_a_longer_gap_again_at_the_same_time(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "BACKLOG", 1)
    for n in range(5):
        log.write(ANN, str(n))
    feed = ChangeFeed(log, PAGER)
    late = [feed.watch([ANN.key], sealed(0), for_a_while(1)) for _ in range(feed_module.RESUMING + 3)]
    for each in late:
        next(each, None)
    assert log.opened == 1 + feed_module.RESUMING
    late[0].close()
    assert changes(feed.watch([ANN.key], sealed(0), always), 5) == ["0", "1", "2", "3", "4"]
