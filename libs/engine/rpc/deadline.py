"""Stage 4, deadline: no unary call outlives its time, and what cannot end in time is not begun.

The time left goes to the database driver, which gives up at four fifths of it, so that there is time to answer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

import grpc
import pymongo

from libs.engine import metrics
from libs.engine.outage import is_outage
from libs.engine.rpc.call import Call, current_call
from libs.engine.rpc.errors import DeadlineExceeded
from libs.engine.rpc.limit import refusal

DEFAULT = 5.0
"""Seconds for a unary call that names no deadline."""

LONGEST = 30.0
"""Seconds for a unary call that names a later one."""

DATABASE_SHARE = 0.8

_MARGIN = 1.2
_FORGET = 0.95
_LEARN = 0.1
_NONE = 86400.0
_until: ContextVar[float] = ContextVar("kehu_until", default=math.inf)
"""The end of a part of a call, on the clock of `time.monotonic`."""


def begin(call: Call, context: grpc.ServicerContext) -> None:
    """Sets when the call's time is used up. Overloaded when its method usually needs longer than is left."""
    method = call.method
    given = context.time_remaining()
    if method.streams:
        if given is not None and given < _NONE:
            call.expires = time.monotonic() + given
        return
    if given is None or given > _NONE:
        metrics.RPC_WITHOUT_DEADLINE.labels(*method.labels).inc()
        given = DEFAULT
    left = min(given, LONGEST)
    call.expires = time.monotonic() + left
    if left < _MARGIN * method.seconds:
        # The average learns nothing from refused calls, so it fades: a method that was slow for a while gets a try.
        method.seconds *= _FORGET
        raise refusal("deadline", "the deadline is too short for what is going on")


def database(call: Call) -> AbstractContextManager[object]:
    """Inside the block, database operations together may take four fifths of the time left."""
    if call.method.streams:
        return nullcontext()
    return pymongo.timeout(max(0.001, (call.expires - time.monotonic()) * DATABASE_SHARE))


def learn(call: Call, seconds: float) -> None:
    """The call's own work took so long."""
    call.method.seconds += _LEARN * (seconds - call.method.seconds)


def passed(call: Call, error: BaseException, started: float) -> BaseException:
    """DeadlineExceeded in place of a driver's timeout once the time that the driver had is used up."""
    if is_outage(error) and time.monotonic() >= started + (call.expires - started) * DATABASE_SHARE:
        return DeadlineExceeded(str(error))
    return error


@contextmanager
def until(ends: float) -> Iterator[None]:
    """Inside the block, `remaining` ends at this time of `time.monotonic`, if the call does not end earlier."""
    token = _until.set(min(ends, _until.get()))
    try:
        yield
    finally:
        _until.reset(token)


def remaining() -> float:
    """Seconds that the work has left, infinite when it has no deadline: for calls that it makes itself."""
    call = current_call.get(None)
    return min(_until.get(), call.expires if call is not None else math.inf) - time.monotonic()
