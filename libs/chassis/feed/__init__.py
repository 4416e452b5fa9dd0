"""The change feed: watchers of some subject hear of every entity about it that is new or changes.

    feed = Feed(MongoChanges(database, {"interactions": "customer_id", "promises": "customer_id"}), database.pager)
    for notice in feed.watch([customer_id], cursor, still_open): ...

An api process has one reader of changes, however many watch.
"""

from libs.chassis.feed.changes import Changed, Changes, CursorTooOld, MongoChanges, Reader, Subject
from libs.chassis.feed.feed import Feed, Notice

__all__ = ["Changed", "Changes", "CursorTooOld", "Feed", "MongoChanges", "Notice", "Reader", "Subject"]
