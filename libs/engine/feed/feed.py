"""Tells watchers what changes, from one reader of changes for the whole process.

A watch holds a bounded queue, and whoever falls behind is told to resume. The last changes of all subjects are kept for
those who resume soon; a longer gap is read again from the source, by a few at a time. Every place in the order of
changes has a cursor and cursors compare, so nothing is missed and nothing told twice, whichever process the watcher
comes back to. Watchers see cursors sealed, bound to their tenant and subject.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import ClassVar, Final

from pymongo.errors import InvalidOperation, PyMongoError

from libs.chassis import context
from libs.chassis.domain import InvalidArgument
from libs.chassis.feed import Feed, Notice
from libs.chassis.paging import Position
from libs.engine import logs
from libs.engine.feed.changes import Changed, Changes, CursorTooOld, Reader, Subject
from libs.engine.loop import Loop
from libs.engine.store.pager import Pager

BACKLOG: Final = 2000
"""Changes kept for those who resume."""
QUEUE: Final = 200
"""Changes that may wait for one watcher."""
KEEP_ALIVE: Final = timedelta(seconds=15)
"""Silence after which a checkpoint is sent, so that nothing on the way takes the stream for dead."""
_GLANCE: Final = 0.5
"""Seconds after which a watch looks whether anybody still listens."""
RESUMING: Final = 4
"""Watches that read a longer gap again at the same time, each on a connection of its own."""

log = logs.get(__name__)


class _Watcher:
    """One watch: what waits to be told."""

    def __init__(self) -> None:
        self.waiting: queue.Queue[Changed] = queue.Queue(QUEUE)
        self.behind = False
        """True when something could not be put into the queue, which ends the watch."""

    def put(self, change: Changed) -> None:
        if self.behind:
            return  # after a gap nothing more may follow
        try:
            self.waiting.put_nowait(change)
        except queue.Full:
            self.behind = True

    def take(self) -> Changed | None:
        """The next change, or None when there was none for a moment."""
        try:
            return self.waiting.get(timeout=_GLANCE)
        except queue.Empty:
            return None


class ChangeFeed(Feed):
    """Watches for a whole process. The reader starts with the first watch and runs on a thread of its own."""

    def __init__(self, changes: Changes, pager: Pager) -> None:
        self._changes = changes
        self._pager = pager
        self._lock = threading.Lock()
        self._watchers: dict[Subject, set[_Watcher]] = {}
        self._backlog: deque[Changed] = deque()
        self._floor = ""
        """Every change after this cursor, and up to the position, is in the backlog."""
        self._position = ""
        """Every change up to this cursor was given to its watchers."""
        self._resuming = threading.Semaphore(RESUMING)
        self._starting = threading.Lock()
        self._reading: _Reading | None = None

    def watch(self, keys: Sequence[str], cursor: str, listening: Callable[[], bool]) -> Iterator[Notice]:
        tenant = context.current().tenant
        bound_to = "\0".join(("watch", tenant, keys[0])).encode()
        after = self._opened(cursor, bound_to) if cursor else ""
        notices = self._watch([Subject(tenant, key) for key in keys], after, listening)
        return (Notice(self._pager.seal(Position((each.cursor,)), bound_to), each.entity) for each in notices)

    def _opened(self, cursor: str, bound_to: bytes) -> str:
        try:
            [opened] = self._pager.open(cursor, bound_to, 1).values
        except InvalidArgument:
            raise InvalidArgument.field(
                "cursor", "is none of ours; give the last cursor received, or nothing to begin now"
            ) from None
        return str(opened)

    def _watch(self, subjects: Sequence[Subject], cursor: str, listening: Callable[[], bool]) -> Iterator[Notice]:
        reading = self._started()
        with self._joined(subjects) as (watcher, position, floor, backlog):
            told = cursor or position
            again = bool(cursor) and cursor < floor
            for change in self._read_again(subjects, cursor, position, listening) if again else backlog:
                if change.cursor > told:
                    told = change.cursor
                    yield Notice(told, change.entity)
            told = max(told, position)
            yield Notice(told)
            silence = 0.0
            while listening():
                following = watcher.take()
                if following is not None and following.cursor > told:
                    told, silence = following.cursor, 0.0
                    yield Notice(told, following.entity)
                elif following is None and watcher.behind:
                    return
                elif following is None:
                    silence += _GLANCE
                    if silence >= KEEP_ALIVE.total_seconds():
                        if reading.why_not_ready() is not None:
                            return  # who hears nothing here may hear it elsewhere
                        told, silence = max(told, self._all_told(watcher)), 0.0
                        yield Notice(told)

    @contextmanager
    def _joined(self, subjects: Sequence[Subject]) -> Iterator[tuple[_Watcher, str, str, Iterator[Changed]]]:
        """A watcher who gets all that comes after the position, with the floor and the backlog up to it."""
        watcher = _Watcher()
        with self._lock:
            for subject in subjects:
                self._watchers.setdefault(subject, set()).add(watcher)
            position, floor = self._position, self._floor
            backlog = [change for change in self._backlog if change.subject in subjects]
        try:
            yield watcher, position, floor, iter(backlog)
        finally:
            with self._lock:
                for subject in subjects:
                    self._watchers[subject].discard(watcher)
                    if not self._watchers[subject]:
                        del self._watchers[subject]

    def _read_again(
        self, subjects: Sequence[Subject], cursor: str, position: str, listening: Callable[[], bool]
    ) -> Iterator[Changed]:
        """From the source, what changed between a cursor that is older than the backlog and the position."""
        while not self._resuming.acquire(timeout=_GLANCE):
            if not listening():
                return
        try:
            with closing(self._changes.after(cursor, subjects)) as reader:
                while listening():
                    change = reader.read()
                    if change is not None and change.cursor <= position:
                        yield change
                    elif change is not None or reader.cursor >= position:
                        return
        finally:
            self._resuming.release()

    def _all_told(self, watcher: _Watcher) -> str:
        """The position when nothing waits for the watcher, else nothing."""
        with self._lock:
            return self._position if watcher.waiting.empty() and not watcher.behind else ""

    def _started(self) -> _Reading:
        with self._starting:
            if self._reading is None:
                reading = _Reading(self, self.begin())
                threading.Thread(target=reading.run, name="feed", daemon=True).start()
                self._reading = reading
            return self._reading

    # ------------------------------------------------------------------------------------------- for the reader

    def begin(self) -> Reader:
        """A reader that begins now. Everybody who watched before has to resume."""
        reader = self._changes.after("")
        with self._lock:
            self._backlog.clear()
            self._floor = self._position = reader.cursor
            for watchers in self._watchers.values():
                for watcher in watchers:
                    watcher.behind = True
        return reader

    def go_on(self) -> Reader:
        """A reader that goes on from the position, or begins now when the place is lost."""
        try:
            return self._changes.after(self._position)
        except CursorTooOld as lost:
            log.warning("watchers have to resume", loop="feed", reason=str(lost))
            return self.begin()

    def tell(self, change: Changed | None, cursor: str) -> None:
        """Gives a change to its watchers, and moves the position to it, or without one to the cursor."""
        with self._lock:
            self._position = max(self._position, change.cursor if change is not None else cursor)
            if change is None:
                return
            self._backlog.append(change)
            if len(self._backlog) > BACKLOG:
                self._floor = self._backlog.popleft().cursor
            for watcher in self._watchers.get(change.subject, ()):
                watcher.put(change)


class _Reading(Loop):
    """Reads changes until the connection to the database is closed."""

    interruptions: ClassVar = (PyMongoError,)

    def __init__(self, feed: ChangeFeed, reader: Reader) -> None:
        super().__init__("feed")
        self._feed = feed
        self._first: Reader | None = reader
        self.ready()

    def _serve(self) -> None:
        try:
            first, self._first = self._first, None
            with closing(first or self._feed.go_on()) as reader:
                while not self.stopping.is_set():
                    self._feed.tell(reader.read(), reader.cursor)
                    self.ready()
        except CursorTooOld:
            with closing(self._feed.begin()):
                return
        except InvalidOperation:
            self.stop()
