"""The in-memory twin keeps the laws of the store."""

import pytest

from libs.chassis.store import Database
from libs.engine.store.memory import MemoryDatabase
from tests.support.command_laws import CommandLaws
from tests.support.store_laws import StoreLaws, declare


class TestMemory(StoreLaws, CommandLaws):
    @pytest.fixture
    def database(self) -> Database:
        return declare(MemoryDatabase("ledger"))
