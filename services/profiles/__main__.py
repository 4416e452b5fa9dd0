"""Composition root: `kehu profiles api|worker|migrate|check`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from libs.chassis.service import Service
from libs.engine.run import main
from services.profiles.operations import operations
from services.profiles.store import ProfilesStore
from services.profiles.subscriptions import subscriptions, timers


def _servicers(store: ProfilesStore) -> Sequence[tuple[Callable[[Any, Any], None], object]]:
    from libs.engine.journal import Journal
    from libs.engine.store import MongoDatabase
    from services.profiles.api import servicers

    return servicers(store, Journal(cast(MongoDatabase, store.database)).history)


SERVICE = Service(
    name="profiles",
    store=ProfilesStore,
    servicers=_servicers,
    subscriptions=subscriptions,
    timers=timers,
    operations=operations,
)

if __name__ == "__main__":
    main(SERVICE)
