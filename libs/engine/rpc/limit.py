"""Stages 3 and 5, rate and limit: more work than can be done in time is refused at once, what matters least first.

Three gates: a bucket of calls per tenant; the number of streams that have a thread; and the number of unary calls in
flight. Of the last two a tenant gets half, so that one cannot take the capacity of all. The limit of calls in flight
follows the moving average of the time that a call keeps its thread: `threads` calls are served while
`threads * PATIENCE / seconds` more will find a thread within `PATIENCE` (Little's law). It therefore shrinks within a
few calls when a dependency becomes slow, where a limit that is felt out by increase and decrease took seconds, in which
callers waited for nothing.
"""

from __future__ import annotations

import random
import threading
import time
from collections import OrderedDict

from google.protobuf.message import Message

from libs.chassis.domain import InvalidArgument
from libs.engine import metrics
from libs.engine.rpc.call import Call, Priority
from libs.engine.rpc.errors import Overloaded
from libs.engine.rpc.pools import Pool

PATIENCE = 0.03
"""Seconds that an admitted call may wait for a thread."""

START = 64
MOST = 1024
"""Calls in flight: before anything is known, and in any case."""

SHARE = 0.5
"""The part of a limit that the calls of one tenant may fill."""

CAUSES = (
    "in_flight",
    "tenant_in_flight",
    "tenant_rate",
    "tenant_computing",
    "streams",
    "tenant_streams",
    "receiving",
    "verifying",
    "deadline",
)
"""The causes of refusals."""

COMPUTING = 0.25
"""Seconds of declared computing that a tenant gets in each second, of the one core that a process has."""

MOST_COMPUTING = 2.0
"""Seconds of computing that one request may cost."""

_LEARN = 0.05
_TENANTS = 10_000


class InFlight:
    """The moving limit of unary calls in flight, never below the number of threads, with which nobody waits."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._seconds = PATIENCE * pool.threads / max(1, START - pool.threads)
        metrics.RPC_LIMIT.set_function(lambda: self.value)

    @property
    def value(self) -> float:
        """The limit of the moment."""
        return min(float(MOST), self._pool.threads * (1 + PATIENCE / max(self._seconds, 1e-6)))

    def admit(self, tenant: str, priority: Priority) -> None:
        """Overloaded when calls of this priority may not come in now, from anybody or from this tenant."""
        most = self.value * priority.value
        if self._pool.in_flight >= max(1.0, most):
            raise refusal("in_flight", "the server is full")
        if self._pool.held_by(tenant) >= max(1.0, most * SHARE):
            raise refusal("tenant_in_flight", "this tenant has its share of calls in flight; make fewer at a time")

    def learn(self, seconds: float) -> None:
        """A call kept its thread for so long."""
        self._seconds += _LEARN * (seconds - self._seconds)


class RequestTooCostly(InvalidArgument):
    """The request asks for {seconds} s of computing, and {most} s are allowed: ask for less at a time."""

    seconds: float
    most: float


class Buckets:
    """One bucket per tenant: `rate` calls per second, bursts of twice as many, and no limit when the rate is 0."""

    def __init__(
        self,
        rate: float,
        *,
        burst: float = 0.0,
        cause: str = "tenant_rate",
        message: str = "too many calls of this tenant",
    ) -> None:
        self._rate = rate
        self._burst = burst or rate * 2
        self._cause = cause
        self._message = message
        self._lock = threading.Lock()
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, tenant: str, now: float, amount: float = 1.0) -> None:
        """Takes an amount at `now` (seconds of any steady clock), or raises Overloaded when there is too little."""
        if not self._rate:
            return
        with self._lock:
            level, at = self._levels.get(tenant, (self._burst, now))
            level = min(self._burst, level + (now - at) * self._rate)
            if level < amount:
                wait = (amount - level) / self._rate
                raise refusal(self._cause, self._message, max(0.1, wait))
            self._levels[tenant] = (level - amount, now)
            self._levels.move_to_end(tenant)
            if len(self._levels) > _TENANTS:
                self._levels.popitem(last=False)


class Limiter:
    """All three gates of one server."""

    def __init__(self, unary: Pool, streams: Pool, tenant_rate: float) -> None:
        self._streams = streams
        self.in_flight = InFlight(unary)
        self._buckets = Buckets(tenant_rate)
        self._computing = Buckets(
            COMPUTING,
            burst=MOST_COMPUTING,
            cause="tenant_computing",
            message="this tenant's requests ask for more computing than its share",
        )
        for cause in CAUSES:
            metrics.RPC_REFUSED.labels(cause)

    def welcome(self, call: Call) -> None:
        """Overloaded when the tenant calls too often: asked on arrival."""
        self._buckets.take(call.principal.tenant, call.arrived)

    def compute(self, call: Call, request: Message) -> None:
        """RequestTooCostly when a request asks for more computing than any may, Overloaded when its tenant has used up
        its share: asked before the work begins."""
        if call.method.cost is None:
            return
        seconds = call.method.cost(request)
        if seconds > MOST_COMPUTING:
            raise RequestTooCostly(seconds=round(seconds, 1), most=MOST_COMPUTING)
        self._computing.take(call.principal.tenant, time.perf_counter(), seconds)

    def admit(self, call: Call) -> None:
        """Overloaded, with the time to wait before another attempt, when the call may not have a thread: asked when
        its request is complete."""
        method, tenant = call.method, call.principal.tenant
        if method.streams:
            most = self._streams.threads * method.priority.value
            if self._streams.in_flight >= most:
                raise refusal("streams", "too many streams are open", random.uniform(1, 3))  # noqa: S311
            if self._streams.held_by(tenant) >= max(1.0, most * SHARE):
                text = "this tenant has its share of open streams; end one first"
                raise refusal("tenant_streams", text, random.uniform(1, 3))  # noqa: S311
        else:
            repeated = call.repeated and method.priority is Priority.WRITE
            self.in_flight.admit(tenant, Priority.REPEAT if repeated else method.priority)


def refusal(cause: str, message: str, retry_after: float | None = None) -> Overloaded:
    """The counted refusal to raise. Without a known time, callers come back spread over half a second."""
    metrics.RPC_REFUSED.labels(cause).inc()
    return Overloaded(message, cause=cause, retry_after=retry_after or random.uniform(0.1, 0.5))  # noqa: S311
