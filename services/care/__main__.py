"""Puts the service together: `kehu care api|worker|migrate|check`."""

from collections.abc import Sequence
from typing import Any

from libs.chassis.service import Service
from libs.engine.run import main
from services.care.operations import operations
from services.care.store import CareStore
from services.care.subscriptions import subscriptions, timers


def servicers(store: CareStore) -> Sequence[tuple[Any, object]]:
    """Returns what the api serves. Imported here because a worker has no grpc."""
    from services.care.api import servicers

    return servicers(store)


SERVICE = Service(
    name="care",
    store=CareStore,
    servicers=servicers,
    subscriptions=subscriptions,
    timers=timers,
    operations=operations,
)

if __name__ == "__main__":
    main(SERVICE)
