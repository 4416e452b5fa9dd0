"""Where entities live.

`collection.update(id, change)` is the only way to change state, so nobody can forget concurrency control, the events,
the audit trail, the tenant or the idempotency key. `collection` holds the laws; `mongo` keeps them on MongoDB and
`libs.chassis.store.memory` in memory.
"""

from libs.chassis.sealing.personal import BlindIndexes
from libs.chassis.store.collection import Collection
from libs.chassis.store.database import Database
from libs.chassis.store.declaration import Contention, Index, Outcome, RelayBehind
from libs.chassis.store.due import Due, Found
from libs.chassis.store.mongo import MongoDatabase, connect, unconnected
from libs.chassis.store.totals import Count, DayOf, Greatest, Key, Least, Row, Sum

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
    "Least",
    "MongoDatabase",
    "Outcome",
    "RelayBehind",
    "Row",
    "Sum",
    "connect",
    "unconnected",
]
