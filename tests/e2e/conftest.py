"""The composed system, started once for all journeys."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.client.client import Client
from tests.support.stack import System


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
