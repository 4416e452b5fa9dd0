"""Puts the service together: `kehu surveys api|worker|migrate|check`."""

from collections.abc import Sequence
from typing import Any

from libs.chassis.service import Service
from libs.engine.run import main
from services.surveys.store import SurveysStore
from services.surveys.subscriptions import subscriptions, timers


def servicers(store: SurveysStore) -> Sequence[tuple[Any, object]]:
    """Returns what the api serves. Imported here because a worker has no grpc."""
    from services.surveys.api import servicers

    return servicers(store)


SERVICE = Service(
    name="surveys",
    store=SurveysStore,
    servicers=servicers,
    subscriptions=subscriptions,
    timers=timers,
)

if __name__ == "__main__":
    main(SERVICE)
