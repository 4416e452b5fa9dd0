"""Puts the service together: `kehu opportunities api|worker|migrate|check`."""

from collections.abc import Sequence
from typing import Any

from libs.chassis.service import Service
from libs.engine.run import main
from services.opportunities.operations import operations
from services.opportunities.store import OpportunitiesStore
from services.opportunities.subscriptions import subscriptions, timers


def servicers(store: OpportunitiesStore) -> Sequence[tuple[Any, object]]:
    """Returns what the api serves. Imported here because a worker has no grpc."""
    from services.opportunities.api import servicers

    return servicers(store)


SERVICE = Service(
    name="opportunities",
    store=OpportunitiesStore,
    servicers=servicers,
    subscriptions=subscriptions,
    timers=timers,
    operations=operations,
)

if __name__ == "__main__":
    main(SERVICE)
