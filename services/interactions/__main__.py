"""Puts the service together: `kehu interactions api|worker|migrate|check`."""

from collections.abc import Sequence
from typing import Any, cast

from libs.chassis.run import Service, main  # before anything else of ours: it prepares a worker
from libs.chassis.store import MongoDatabase
from services.interactions.store import InteractionsStore
from services.interactions.subscriptions import subscriptions, timers


def servicers(store: InteractionsStore) -> Sequence[tuple[Any, object]]:
    """What the api serves; imported here because a worker has no grpc."""
    from kehu.interactions.v1.interactions_pb2_grpc import add_InteractionsServiceServicer_to_server

    from services.interactions.api import InteractionsServicer
    from services.interactions.context.store.changes import MongoChanges
    from services.interactions.context.store.feed import Feed

    feed = Feed(MongoChanges(cast(MongoDatabase, store.database)))
    return [(add_InteractionsServiceServicer_to_server, InteractionsServicer(store, feed))]


SERVICE = Service(
    name="interactions",
    store=InteractionsStore,
    servicers=servicers,
    subscriptions=subscriptions,
    timers=timers,
)

if __name__ == "__main__":
    main(SERVICE)
