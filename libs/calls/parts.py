"""Several reads for one answer, side by side: each has its own time, and what fails or is late is left out and named.

The threads are shared by all calls of the process, so that a call of many parts takes no more of the database than so
many calls of one; a part that finds no thread in its time is late. Parts that another service answers have threads of
their own, so that one that hangs keeps no part of ours waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

import pymongo
from google.protobuf.descriptor import MethodDescriptor

from libs.chassis import context
from libs.chassis.domain import DomainError
from libs.chassis.scopes import ScopeMissing, covers, scope_of
from libs.engine import logs
from libs.engine.outage import is_outage
from libs.engine.rpc.call import current_call
from libs.engine.rpc.deadline import DATABASE_SHARE, until
from libs.engine.rpc.errors import DeadlineExceeded, Unavailable, status_of

__all__ = ["THREADS", "Part", "gather", "status_of"]

THREADS: Final = 8

K = TypeVar("K", bound=Hashable)

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One read."""

    read: Callable[[], Any]
    like: MethodDescriptor
    """The method that reads the same alone: who may not call it may not have the part."""
    elsewhere: bool = False
    """Another service answers it."""


def gather(parts: Mapping[K, Part], seconds: float) -> tuple[dict[K, Any], dict[K, Exception]]:
    """(results by part, errors by part). Each part has `seconds`, but never more than four fifths of the call."""
    call = current_call.get(None)
    left = call.expires - time.monotonic() if call is not None else seconds
    ends = time.monotonic() + min(seconds, left * DATABASE_SHARE)
    futures: dict[K, Future[Any]] = {}
    errors: dict[K, Exception] = {}
    for key, part in parts.items():
        scope = scope_of(part.like)
        if covers(context.current().scopes, scope):
            futures[key] = _threads(part.elsewhere).submit(copy_context().run, _read, part, ends)
        else:
            errors[key] = ScopeMissing(scope=scope)
    wait(futures.values(), timeout=max(0.0, ends - time.monotonic()))
    found: dict[K, Any] = {}
    for key, future in futures.items():
        if not future.done():
            future.cancel()
            errors[key] = DeadlineExceeded("it was not read in time")
        elif (error := future.exception()) is None:
            found[key] = future.result()
        elif isinstance(error, Exception):
            errors[key] = error
        else:
            raise error
    return found, errors


def _read(part: Part, ends: float) -> Any:
    left = ends - time.monotonic()
    if left <= 0:
        raise DeadlineExceeded("no thread was free in time")
    try:
        with pymongo.timeout(left), until(ends):
            return part.read()
    except (DomainError, DeadlineExceeded):
        raise
    except Unavailable as error:
        log.warning("a part is missing", part=part.like.name, error=str(error))
        raise
    except Exception as error:
        if is_outage(error):
            if time.monotonic() >= ends:
                raise DeadlineExceeded(str(error)) from error
            log.warning("a part is missing", part=part.like.name, error=f"{type(error).__name__}: {error}")
        else:
            log.exception("a defect left out a part", part=part.like.name)
        raise


@cache
def _threads(elsewhere: bool) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="part-elsewhere" if elsewhere else "part")
