"""Watches of a whole process over MongoDB's change streams.

    ChangeFeed(MongoChanges(database, {"interactions": "customer_id", "promises": "customer_id"}), database.pager)

An api process has one reader of changes, however many watch.
"""

from libs.engine.feed.changes import Changed, Changes, CursorTooOld, MongoChanges, Reader, Subject
from libs.engine.feed.feed import ChangeFeed

__all__ = ["ChangeFeed", "Changed", "Changes", "CursorTooOld", "MongoChanges", "Reader", "Subject"]
