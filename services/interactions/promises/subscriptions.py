"""The timer that watches over promises."""

from __future__ import annotations

from datetime import timedelta

from libs.chassis.timers import Timer
from services.interactions.promises.application import Promises
from services.interactions.promises.domain import Promise
from services.interactions.promises.store import PromisesStore


def timers(store: PromisesStore) -> list[Timer[Promise]]:
    """The promises whose time to be at risk or broken has come."""
    return [Timer(name="promises", every=timedelta(seconds=1), due=store.to_wake(), run=Promises(store).wake)]
