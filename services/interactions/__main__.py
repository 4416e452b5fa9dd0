"""Puts the service together: `kehu interactions api|worker|migrate|check`."""

from collections.abc import Sequence
from typing import Any, cast

from libs.chassis.service import Service
from libs.engine.run import main
from services.interactions.operations import operations
from services.interactions.store import InteractionsStore
from services.interactions.subscriptions import subscriptions, timers


def servicers(store: InteractionsStore) -> Sequence[tuple[Any, object]]:
    """Imports what the api serves here, because a worker has no grpc."""
    from libs.engine.feed import ChangeFeed, MongoChanges
    from libs.engine.store import MongoDatabase
    from services.interactions.api import TOLD, servicers

    database = cast(MongoDatabase, store.database)
    return servicers(store, ChangeFeed(MongoChanges(database, TOLD), database.pager))


SERVICE = Service(
    name="interactions",
    store=InteractionsStore,
    servicers=servicers,
    subscriptions=subscriptions,
    timers=timers,
    operations=operations,
)

if __name__ == "__main__":
    main(SERVICE)
