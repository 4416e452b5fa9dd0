"""Trace ids that follow a cause."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from libs import tracing

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """What is recorded."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing._recorder.provider, tracing._recorder.tracer = provider, provider.get_tracer("test")
    yield exporter
    tracing.shutdown()


def test_without_a_collector_an_incoming_trace_is_passed_on() -> None:
    assert tracing.traceparent() == ""
    with tracing.work("effect", parent=PARENT):
        assert tracing.traceparent() == PARENT
    assert tracing.traceparent() == ""


@pytest.mark.parametrize("parent", ["", "nonsense", PARENT.upper(), PARENT + "-x", "00-" + "0" * 32 + PARENT[35:]])
def test_a_malformed_trace_is_ignored(parent: str) -> None:
    with tracing.work("effect", parent=parent):
        assert tracing.traceparent() == ""


def test_recorded_work_belongs_to_the_trace_of_its_cause(spans: InMemorySpanExporter) -> None:
    with tracing.work("effect", parent=PARENT) as span:
        assert tracing.traceparent() == span.traceparent
        assert span.traceparent.split("-")[1] == PARENT.split("-")[1]
        assert span.traceparent != PARENT
    (recorded,) = spans.get_finished_spans()
    assert (recorded.name, recorded.kind, recorded.status.status_code) == (
        "effect",
        SpanKind.CONSUMER,
        StatusCode.UNSET,
    )
    assert recorded.parent is not None
    assert f"{recorded.parent.span_id:016x}" == PARENT.split("-")[2]


def test_work_that_raises_is_recorded_as_failed(spans: InMemorySpanExporter) -> None:
    with pytest.raises(KeyError), tracing.work("effect"):
        raise KeyError("x")
    (recorded,) = spans.get_finished_spans()
    assert (recorded.status.status_code, recorded.status.description) == (StatusCode.ERROR, "KeyError")


def test_a_trace_begins_where_there_was_none(spans: InMemorySpanExporter) -> None:
    with tracing.work("effect"):
        assert tracing.traceparent().startswith("00-")
    assert len(spans.get_finished_spans()) == 1


def test_nothing_is_set_up_without_an_endpoint() -> None:
    tracing.configure("profiles", "")
    assert tracing._recorder.tracer is None
