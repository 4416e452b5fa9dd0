"""A subscription that can handle nothing stops, and one tenant or a few bad events never stop it."""

from __future__ import annotations

from libs.engine.inbox.limit import UNREADABLE, ParkingLimit


def test_a_release_that_handles_nothing_of_anybody_stops() -> None:
    limit = ParkingLimit(100)
    assert [limit.forbids([], ["acme", "bolt"]) for _ in range(52)] == [False] * 50 + [True] * 2


def test_a_whole_batch_of_bad_events_is_not_parked_at_all() -> None:
    assert ParkingLimit(100).forbids([], ["acme", "bolt"] * 100)


def test_it_goes_on_once_something_can_be_handled_again() -> None:
    limit = ParkingLimit(100)
    while not limit.forbids([], ["acme", "bolt"]):
        pass
    assert not limit.forbids(["acme"], ["bolt"])
    assert not limit.forbids([], ["acme", "bolt"])


def test_one_of_several_tenants_never_stops_it() -> None:
    limit = ParkingLimit(100)
    assert not limit.forbids(["acme"], [])
    assert not any(limit.forbids([], ["mallory"] * 10) for _ in range(100))


def test_the_only_tenant_stops_it() -> None:
    limit = ParkingLimit(100)
    assert not limit.forbids(["acme"], [])
    assert limit.forbids([], ["acme"] * 101)


def test_messages_that_cannot_be_read_may_be_of_everybody() -> None:
    limit = ParkingLimit(100)
    assert not limit.forbids(["acme", "bolt"], [])
    assert limit.forbids([], [UNREADABLE] * 101)
