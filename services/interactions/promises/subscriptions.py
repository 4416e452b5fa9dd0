"""The timer that watches over promises."""

from __future__ import annotations

from datetime import timedelta

from libs.chassis.timers import Timer
from services.interactions.promises.application import Promises
from services.interactions.promises.store import PromisesStore


def timers(store: PromisesStore) -> list[Timer]:
    """The promises whose time to be at risk or broken has come."""
    return [Timer(name="promises", every=timedelta(seconds=1), run=Promises(store).wake_due)]
