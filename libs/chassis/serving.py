"""Serving a call: declarations of a servicer's methods, and questions about the call that is served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

S = TypeVar("S", bound=Callable[..., Any])

COST: Final = "_kehu_cost"
"""Attribute of a method that declares its cost."""
_over: ContextVar[Callable[[float], bool]] = ContextVar("kehu_over")


def costs(seconds: Callable[[Any], float]) -> Callable[[S], S]:
    """Declares the seconds of computing that a request to the method costs at most, told from the request alone:

        @costs(lambda request: len(request.intervals) * request.weeks * 1e-6)
        def ExplainDue(self, request, context): ...

    It is asked before the method begins, and a request that costs too much is refused.
    """

    def declare(method: S) -> S:
        setattr(method, COST, seconds)
        return method

    return declare


def still_open(wait: float = 0.0) -> bool:
    """Waits so many seconds, or until the current stream is over. True while there is somebody to send to.

    while still_open(0.5):
        yield from changes()
    """
    return not _over.get()(wait)


@contextmanager
def streaming(over: Callable[[float], bool]) -> Iterator[None]:
    """Serves a stream inside the block. `over` waits so many seconds, and is true once the stream is over."""
    before = _over.set(over)
    try:
        yield
    finally:
        _over.reset(before)
