"""Work that goes on until it is told to stop, and begins again after whatever interrupts it."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from typing import ClassVar, Final

from libs.engine import logs, metrics
from libs.engine.settings import SettingsError

STALLED_AFTER: Final = 30.0
"""Seconds without a heartbeat of the loop after which it counts as stuck."""
_BEAT_EVERY: Final = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_LONGEST_PAUSE_AFTER_DEFECT: Final = 60.0

log = logs.get(__name__)


_running: set[Loop] = set()
"""The loops of this process."""


def why_stalled() -> str | None:
    """Reason to restart this process, by the loops that run in it, or None."""
    return next(filter(None, (loop.why_stalled() for loop in list(_running))), None)


class Loop(ABC):
    """Runs `_serve` again and again, with growing pauses while it fails.

    Only wrong configuration ends a loop, because a person has to mend it. Any other error is what one document or one
    event can cause, and the loop works for all of them.

    Knows nothing of what runs it: `run` is the body of a thread, or of a green thread of nameko.
    """

    interruptions: ClassVar[tuple[type[Exception], ...]]
    """Errors that end `_serve` and are nobody's defect. Others are logged with their place, counted and alerted."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopping = threading.Event()
        self._done = threading.Event()
        self._beat = time.monotonic()
        self._failures = 0
        self._reason: str | None = f"{name}: has not started"
        metrics.LOOP_FAILURES.labels(name)

    def run(self) -> None:
        """Works until `stop`."""
        _running.add(self)
        try:
            while not self.stopping.is_set():
                try:
                    self._serve()
                except SettingsError:
                    raise
                except self.interruptions as error:
                    if not self.stopping.is_set():
                        log.warning("interrupted", loop=self.name, error=f"{type(error).__name__}: {error}")
                        self._begin_again(error, _LONGEST_PAUSE)
                except Exception as error:
                    log.exception("a defect interrupted a loop", loop=self.name)
                    metrics.LOOP_FAILURES.labels(self.name).inc()
                    self._begin_again(error, _LONGEST_PAUSE_AFTER_DEFECT)
        finally:
            _running.discard(self)
            self.not_ready("has stopped")
            self._done.set()

    def stop(self) -> None:
        """Asks the loop to finish what it has begun and end. Returns at once."""
        self.stopping.set()

    def wait(self, timeout: float) -> bool:
        """True when the loop ended within `timeout` seconds."""
        return self._done.wait(timeout)

    def beat(self) -> None:
        """Tells that the loop is alive, at least every few seconds, also while something else works for it."""
        self._beat = time.monotonic()

    def ready(self) -> None:
        """Tells that the loop can do its work."""
        self._failures = 0
        self._reason = None
        self.beat()

    def not_ready(self, reason: str) -> None:
        """Tells why the loop cannot do its work now."""
        self._reason = f"{self.name}: {reason}"
        self.beat()

    def why_stalled(self) -> str | None:
        """Reason to restart this process, or None."""
        age = time.monotonic() - self._beat
        return f"{self.name}: no sign of life for {age:.0f} s" if age > STALLED_AFTER else None

    def why_not_ready(self) -> str | None:
        """Reason why the loop does no work now, or None."""
        return self._reason

    def pause(self, failures: int, longest: float = _LONGEST_PAUSE) -> None:
        """Waits before another attempt: longer with every failure in a row, and never in step with other processes."""
        most = min(longest, _FIRST_PAUSE * 2.0 ** min(failures, 10))
        self.rest(random.uniform(most / 2, most))  # noqa: S311  (jitter)
        self.beat()

    def rest(self, seconds: float) -> None:
        """Waits so long, or until `stop`. However long that is, who waits is alive."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self.stopping.wait(min(left, _BEAT_EVERY)):
            self.beat()

    def _begin_again(self, error: Exception, longest_pause: float) -> None:
        """Tells why the loop stands still, and waits."""
        self.not_ready(f"{type(error).__name__}: {error}")
        self._failures += 1
        self.pause(self._failures, longest_pause)

    @abstractmethod
    def _serve(self) -> None:
        """Works until `stopping` is set. Raises when it has to begin again."""
