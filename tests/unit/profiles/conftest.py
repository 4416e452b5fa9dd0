"""The service over the in-memory store, with time standing still and a caller named Ada."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from libs.chassis import context, identity
from libs.chassis.context import Command, Context
from libs.chassis.identity import FixedClock
from libs.engine.store.memory import MemoryDatabase
from services.profiles.store import ProfilesStore
from tests.unit.profiles.builders import NOW

SEES = frozenset({"profiles.names.read", "profiles.addresses.read", "profiles.dates.read"})
"""What Ada sees in full: all but contact points."""
As = Callable[..., AbstractContextManager[Context]]


@pytest.fixture
def clock() -> Iterator[FixedClock]:
    fixed = FixedClock(NOW)
    with identity.clock(fixed):
        yield fixed


@pytest.fixture
def database(clock: FixedClock) -> Iterator[MemoryDatabase]:
    with context.enter(Context(tenant="acme", actor="ada", scopes=SEES)):
        yield MemoryDatabase("profiles")


@pytest.fixture
def store(database: MemoryDatabase) -> ProfilesStore:
    return ProfilesStore(database)


@pytest.fixture
def acting() -> As:
    """Work as somebody, perhaps on a command: `with acting("eve", scopes={"x"}, request_id="1", of=b"body")`."""

    def enter(
        actor: str = "ada",
        *,
        tenant: str = "acme",
        scopes: frozenset[str] = frozenset(),
        request_id: str = "",
        of: bytes = b"",
    ) -> AbstractContextManager[Context]:
        command = Command(request_id, of) if request_id else None
        return context.enter(Context(tenant=tenant, actor=actor, scopes=frozenset(scopes), command=command))

    return enter
