"""Counting contacts by channel."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import InvalidArgument
from services.interactions.counts.application import Counts
from services.interactions.counts.domain import ChannelCount, ChannelDay, CountRange
from services.interactions.customers.domain import Channel
from services.interactions.timeline.application import Timeline
from services.interactions.timeline.domain import Interaction

QUARTER = timedelta(minutes=15)
MIDNIGHT = datetime(2026, 8, 10, tzinfo=UTC)
Make = Callable[..., Interaction]


def test_every_recorded_contact_counts_once_where_it_occurred(world: Any, contact: Make) -> None:
    timeline, counts = Timeline(world.store.timeline), Counts(world.store.counts)
    yesterday = MIDNIGHT - timedelta(hours=1)
    timeline.ingest(contact(external_key="1", occurred_time=yesterday))
    timeline.ingest(contact(external_key="1", occurred_time=yesterday))  # a repeat
    timeline.load([contact(external_key=str(n), channel=Channel.SMS, occurred_time=MIDNIGHT) for n in range(5)])
    redacted = timeline.ingest(contact(channel=Channel.FAX, occurred_time=MIDNIGHT + timedelta(hours=8)))
    timeline.redact(redacted.id, "erasure 17")
    world.deliver()
    both_days = CountRange(start_time=MIDNIGHT - timedelta(days=1), end_time=MIDNIGHT + timedelta(days=1))
    assert counts.by_channel(both_days) == [
        ChannelCount(channel=Channel.VOICE, count=1),
        ChannelCount(channel=Channel.SMS, count=5),
        ChannelCount(channel=Channel.FAX, count=1),
    ]
    first_quarter = CountRange(start_time=MIDNIGHT, end_time=MIDNIGHT + QUARTER)
    assert counts.by_channel(first_quarter) == [ChannelCount(channel=Channel.SMS, count=5)]


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        (MIDNIGHT + timedelta(minutes=1), MIDNIGHT + QUARTER, "start_time"),
        (MIDNIGHT, MIDNIGHT + QUARTER + timedelta(milliseconds=1), "end_time"),
        (MIDNIGHT, MIDNIGHT, "end_time"),
        (MIDNIGHT, MIDNIGHT + timedelta(days=367), "end_time"),
    ],
)
def test_a_range_that_cannot_be_exact_is_refused(start: datetime, end: datetime, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        CountRange(start_time=start, end_time=end)
    assert [violation.field for violation in refused.value.violations] == [field]


@given(
    st.lists(st.integers(0, 86_399), max_size=30),
    st.integers(-96, 192),
    st.integers(1, 200),
)
def test_a_day_tells_the_exact_number_of_any_range(seconds: list[int], first: int, length: int) -> None:
    day = ChannelDay(id="chd_1", channel=Channel.VOICE, day=MIDNIGHT.date())
    occurred = [MIDNIGHT + timedelta(seconds=each) for each in seconds]
    for at in occurred:
        day, _ = day.count(at)
    span = CountRange(start_time=MIDNIGHT + first * QUARTER, end_time=MIDNIGHT + (first + length) * QUARTER)
    assert day.within(span) == sum(span.start_time <= at < span.end_time for at in occurred)
