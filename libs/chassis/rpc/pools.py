"""Where calls run: a pool of threads for unary calls, one for streams, and none at all for refusals.

grpc lets a handler name its pool (`experimental_thread_pool`). A long-lived stream holds a thread of the stream pool
for as long as it lives, so however many watches are open, unary calls find the same threads as before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

from libs.chassis.rpc.call import Call

Work = tuple[Call, Callable[..., None], tuple[Any, ...]]


class Pool(ThreadPoolExecutor):
    """Threads that know which calls they hold.

    grpc submits a call on the thread that received it, right after the chain admitted it and before anything else
    arrives, so `expect` can say which call the next `submit` is for. Counting happens here and not in the chain,
    because grpc drops a call whose caller went away while it waited without running any of our code.

    grpc insists on the type, but takes no interest in results: a queue and a count replace the future, the condition
    and the two semaphores that the standard executor spends on each call (12 µs of about 180 for an empty one).
    """

    def __init__(self, name: str, threads: int, ended: Callable[[Call], None]) -> None:
        super().__init__(max_workers=threads, thread_name_prefix=name)
        self.name = name
        self.threads = threads
        self.in_flight = 0
        """Calls that were admitted and have not ended."""
        self._ended = ended
        self._expected: Call | None = None
        self._waiting: SimpleQueue[Work | None] = SimpleQueue()
        self._count = threading.Lock()
        self._started = 0

    def expect(self, call: Call) -> None:
        """The next work submitted is this call's."""
        self._expected = call

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs work on the next free thread; the future says nothing and is done at once."""
        call, self._expected = self._expected, None
        if call is None or kwargs:
            raise RuntimeError(f"work came to the pool {self.name!r} without a call that was admitted")
        with self._count:
            self.in_flight += 1
            grow = self._started < min(self.in_flight, self.threads)
            self._started += grow
        if grow:
            # Daemons: a handler that hangs must not keep the process from ending.
            threading.Thread(target=self._serve, name=f"{self.name}-{self._started}", daemon=True).start()
        self._waiting.put((call, work, args))
        return _DONE

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Lets the threads end when they have done what is waiting."""
        for _ in range(self._started):
            self._waiting.put(None)

    def _serve(self) -> None:
        while (item := self._waiting.get()) is not None:
            call, work, args = item
            try:
                work(*args)
            finally:
                with self._count:
                    self.in_flight -= 1
                self._ended(call)
            # An idle thread must not keep the last call, its request and its connection alive.
            del item, call, work, args


class Inline(ThreadPoolExecutor):
    """Runs work at once on the thread that brings it: only for what never blocks."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs the work; the future is done."""
        work(*args, **kwargs)
        return _DONE


_DONE: Future[Any] = Future()
_DONE.set_result(None)
