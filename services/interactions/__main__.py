"""Puts the service together: `kehu interactions api|worker|migrate|check`."""

from collections.abc import Sequence
from typing import Any

from libs.chassis.run import Service, main
from services.interactions.operations import operations
from services.interactions.store import InteractionsStore
from services.interactions.subscriptions import subscriptions, timers


def servicers(store: InteractionsStore) -> Sequence[tuple[Any, object]]:
    """Imports what the api serves here, because a worker has no grpc."""
    from services.interactions.api import servicers

    return servicers(store)


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
