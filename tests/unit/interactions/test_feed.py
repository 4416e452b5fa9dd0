"""The feed: nothing missed, nothing told twice, whatever the watcher and the source do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from pymongo.errors import AutoReconnect, InvalidOperation

from libs.chassis.domain import FailedPrecondition
from services.interactions.context.store import feed as feed_module
from services.interactions.context.store.changes import Changed, Party, Reader
from services.interactions.context.store.feed import Feed, Notice
from services.interactions.customers.domain import Channel
from services.interactions.timeline.domain import Direction, Interaction

ANN, BOB = Party("acme", "cus_ann"), Party("acme", "cus_bob")
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

    def write(self, party: Party, name: str) -> None:
        with self.grown:
            entity = Interaction(
                id=name,
                channel=Channel.VOICE,
                direction=Direction.INBOUND,
                occurred_time=datetime(2026, 8, 10, tzinfo=UTC),
                customer_id=party.customer_id,
            )
            self.changes.append(Changed(cursor(len(self.changes) + 1), party, entity))
            self.grown.notify_all()

    def check(self, cursor: str) -> None:
        """All are ours."""

    def after(self, start: str, only: Sequence[Party] = ()) -> Reader:
        self.opened += 1
        if start and int(start) < self.oldest:
            raise FailedPrecondition("the cursor is too old to go on from")
        return LogReader(self, int(start) if start else len(self.changes), only)


class LogReader:
    def __init__(self, log: Log, place: int, only: Sequence[Party]) -> None:
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
            return change if not self.only or change.party in self.only else None

    def close(self) -> None:
        """Nothing is held."""


def cursor(place: int) -> str:
    return f"{place:08}"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    monkeypatch.setattr(feed_module, "_PAUSE", 0.01)
    monkeypatch.setattr(feed_module, "_GLANCE", 0.05)
    source = Log()
    yield source
    source.closed = True


def changes(notices: Iterator[Notice], count: int) -> list[str]:
    """The names of the next changes; checkpoints are passed over."""
    return [notice.entity.id for notice in islice((each for each in notices if each.entity), count) if notice.entity]


def always() -> bool:
    return True


def for_a_while(seconds: float) -> Callable[[], bool]:
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    return lambda: datetime.now(UTC) < end


def test_a_watch_begins_with_a_checkpoint_and_tells_what_follows(log: Log) -> None:
    log.write(ANN, "before")
    notices = Feed(log).watch(ANN, "", always)
    assert next(notices) == Notice(cursor(1))
    log.write(BOB, "not hers")
    log.write(ANN, "first")
    log.write(ANN, "second")
    assert changes(notices, 2) == ["first", "second"]


def test_one_reader_serves_every_watch(log: Log) -> None:
    feed = Feed(log)
    watches = [feed.watch(party, "", always) for party in (ANN, ANN, BOB)]
    for watch in watches:
        next(watch)
    log.write(ANN, "a")
    log.write(BOB, "b")
    assert [changes(watch, 1) for watch in watches] == [["a"], ["a"], ["b"]]
    assert log.opened == 1


def test_whoever_resumes_soon_is_served_from_memory(log: Log) -> None:
    feed = Feed(log)
    first = feed.watch(ANN, "", always)
    checkpoint = next(first)
    for name in "abc":
        log.write(ANN, name)
    told = list(islice(first, 2))
    first.close()
    log.write(ANN, "d")
    assert changes(feed.watch(ANN, told[-1].cursor, always), 2) == ["c", "d"]
    assert changes(feed.watch(ANN, checkpoint.cursor, always), 4) == ["a", "b", "c", "d"]
    assert log.opened == 1


def test_whoever_resumes_late_is_served_from_the_source(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "BACKLOG", 3)
    feed = Feed(log)
    first = feed.watch(ANN, "", always)
    checkpoint = next(first)
    for n in range(20):
        log.write(BOB if n % 2 else ANN, str(n))
    assert changes(first, 10) == [str(n) for n in range(0, 20, 2)]
    late = feed.watch(ANN, checkpoint.cursor, always)
    assert changes(late, 10) == [str(n) for n in range(0, 20, 2)]
    log.write(ANN, "live")
    assert changes(late, 1) == ["live"]
    assert log.opened == 2


def test_a_cursor_from_before_this_process_began_is_served(log: Log) -> None:
    for name in "abc":
        log.write(ANN, name)
    assert changes(Feed(log).watch(ANN, cursor(1), always), 2) == ["b", "c"]


def test_a_cursor_from_a_process_that_is_ahead_tells_nothing_twice(log: Log) -> None:
    feed = Feed(log)
    behind = feed.watch(ANN, "", always)
    next(behind)
    resumed = feed.watch(ANN, cursor(2), always)
    for name in "abc":
        log.write(ANN, name)
    assert changes(resumed, 1) == ["c"]


def test_a_cursor_that_is_too_old_is_refused(log: Log) -> None:
    for name in "abc":
        log.write(ANN, name)
    log.oldest = 2
    with pytest.raises(FailedPrecondition, match="too old"):
        next(Feed(log).watch(ANN, cursor(1), always))


def test_a_slow_watcher_has_to_resume_and_misses_nothing(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "QUEUE", 5)
    feed = Feed(log)
    other = feed.watch(BOB, "", always)
    next(other)
    slow = feed.watch(ANN, "", always)
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
    assert changes(feed.watch(ANN, last.cursor, always), 8) == [str(n) for n in range(5, 13)]


def test_silence_is_broken_by_checkpoints_that_move_on(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "KEEP_ALIVE", timedelta(seconds=0.1))
    notices = Feed(log).watch(ANN, "", always)
    assert next(notices) == Notice(cursor(0))
    log.write(BOB, "not hers")
    seen = list(islice(notices, 3))
    assert all(notice.entity is None for notice in seen)
    assert seen[-1].cursor == cursor(1)


def test_an_interruption_of_the_source_loses_nothing(log: Log) -> None:
    notices = Feed(log).watch(ANN, "", always)
    next(notices)
    log.write(ANN, "a")
    assert changes(notices, 1) == ["a"]
    with log.grown:
        log.failures.append(AutoReconnect("primary stepped down"))
    log.write(ANN, "b")
    log.write(ANN, "c")
    assert changes(notices, 2) == ["b", "c"]


def test_when_the_place_is_lost_every_watcher_has_to_resume(log: Log) -> None:
    feed = Feed(log)
    notices = feed.watch(ANN, "", always)
    next(notices)
    with log.grown:
        log.failures.append(FailedPrecondition("the cursor is too old to go on from"))
        log.grown.notify_all()
    assert list(notices) == []
    again = feed.watch(ANN, "", always)
    next(again)
    log.write(ANN, "a")
    assert changes(again, 1) == ["a"]


def test_a_watch_ends_when_nobody_listens(log: Log) -> None:
    feed = Feed(log)
    assert list(feed.watch(ANN, "", for_a_while(0.1))) == [Notice(cursor(0))]
    assert feed._watchers == {}
