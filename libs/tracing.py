"""Trace ids (W3C `traceparent`) that follow one cause through gRPC metadata, AMQP headers and envelopes.

Without a collector an incoming trace id is passed on and nothing is recorded, which costs next to nothing. With
`configure(service, endpoint)` every call and every batch becomes a span of OpenTelemetry.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as Recording
    from opentelemetry.trace import Tracer

HEADER = "traceparent"
"""Key in gRPC metadata and in AMQP headers."""

Kind = Literal["server", "client", "producer", "consumer"]

_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_current: ContextVar[str] = ContextVar("kehu_traceparent", default="")


@dataclass(slots=True)
class _Recorder:
    provider: TracerProvider | None = None
    tracer: Tracer | None = None


_recorder = _Recorder()


@dataclass(slots=True)
class Span:
    """A piece of work that belongs to a trace."""

    traceparent: str
    """Value of the header for calls and events of this work. Empty without a trace."""
    _recording: Recording | None = None

    def end(self, *, failure: str = "") -> None:
        """Ends the work. `failure` is the status code or the error class when it failed."""
        if self._recording is not None:
            if failure:
                from opentelemetry.trace import Status, StatusCode

                self._recording.set_status(Status(StatusCode.ERROR, failure))
            self._recording.end()


def configure(service: str, endpoint: str) -> None:
    """Sends spans to the OTLP/gRPC collector at `endpoint`. Does nothing when that is empty, or in a worker.

    The exporter is a gRPC client, which cannot live in a process of green threads, so workers pass trace ids on.
    """
    if not endpoint or "eventlet" in sys.modules:
        return
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    _recorder.provider, _recorder.tracer = provider, provider.get_tracer("kehu")


def shutdown() -> None:
    """Sends the spans that are still held and stops recording. Called when the process drains."""
    if _recorder.provider is not None:
        _recorder.provider.shutdown()
    _recorder.provider = _recorder.tracer = None


def start(name: str, *, parent: str = "", kind: Kind = "server") -> Span:
    """Begins work that `parent` (a traceparent, ignored when malformed) caused, and makes it the current one.

    For work whose end is elsewhere; the caller runs it in a context of its own, as grpc does. Otherwise use `work`.
    """
    known = parent if parent and _FORM.fullmatch(parent) else ""
    span = Span(known) if _recorder.tracer is None else _record(_recorder.tracer, name, known, kind)
    _current.set(span.traceparent)
    return span


@contextmanager
def work(name: str, *, parent: str = "", kind: Kind = "consumer") -> Iterator[Span]:
    """Runs the block as work that `parent` caused. An exception marks it as failed."""
    before = _current.get()
    span = start(name, parent=parent, kind=kind)
    failure = ""
    try:
        yield span
    except BaseException as error:
        failure = type(error).__name__
        raise
    finally:
        span.end(failure=failure)
        _current.set(before)


def traceparent() -> str:
    """The trace context of the current work, or an empty text."""
    return _current.get()


def _record(tracer: Tracer, name: str, parent: str, kind: Kind) -> Span:
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract({HEADER: parent}) if parent else None
    recording = tracer.start_span(name, context=context, kind=SpanKind[kind.upper()])
    identity = recording.get_span_context()
    flags = f"{int(identity.trace_flags):02x}"
    return Span(f"00-{identity.trace_id:032x}-{identity.span_id:016x}-{flags}", recording)
