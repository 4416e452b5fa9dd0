"""The store of entities: `database.collection(…)`, and the verbs of a collection.

`collection.update(id, change)` is the only way to change state, so nobody can forget concurrency control, the events,
the audit trail, the tenant or the idempotency key. `libs.engine.store` keeps these promises, on MongoDB and in memory.
"""

from libs.chassis.store.collection import Collection
from libs.chassis.store.database import Database
from libs.chassis.store.declaration import (
    BlindIndexes,
    Contention,
    Index,
    KeyTaken,
    Outcome,
    RelayBehind,
    RequestIdReused,
)
from libs.chassis.store.due import Due, Found
from libs.chassis.store.totals import Count, DayOf, Greatest, Key, Least, Measure, Row, Sum

__all__ = [
    "BlindIndexes",
    "Collection",
    "Contention",
    "Count",
    "Database",
    "DayOf",
    "Due",
    "Found",
    "Greatest",
    "Index",
    "Key",
    "KeyTaken",
    "Least",
    "Measure",
    "Outcome",
    "RelayBehind",
    "RequestIdReused",
    "Row",
    "Sum",
]
