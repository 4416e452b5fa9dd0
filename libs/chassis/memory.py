"""The former place of `libs.chassis.store.memory`."""

from libs.chassis.store.memory import MemoryCollection, MemoryDatabase

__all__ = ["MemoryCollection", "MemoryDatabase"]
