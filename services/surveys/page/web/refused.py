"""Refusals as a respondent reads them: what happened, that nothing is lost, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from libs.chassis.domain import DomainError
from services.surveys.collection.domain.sheets import SheetEnded
from services.surveys.questionnaires.domain.surveys import SurveyStateForbids
from services.surveys.sampling.domain.invitations import InvitationEnded, SurveyTokenExpired, SurveyTokenUnknown

TOLD: Final[Mapping[type[DomainError], tuple[int, str]]] = {
    SurveyTokenUnknown: (404, "unknown"),
    SurveyTokenExpired: (410, "expired"),
    InvitationEnded: (410, "expired"),
    SurveyStateForbids: (409, "closed"),
    SheetEnded: (410, "closed"),
}
"""Refusal → status, and the page's words for it."""
UNTOLD: Final = (400, "stale")
"""Of refusals that only a form of another page, or of another version of this one, can cause."""


def told(error: DomainError) -> tuple[int, str]:
    """(status, the page's words for it) of a refusal."""
    return next((shown for kind, shown in TOLD.items() if isinstance(error, kind)), UNTOLD)
