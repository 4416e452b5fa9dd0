"""Ids and time."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from libs.chassis import identity

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_ids_sort_by_creation() -> None:
    clock = identity.FixedClock(START)
    with identity.clock(clock):
        ids = []
        for _ in range(50):
            ids.append(identity.new_id("cus"))
            clock.advance(timedelta(milliseconds=1))
    assert ids == sorted(ids)
    assert len(set(ids)) == 50


def test_an_id_is_recognised_by_its_type() -> None:
    assert identity.is_id("cus", identity.new_id("cus"))
    assert not identity.is_id("cus", identity.new_id("int"))
    assert not identity.is_id("cus", "cus_short")
    assert not identity.is_id("cus", identity.new_id("cus").upper())


@given(st.lists(st.text(), min_size=1, max_size=4), st.lists(st.text(), min_size=1, max_size=4))
def test_a_derived_id_belongs_to_its_parts_alone(one: list[str], other: list[str]) -> None:
    first, second = identity.derived_id("cus", *one), identity.derived_id("cus", *other)
    assert identity.is_id("cus", first)
    assert (first == second) == (one == other)


def test_time_is_cut_to_what_the_database_keeps() -> None:
    with identity.clock(identity.FixedClock(START + timedelta(microseconds=1999))):
        assert identity.now() == START + timedelta(milliseconds=1)
