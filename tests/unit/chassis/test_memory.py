"""The in-memory twin keeps the laws of the store."""

import pytest

from libs.chassis.memory import MemoryDatabase
from libs.chassis.store import Database
from tests.support.store_laws import StoreLaws, declare


class TestMemory(StoreLaws):
    @pytest.fixture
    def database(self) -> Database:
        return declare(MemoryDatabase("ledger"))
