"""The change feed: watchers of some subject hear of every entity about it that is new or changes.

    for notice in feed.watch([customer_id], cursor, still_open): ...

The composition root makes a feed of `libs.engine.feed`. An api process has one reader of changes, however many watch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from libs.chassis.domain import Entity


@dataclass(frozen=True, slots=True)
class Notice:
    """A change that a watcher is told, or with None that everything up to the cursor was told."""

    cursor: str
    entity: Entity | None = None


class Feed(ABC):
    """Watches for a whole process."""

    @abstractmethod
    def watch(self, keys: Sequence[str], cursor: str, listening: Callable[[], bool]) -> Iterator[Notice]:
        """Everything that changes for a subject of the tenant after the cursor, or after now when it is empty. The
        first key is the subject's own; it may have been known under others.

        Ends when nobody is `listening`, when the watcher reads so slowly that it has to resume, and when changes cannot
        be read here for long. InvalidArgument when the cursor is none of ours, CursorTooOld when it is too old.
        """
