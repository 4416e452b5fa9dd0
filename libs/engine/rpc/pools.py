"""Pools of threads, one for unary calls and one for streams, which see complete requests only.

A long-lived stream holds a thread of the stream pool for as long as it lives, so however many watches are open, unary
calls find the same threads as before.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Protocol

from libs.engine.rpc.call import Call


class Task(Protocol):
    """The work of a thread for a call."""

    @property
    def call(self) -> Call:
        """The call."""

    def do(self) -> None:
        """Does it, and raises nothing."""


class Pool:
    """Threads that know which calls they hold, and of whom.

    A tenant's calls take half of the threads at most; what it sends beyond waits for its own calls to end, while the
    calls of others find a thread. Counting happens here and not in the chain, because grpc drops a call whose caller
    went away while it waited without running any of our code.
    """

    def __init__(self, name: str, threads: int, ended: Callable[[Call], None]) -> None:
        self.name = name
        self.threads = threads
        self.share = (threads + 1) // 2
        """Threads that the calls of one tenant may take."""
        self.in_flight = 0
        """Calls that are complete and have not ended."""
        self._ended = ended
        self._tenants: dict[str, _Tenant] = {}
        self._ready: SimpleQueue[tuple[str, Task] | None] = SimpleQueue()
        self._count = threading.Lock()
        self._started = 0

    def held_by(self, tenant: str) -> int:
        """Calls of this tenant that are complete and have not ended."""
        known = self._tenants.get(tenant)
        return known.in_flight if known is not None else 0

    def take(self, work: Task) -> None:
        """Does the work on the next thread that is free for its tenant."""
        name = work.call.principal.tenant
        with self._count:
            self.in_flight += 1
            tenant = self._tenants.get(name)
            if tenant is None:
                tenant = self._tenants[name] = _Tenant()
            tenant.in_flight += 1
            if tenant.in_flight > self.share:
                tenant.waiting.append(work)
                return
            grow = self._started < min(self.in_flight, self.threads)
            self._started += grow
        if grow:
            # Daemons: a handler that hangs must not keep the process from ending.
            threading.Thread(target=self._serve, name=f"{self.name}-{self._started}", daemon=True).start()
        self._ready.put((name, work))

    def shutdown(self) -> None:
        """Lets the threads end when they have done what is waiting."""
        for _ in range(self._started):
            self._ready.put(None)

    def _serve(self) -> None:
        while (item := self._ready.get()) is not None:
            name, work = item
            try:
                work.do()
            finally:
                self._done(name, work.call)
            # An idle thread must not keep the last call, its request and its connection alive.
            del item, work

    def _done(self, name: str, call: Call) -> None:
        with self._count:
            self.in_flight -= 1
            tenant = self._tenants[name]
            tenant.in_flight -= 1
            if tenant.waiting:
                self._ready.put((name, tenant.waiting.popleft()))
            elif not tenant.in_flight:
                del self._tenants[name]
        self._ended(call)


class _Tenant:
    """The calls of one tenant."""

    __slots__ = ("in_flight", "waiting")

    def __init__(self) -> None:
        self.in_flight = 0
        self.waiting: deque[Task] = deque()
