"""The keeping of entities: the promises of `libs.chassis.store`, on MongoDB and in memory.

`collection` and `database` hold the laws, whatever keeps the documents. `mongo` keeps them on MongoDB, and `memory` in
memory for tests.
"""

from libs.engine.store.database import StoredDatabase
from libs.engine.store.mongo import MongoDatabase, connect, unconnected

__all__ = ["MongoDatabase", "StoredDatabase", "connect", "unconnected"]
