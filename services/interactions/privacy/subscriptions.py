"""The timer that carries erasures out."""

from __future__ import annotations

from datetime import timedelta

from libs.chassis.timers import Timer
from services.interactions.privacy.application import Erasures
from services.interactions.privacy.domain import Erasure
from services.interactions.privacy.store import PrivacyStore


def timers(store: PrivacyStore) -> list[Timer[Erasure]]:
    """The erasures that go on."""
    return [Timer(name="erasures", every=timedelta(seconds=1), due=store.pending(), run=Erasures(store).advance)]
