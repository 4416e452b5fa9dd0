"""The contract of a lease, wherever it is kept."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from libs.engine import logs, metrics

log = logs.get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """Seconds until a dead leader is noticed, and the cost of that. The same for all who want a lease."""

    time_to_live: float
    """After this long without a renewal the leader counts as dead."""
    renew_after: float
    """Time between two renewals of the leader, of one write each."""
    try_after: float
    """Time between two questions of each of the others, of one read each."""


SWIFT: Final = Cadence(time_to_live=1.5, renew_after=0.5, try_after=0.25)
"""For what others wait for: another one leads within two seconds even after a kill."""
PATIENT: Final = Cadence(time_to_live=10.0, renew_after=3.0, try_after=1.0)
"""For what may be some seconds late when a process is killed."""


class Undecided(Exception):
    """Nobody knows who leads now, because whoever keeps the lease does not answer."""


class Lease(ABC):
    """The right of a leader. Who stops in good order releases it, and another one takes it at its next try."""

    def __init__(self, name: str, owner: str, cadence: Cadence) -> None:
        self.name = name
        self._owner = owner
        self._cadence = cadence
        self._held_until = 0.0
        self._next_try = 0.0
        self._epoch = 0
        self._led = False
        self._trouble = ""
        metrics.LEASE_HELD.labels(name).set_function(self._holds)

    @property
    def epoch(self) -> int:
        """Number of changes of hands. 0 before it was first held."""
        return self._epoch

    def hold(self) -> bool:
        """True when this process leads now. Takes or renews the lease when that is due, so call it in the work loop.

        A leader that cannot renew goes on until its time is over: nobody else leads before.
        """
        asked_at = time.monotonic()
        if asked_at >= self._next_try:
            self._next_try = asked_at + self._cadence.try_after
            try:
                self._ask(asked_at)
                self._trouble = ""
            except Undecided as error:
                if str(error) != self._trouble:  # not again and again: it is asked for several times a second
                    log.warning("the lease cannot be asked for", lease=self.name, error=str(error))
                self._trouble = str(error)
        holds = self._holds()
        self._tell(holds)
        return holds

    @property
    def holds(self) -> bool:
        """True when this process leads, as far as it knows without asking."""
        return self._holds()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renews the lease inside the block on a thread of its own, however long the work in it takes."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(self._cadence.renew_after):
                try:
                    self.hold()
                except Exception as error:  # noqa: BLE001  (a lease that cannot be renewed lapses, and `holds` tells)
                    log.warning("lease not renewed", lease=self.name, error=f"{type(error).__name__}: {error}")

        keeper = threading.Thread(target=renew, name=f"lease {self.name}", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()

    def release(self) -> None:
        """Lets another process take over at once, if this one leads."""
        self._held_until = 0.0
        self._tell(holds=False)
        try:
            self._give_up()
        except Undecided as error:
            log.warning("the lease ends by itself", lease=self.name, error=str(error))

    def _ask(self, asked_at: float) -> None:
        epoch = self._take()
        if epoch:
            self._epoch = epoch
            # Counted from before the request: nobody can believe that it ends earlier than this.
            self._held_until = asked_at + self._cadence.time_to_live
            self._next_try = asked_at + self._cadence.renew_after
        else:
            self._held_until = 0.0

    def _holds(self) -> bool:
        return time.monotonic() < self._held_until

    def _tell(self, holds: bool) -> None:
        if holds != self._led:
            self._led = holds
            metrics.LEASE_CHANGES.labels(self.name).inc()
            log.info("leads" if holds else "follows", lease=self.name, epoch=self._epoch)

    @abstractmethod
    def _take(self) -> int:
        """Takes or renews the lease: its epoch, or 0 when another process has it. May raise Undecided."""

    @abstractmethod
    def _give_up(self) -> None:
        """Frees the lease if this process still holds it, and leaves no connection open. May raise Undecided."""
