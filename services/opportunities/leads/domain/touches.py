"""Touches: what leads and customers of deals did, and what that still counts.

Engagement is `sum of w * 2^(-(t - t_k) / h)`. It is kept as one sum at one time: a touch of any time is halved or
doubled to that time and added, so the order in which touches are heard of does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Open, OpenEnum
from services.opportunities.leads.domain.scoring import HALF_LIFE


class TouchKind(OpenEnum):
    """Kind of a touch."""

    ATTEMPT = "ATTEMPT"
    RESPONSE = "RESPONSE"
    VISIT = "VISIT"
    REQUEST = "REQUEST"


POINTS: Final[Mapping[TouchKind, int]] = {
    TouchKind.ATTEMPT: 0,
    TouchKind.VISIT: 5,
    TouchKind.RESPONSE: 20,
    TouchKind.REQUEST: 50,
}
"""Points of a touch that tells none of its own. What we do ourselves shows no interest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch(Entity):
    """Something that a lead or the customer of a deal did, or that was done about it. Linked, never copied."""

    ID_PREFIX: ClassVar[str] = "tch"

    subject_id: str
    kind: TouchKind
    time: datetime
    points: int = 0
    source_key: str = ""
    interaction_id: str = ""

    def record(self) -> Touch:
        """This touch with what its kind counts."""
        return replace(self, points=self.points or POINTS.get(self.kind, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Engagement(Entity):
    """Everything that the touches of a lead or a deal come to."""

    ID_PREFIX: ClassVar[str] = "eng"

    subject_id: Open[str]
    """Id of the lead or the deal."""
    points: float = 0.0
    """Points as they counted at `reference_time`."""
    reference_time: datetime | None = None
    touch_time: datetime | None = None
    """Time of the latest touch."""
    touches: int = 0

    def at(self, now: datetime) -> float:
        """Points as they count now. What lies in the future counts as much as it will then."""
        if self.reference_time is None:
            return 0.0
        return float(self.points * 2.0 ** ((self.reference_time - now) / HALF_LIFE))

    def add(self, touch: Touch) -> Change[Engagement]:
        """With one more touch, of any time."""
        reference = max(self.reference_time or touch.time, touch.time)
        points = self.at(reference) + touch.points * 2.0 ** ((touch.time - reference) / HALF_LIFE)
        latest = max(self.touch_time or touch.time, touch.time)
        return replace(self, points=points, reference_time=reference, touch_time=latest, touches=self.touches + 1), []
