"""Puts the service together: `kehu surveys api|worker|web|migrate|check`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from libs.chassis.service import Service
from libs.engine.run import main
from services.surveys.store import SurveysStore
from services.surveys.subscriptions import subscriptions, timers

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


def servicers(store: SurveysStore) -> Sequence[tuple[Any, object]]:
    """Returns what the api serves. Imported here because a worker has no grpc."""
    from services.surveys.api import servicers

    return servicers(store)


def web(store: SurveysStore, key: bytes) -> "WSGIApplication":
    """Returns the page for respondents. Imported here because only a web process has werkzeug."""
    from services.surveys.web import page

    return page(store, key)


SERVICE = Service(
    name="surveys",
    store=SurveysStore,
    servicers=servicers,
    subscriptions=subscriptions,
    timers=timers,
    web=web,
)

if __name__ == "__main__":
    main(SERVICE)
