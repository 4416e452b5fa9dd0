"""The composed system, started once for all journeys."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from libs.client.client import Client
from tests.support.stack import System

T = TypeVar("T")


@pytest.fixture(scope="session")
def stack(stack_folder: Path, mongodb_uri: str, amqp_uri: str) -> Iterator[System]:
    """Profiles and interactions as processes on the session's store and bus."""
    system = System(stack_folder, mongodb_uri=mongodb_uri, amqp_uri=amqp_uri)
    try:
        system.start()
        yield system
    finally:
        system.stop()


@pytest.fixture
def tenant() -> str:
    """A tenant of this test alone."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def client(stack: System, tenant: str) -> Iterator[Client]:
    """The client of this test's tenant."""
    with stack.client(tenant) as connected:
        yield connected


def eventually(look: Callable[[], T | None], *, seconds: float = 30.0) -> T:
    """The first truthy answer of `look`: effects of events come within moments, not at once."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"still {found!r} after {seconds:g} s")
        time.sleep(0.02)
