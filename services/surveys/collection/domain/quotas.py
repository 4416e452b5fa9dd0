"""Quotas: how many of whom are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from libs.chassis.domain import Change, Entity, FailedPrecondition
from services.surveys.questionnaires.domain.answers import Answer, Rule


class QuotaFull(FailedPrecondition):
    """Quota {quota_id} has its {limit} responses."""

    quota_id: str
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota(Entity):
    """The number of responses that are wanted of those who meet a condition."""

    ID_PREFIX: ClassVar[str] = "quo"

    survey_id: str
    key: str
    limit: int = 0
    rules: tuple[Rule, ...] = ()
    """Rules about answers that all have to hold."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Groups that a respondent has to be in, all of them."""
    counted: int = 0
    """Responses that were handed in or are being given."""

    def define(self, given: Quota) -> Change[Quota]:
        """With another limit or condition. What was counted stays."""
        return replace(self, limit=given.limit, rules=given.rules, labels=given.labels), []

    def applies(self, answers: Mapping[str, Answer], labels: Mapping[str, str]) -> bool:
        """True for a respondent who meets the condition."""
        return self.labels.items() <= labels.items() and all(rule.holds(answers) for rule in self.rules)

    def take(self) -> Change[Quota]:
        """With one more. QuotaFull when the limit is reached."""
        if self.counted >= self.limit:
            raise QuotaFull(quota_id=self.id, limit=self.limit)
        return replace(self, counted=self.counted + 1), []

    def release(self) -> Change[Quota]:
        """With one less, because a respondent gave up."""
        return replace(self, counted=max(self.counted - 1, 0)), []
