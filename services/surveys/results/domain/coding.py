"""Coding of open texts: labels that two people give, how far they agree, and the shares that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from libs.chassis.domain import Change, Entity, FailedPrecondition, InvalidArgument, Open
from libs.statistics.agreement import cohen_kappa
from libs.statistics.estimates import Estimate, share


class SecondCoderNeeded(FailedPrecondition):
    """The texts of item {item} were coded by {coders}: agreement takes two people who coded the same texts."""

    item: str
    coders: str


class LabelUnknown(InvalidArgument):
    """The coding frame of item {item} has no label {label}: it has {labels}."""

    wrong_field = "codes"
    item: str
    label: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodingFrame(Entity):
    """Labels that texts of an item can have. A change makes the next version."""

    ID_PREFIX: ClassVar[str] = "cfr"

    survey_id: str
    item: str
    labels: tuple[str, ...] = ()
    version: int = 0

    def define(self, labels: tuple[str, ...]) -> Change[CodingFrame]:
        """With other labels."""
        return (self, []) if labels == self.labels else (replace(self, labels=labels, version=self.version + 1), [])

    def check(self, labels: Sequence[str]) -> None:
        """LabelUnknown for a label that it lacks."""
        for label in labels:
            if label not in self.labels:
                raise LabelUnknown(item=self.item, label=label, labels=self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding(Entity):
    """Labels that one person gave to one text. A text may have several, or none."""

    ID_PREFIX: ClassVar[str] = "cod"

    survey_id: str
    item: Open[str]
    """Key of the item."""
    response_id: str
    coder: Open[str]
    """Colleague, as the subject of an access token."""
    labels: Open[tuple[str, ...]] = ()
    """Labels of the frame."""
    frame_version: int = 0

    def code(self, given: Coding) -> Change[Coding]:
        """With the labels given last."""
        return replace(
            given, id=self.id, revision=self.revision, create_time=self.create_time, update_time=self.update_time
        ), []


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelAgreement:
    """One label: how many texts have it, and how far two coders agree on it."""

    label: str
    share: Estimate | None
    """Share of the texts that either coder gave it, the mean of both."""
    kappa: float | None
    """Agreement beyond chance (Cohen 1960). None when both gave it to all texts or to none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Two people's coding of the same texts."""

    coders: tuple[str, ...]
    texts: int
    labels: tuple[LabelAgreement, ...]


def agreement(frame: CodingFrame, codings: Sequence[Coding]) -> Agreement:
    """Agreement of the two coders who coded most texts, over the texts that both coded, label by label."""
    by_coder: dict[str, dict[str, Coding]] = {}
    for each in codings:
        by_coder.setdefault(each.coder, {})[each.response_id] = each
    ranked = sorted(by_coder, key=lambda name: (-len(by_coder[name]), name))
    texts = sorted(by_coder[ranked[0]].keys() & by_coder[ranked[1]].keys()) if len(ranked) > 1 else []
    if not texts:
        raise SecondCoderNeeded(item=frame.item, coders=" and ".join(ranked) or "nobody")
    first, second = ranked[:2]
    return Agreement(
        coders=(first, second),
        texts=len(texts),
        labels=tuple(_label(label, texts, by_coder[first], by_coder[second]) for label in frame.labels),
    )


def _label(
    label: str, texts: Sequence[str], first: Mapping[str, Coding], second: Mapping[str, Coding]
) -> LabelAgreement:
    given = [[label in coder[text].labels for text in texts] for coder in (first, second)]
    hits = (sum(given[0]) + sum(given[1])) / 2
    return LabelAgreement(label=label, share=share(hits, len(texts)), kappa=cohen_kappa(*given))
