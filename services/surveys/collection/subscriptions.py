"""The timer that gives up sheets that nobody goes on with."""

from __future__ import annotations

from datetime import timedelta

from libs.chassis.timers import Timer
from services.surveys.collection.application.responses import Collection
from services.surveys.collection.domain.sheets import Sheet
from services.surveys.collection.store import CollectionStore


def timers(store: CollectionStore) -> list[Timer[Sheet]]:
    """The sheets that nobody has gone on with for as long as their survey allows."""
    return [Timer(name="sheets", every=timedelta(seconds=30), due=store.idle(), run=Collection(store).abandon)]
