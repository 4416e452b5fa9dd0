"""Tells watchers what changes, from one reader of changes for the whole process.

A watch holds a bounded queue, and whoever falls behind is told to resume. The last changes of all customers are kept
for those who resume soon; a longer gap is read again from the source. Every place in the order of changes has a cursor
and cursors compare, so nothing is missed and nothing told twice, whichever process the watcher comes back to.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pymongo.errors import InvalidOperation, PyMongoError

from libs.chassis import logs
from libs.chassis.domain import FailedPrecondition
from services.interactions.context.store.changes import Changed, Changes, Party, Reader
from services.interactions.promises.domain import Promise
from services.interactions.timeline.domain import Interaction

BACKLOG: Final = 2000
"""Changes kept for those who resume."""
QUEUE: Final = 200
"""Changes that may wait for one watcher."""
KEEP_ALIVE: Final = timedelta(seconds=15)
"""Silence after which a checkpoint is sent, so that nothing on the way takes the stream for dead."""
_GLANCE: Final = 0.5
"""Seconds after which a watch looks whether anybody still listens."""
_PAUSE: Final = 1.0
"""Seconds before reading begins again after the source failed."""

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a watcher is told: a change, or with None that everything up to the cursor was told."""

    cursor: str
    entity: Interaction | Promise | None = None


class _Watcher:
    """One watch: what waits to be told."""

    def __init__(self) -> None:
        self.waiting: queue.Queue[Changed] = queue.Queue(QUEUE)
        self.behind = False
        """Whether something could not be put into the queue; the watch then ends."""

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


class Feed:
    """Watches for a whole process. The reader starts with the first watch and runs on a thread of its own."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._lock = threading.Lock()
        self._watchers: dict[Party, set[_Watcher]] = {}
        self._backlog: deque[Changed] = deque()
        self._floor = ""
        """Every change after this cursor, and up to the position, is in the backlog."""
        self._position = ""
        """Every change up to this cursor was given to its watchers."""
        self._starting = threading.Lock()
        self._started = False

    def watch(
        self, party: Party, cursor: str, listening: Callable[[], bool], *, also: Sequence[Party] = ()
    ) -> Iterator[Notice]:
        """Everything that changes for a customer after the cursor, or after now when it is empty; also for others who
        were merged into it.

        Ends when nobody is `listening`, or when the watcher reads so slowly that it has to resume. InvalidArgument when
        the cursor is none of ours, FailedPrecondition when it is too old.
        """
        if cursor:
            self._changes.check(cursor)
        self._start()
        parties = (party, *also)
        with self._joined(parties) as (watcher, position, floor, backlog):
            told = cursor or position
            again = bool(cursor) and cursor < floor
            for change in self._read_again(parties, cursor, position, listening) if again else backlog:
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
                        told, silence = max(told, self._all_told(watcher)), 0.0
                        yield Notice(told)

    @contextmanager
    def _joined(self, parties: Sequence[Party]) -> Iterator[tuple[_Watcher, str, str, Iterator[Changed]]]:
        """A watcher who gets all that comes after the position; with the floor and the backlog up to it."""
        watcher = _Watcher()
        with self._lock:
            for party in parties:
                self._watchers.setdefault(party, set()).add(watcher)
            position, floor = self._position, self._floor
            backlog = [change for change in self._backlog if change.party in parties]
        try:
            yield watcher, position, floor, iter(backlog)
        finally:
            with self._lock:
                for party in parties:
                    self._watchers[party].discard(watcher)
                    if not self._watchers[party]:
                        del self._watchers[party]

    def _read_again(
        self, parties: Sequence[Party], cursor: str, position: str, listening: Callable[[], bool]
    ) -> Iterator[Changed]:
        """From the source, what changed between a cursor that is older than the backlog and the position."""
        with closing(self._changes.after(cursor, parties)) as reader:
            while listening():
                change = reader.read()
                if change is not None and change.cursor <= position:
                    yield change
                elif change is not None or reader.cursor >= position:
                    return

    def _all_told(self, watcher: _Watcher) -> str:
        """The position when nothing waits for the watcher, else nothing."""
        with self._lock:
            return self._position if watcher.waiting.empty() and not watcher.behind else ""

    def _start(self) -> None:
        with self._starting:
            if not self._started:
                reader = self._begin()
                threading.Thread(target=self._run, args=(reader,), name="feed", daemon=True).start()
                self._started = True

    def _begin(self) -> Reader:
        """A reader that begins now; whoever watched before has to resume."""
        reader = self._changes.after("")
        with self._lock:
            self._backlog.clear()
            self._floor = self._position = reader.cursor
            for watchers in self._watchers.values():
                for watcher in watchers:
                    watcher.behind = True
        return reader

    def _run(self, reader: Reader | None) -> None:
        """Reads until the connection to the database is closed; goes on from the position after an interruption."""
        while reader is not None:
            lost = False
            try:
                with closing(reader):
                    while True:
                        self._tell(reader.read(), reader.cursor)
            except InvalidOperation:
                return
            except (PyMongoError, FailedPrecondition) as error:
                log.warning("interrupted", loop="feed", error=f"{type(error).__name__}: {error}")
                lost = isinstance(error, FailedPrecondition)
            reader = self._reopened(lost=lost)

    def _reopened(self, *, lost: bool) -> Reader | None:
        """A reader that goes on, or begins anew when the place is lost; None when the connection was closed."""
        pause = threading.Event()
        while not pause.wait(_PAUSE):
            try:
                return self._begin() if lost else self._changes.after(self._position)
            except InvalidOperation:
                break
            except FailedPrecondition:
                lost = True
            except PyMongoError as error:
                log.warning("interrupted", loop="feed", error=f"{type(error).__name__}: {error}")
        return None

    def _tell(self, change: Changed | None, cursor: str) -> None:
        with self._lock:
            self._position = max(self._position, change.cursor if change is not None else cursor)
            if change is None:
                return
            self._backlog.append(change)
            if len(self._backlog) > BACKLOG:
                self._floor = self._backlog.popleft().cursor
            for watcher in self._watchers.get(change.party, ()):
                watcher.put(change)
