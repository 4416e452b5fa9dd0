"""Reports from the front line, which nobody changes, and probes of mystery customers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from statistics import fmean
from typing import ClassVar

from libs.chassis.domain import Change, Entity, InvalidArgument
from services.interactions.customers.domain import Channel
from services.interactions.quality.domain.resolutions import monday


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldReport(Entity):
    """Observations of the front line in a week. It has no change but its making."""

    ID_PREFIX: ClassVar[str] = "frp"

    queue_id: str
    week_date: date
    author: str = ""
    text: str
    topics: tuple[str, ...] = ()

    def submit(self, author: str) -> Change[FieldReport]:
        """This report of the week in which its day lies."""
        return replace(self, author=author, week_date=monday(self.week_date)), []


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingReport:
    """Report that a queue owes."""

    queue_id: str
    display_name: str
    week_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingReports:
    """Reports that queues owe."""

    missing: tuple[MissingReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe(Entity):
    """Experience of a mystery customer on a channel."""

    ID_PREFIX: ClassVar[str] = "prb"

    channel: Channel
    queue_id: str = ""
    sent_time: datetime
    answer_time: datetime | None = None
    correct: bool = False
    friendliness: int = 0
    note: str = ""

    def record(self) -> Change[Probe]:
        """This probe. An answer comes after the question."""
        if self.answer_time is not None and self.answer_time < self.sent_time:
            raise InvalidArgument.field("answer_time", f"{self.answer_time.isoformat()} is before sent_time")
        return replace(self, correct=self.correct and self.answer_time is not None), []


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedChannel:
    """Experience of mystery customers on a channel."""

    channel: Channel
    probes: int
    answered: int
    correct: int
    mean_answer_seconds: float | None
    mean_friendliness: float | None
    last_sent_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """Experience of mystery customers."""

    channels: tuple[ProbedChannel, ...]
    untried: tuple[Channel, ...]


def probed(probes: Iterable[Probe], channels: Iterable[Channel]) -> ProbeReport:
    """The probes by channel, and the channels that nobody tried."""
    by_channel: dict[Channel, list[Probe]] = {}
    for each in probes:
        by_channel.setdefault(each.channel, []).append(each)
    return ProbeReport(
        channels=tuple(_probed(channel, some) for channel, some in sorted(by_channel.items())),
        untried=tuple(sorted(set(channels) - by_channel.keys())),
    )


def _probed(channel: Channel, probes: Sequence[Probe]) -> ProbedChannel:
    answered = [(each, each.answer_time - each.sent_time) for each in probes if each.answer_time is not None]
    return ProbedChannel(
        channel=channel,
        probes=len(probes),
        answered=len(answered),
        correct=sum(each.correct for each in probes),
        mean_answer_seconds=fmean(time.total_seconds() for _, time in answered) if answered else None,
        mean_friendliness=fmean(each.friendliness for each, _ in answered) if answered else None,
        last_sent_time=max(each.sent_time for each in probes),
    )
