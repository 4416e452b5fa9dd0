"""Stage 1, observe: every call is counted, timed, traced and written down as one line, however it ends."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from functools import cache
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from libs import tracing
from libs.engine import logs, metrics
from libs.engine.access import NOBODY
from libs.engine.rpc.call import Call, Method

log = logs.get("libs.engine.rpc")

REQUEST_ID = "x-request-id"
"""Metadata key: an id that the caller chose for this call, or that we make. Sent back, logged, and kept on events."""

_REQUEST_ID = re.compile(r"[\w.:/+=-]{1,64}", re.ASCII)
_ATTEMPTS = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)
_FAULTS = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})


@cache
def _child(metric: MetricWrapperBase, labels: tuple[str, ...]) -> Any:
    """The series of these labels, which the library would look up under a lock for every call."""
    return metric.labels(*labels)


def arrive(method: Method, metadata: Iterable[tuple[str, str | bytes]]) -> Call:
    """The call that has just come in."""
    if not method.scope:
        return Call(method=method, request_id="", token="")
    given = dict(metadata)
    request_id = given.get(REQUEST_ID, "")
    if not isinstance(request_id, str) or not _REQUEST_ID.fullmatch(request_id):
        request_id = os.urandom(16).hex()
    _child(metrics.RPC_STARTED, method.labels).inc()
    return Call(
        method=method,
        request_id=request_id,
        token=str(given.get("authorization", "")),
        parent=str(given.get(tracing.HEADER, "")),
        repeated=_ATTEMPTS.fullmatch(str(given.get("x-previous-attempts", ""))) is not None,
    )


def known(call: Call) -> None:
    """The caller is known: from now on the call belongs to its trace, which no stranger can have us record."""
    call.span = tracing.start(call.method.path[1:], parent=call.parent)


def taken_up(call: Call) -> None:
    """A thread begins to work on the call."""
    call.waited = time.perf_counter() - call.arrived
    if not call.method.streams:
        metrics.RPC_WAIT_SECONDS.observe(call.waited)


def named(call: Call) -> tuple[tuple[str, str | bytes], ...]:
    """The id of the call, for its caller: at the start of a stream, but at the end of a unary call, where it comes with
    the answer; by itself it would be one message more, and five hundredths of the server's capacity."""
    return ((REQUEST_ID, call.request_id),)


def end(call: Call) -> None:
    """The call is over, and `call` says how."""
    if not call.method.scope:
        return
    seconds = time.perf_counter() - call.arrived
    labels = call.method.labels
    _child(metrics.RPC_HANDLED, (*labels, call.code)).inc()
    _child(metrics.RPC_SECONDS, labels).observe(seconds)
    failed = call.code in _FAULTS
    call.span.end(failure=call.code if failed else "")
    facts = {
        "method": call.method.path,
        "code": call.code,
        "ms": round(seconds * 1000, 2),
        "request_id": call.request_id,
    }
    if call.reason:
        facts["reason"] = call.reason
    if call.principal is not NOBODY:
        facts |= {"tenant": call.principal.tenant, "actor": call.principal.subject}
    if call.certificate:
        facts["client_certificate"] = call.certificate
    if call.principal.acting_service:
        facts["acting_service"] = call.principal.acting_service
    if call.span.traceparent:
        facts["traceparent"] = call.span.traceparent
    if failed:
        log.error("call", **facts, cause=call.error)
    elif call.error is not None:
        log.warning("call", **facts, error=repr(call.error))
    else:
        log.info("call", **facts)
