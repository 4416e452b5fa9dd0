"""Things that were settled, and whether the customer came back on them within the window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import ClassVar

from libs.chassis.domain import Change, Entity, OpenEnum
from libs.statistics.estimates import share
from services.interactions.callcenter.domain.levels import ServiceOutcome, TierLevel

WINDOW = timedelta(days=7)
"""Time within which coming back on a topic says that it was not settled at first."""
CAUSES_SHOWN, TOPICS_SHOWN, WEEKS_SHOWN = 200, 100, 1_000


class ResolutionState(OpenEnum):
    """State of something that was settled."""

    PENDING = "PENDING"
    FIRST_CONTACT = "FIRST_CONTACT"
    RECONTACTED = "RECONTACTED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution(Entity):
    """Something that was settled: a piece of work, or a case with all its episodes."""

    ID_PREFIX: ClassVar[str] = "rsl"

    customer_id: str
    queue_id: str
    agent_id: str
    channel: str
    topic: str
    cause: str
    close_time: datetime
    episodes: int = 1
    state: ResolutionState = ResolutionState.PENDING
    recontact_time: datetime | None = None
    due_time: datetime | None = None
    """End of the window, until it was looked at."""

    def settle(self) -> Change[Resolution]:
        """As it begins: pending, or already known to have come back."""
        if not self.customer_id:
            return replace(self, state=ResolutionState.UNKNOWN, due_time=None), []
        if self.episodes > 1:
            return replace(self, state=ResolutionState.RECONTACTED, due_time=None), []
        return replace(self, state=ResolutionState.PENDING, due_time=self.close_time + WINDOW), []

    def judge(self, recontact: datetime | None, now: datetime) -> Change[Resolution]:
        """As it is once the window is over: never before, and only once."""
        if self.state is not ResolutionState.PENDING or self.due_time is None or now < self.due_time:
            return self, []
        state = ResolutionState.FIRST_CONTACT if recontact is None else ResolutionState.RECONTACTED
        return replace(self, state=state, recontact_time=recontact, due_time=None), []

    def erase(self) -> Change[Resolution]:
        """Nothing personal is in it."""
        return self, []

    def meets(self, topic: str) -> bool:
        """True for a topic that may be the same: the same one, or one that nobody noted."""
        return not topic or not self.topic or topic == self.topic


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Number of things that were settled alike."""

    day: date
    channel: str
    topic: str
    cause: str
    state: ResolutionState
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityShare:
    """Share with its interval at 95 percent."""

    value: float
    lower: float
    upper: float
    sample_size: int


def share_of(hits: int, cases: int) -> QualityShare | None:
    """Share with Wilson's interval. None of no cases."""
    found = share(hits, cases)
    if found is None:
        return None
    return QualityShare(value=found.value, lower=found.lower, upper=found.upper, sample_size=found.sample_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstContactResolution:
    """Share of what was settled at the first contact."""

    window_days: int
    settled: int
    first_contact: int
    pending: int
    unknown: int
    share: QualityShare | None


def first_contacts(found: Iterable[Settled]) -> FirstContactResolution:
    """The share that was settled at the first contact."""
    counts = _by_state(found)
    first, back = counts[ResolutionState.FIRST_CONTACT], counts[ResolutionState.RECONTACTED]
    return FirstContactResolution(
        window_days=WINDOW.days,
        settled=first + back,
        first_contact=first,
        pending=counts[ResolutionState.PENDING],
        unknown=counts[ResolutionState.UNKNOWN],
        share=share_of(first, first + back),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatContact:
    """Number that came back in a week on a topic."""

    week_date: date
    topic: str
    settled: int
    recontacted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatContacts:
    """Things that came back, by week and topic."""

    weeks: tuple[RepeatContact, ...]


def monday(day: date) -> date:
    """The Monday of the week of a day."""
    return day - timedelta(days=day.weekday())


def repeats(found: Iterable[Settled]) -> RepeatContacts:
    """What came back, by week and topic."""
    sums: dict[tuple[date, str], Counter[ResolutionState]] = {}
    for each in found:
        sums.setdefault((monday(each.day), each.topic), Counter())[each.state] += each.count
    rows = [
        RepeatContact(
            week_date=week,
            topic=topic,
            settled=counts[ResolutionState.FIRST_CONTACT] + counts[ResolutionState.RECONTACTED],
            recontacted=counts[ResolutionState.RECONTACTED],
        )
        for (week, topic), counts in sorted(sums.items())
    ]
    return RepeatContacts(weeks=tuple(rows[-WEEKS_SHOWN:]))


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseCount:
    """Cause, and its number."""

    cause: str
    count: int
    share: float
    running_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CausePareto:
    """Causes, the most frequent first."""

    total: int
    causes: tuple[CauseCount, ...]


def pareto(found: Iterable[tuple[str, int]]) -> CausePareto:
    """Causes by how often they were noted."""
    counts: Counter[str] = Counter()
    for cause, count in found:
        counts[cause] += count
    total, running, rows = counts.total(), 0, []
    for cause, count in sorted(counts.items(), key=lambda each: (-each[1], each[0])):
        running += count
        rows.append(CauseCount(cause=cause, count=count, share=count / total, running_share=running / total))
    return CausePareto(total=total, causes=tuple(rows[:CAUSES_SHOWN]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelShare:
    """Share of a topic on a channel that was settled at the first contact."""

    channel: str
    settled: int
    share: QualityShare


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicConsistency:
    """Shares of a topic on its channels, and how far they lie apart."""

    topic: str
    channels: tuple[ChannelShare, ...]
    widest_gap: float
    p_value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConsistency:
    """Topics, the widest gap between channels first."""

    topics: tuple[TopicConsistency, ...]


def consistency(found: Iterable[Settled]) -> ChannelConsistency:
    """How alike channels settle the same topic. Topics of one channel are left out."""
    sums: dict[str, dict[str, Counter[ResolutionState]]] = {}
    for each in found:
        sums.setdefault(each.topic, {}).setdefault(each.channel, Counter())[each.state] += each.count
    topics = []
    for topic, by_channel in sums.items():
        table = [
            (channel, counts[ResolutionState.FIRST_CONTACT], counts[ResolutionState.RECONTACTED])
            for channel, counts in sorted(by_channel.items())
        ]
        shares = [
            ChannelShare(channel=channel, settled=first + back, share=estimate)
            for channel, first, back in table
            if (estimate := share_of(first, first + back)) is not None
        ]
        if len(shares) > 1:
            values = [each.share.value for each in shares]
            gap = max(values) - min(values)
            chance = _chance([(first, back) for _, first, back in table if first + back])
            topics.append(TopicConsistency(topic=topic, channels=tuple(shares), widest_gap=gap, p_value=chance))
    topics.sort(key=lambda each: (-each.widest_gap, each.topic))
    return ChannelConsistency(topics=tuple(topics[:TOPICS_SHOWN]))


LEAST_EXPECTED = 5
"""Expected number in every cell without which the chi-squared test says nothing (Cochran 1954)."""


def _chance(table: Sequence[tuple[int, int]]) -> float | None:
    """Chance of such differences between alike rows. None when a cell is expected to hold too few."""
    from scipy.stats import chi2_contingency

    columns = [sum(row[n] for row in table) for n in (0, 1)]
    total = sum(columns)
    if min(sum(row) * column / total for row in table for column in columns) < LEAST_EXPECTED:
        return None
    return float(chi2_contingency(table, correction=False).pvalue)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedMetrics:
    """Speed of a queue with its outcome. Without an outcome there is no speed."""

    queue_id: str
    withheld: bool
    speed: TierLevel | None
    mean_handled_seconds: float | None
    outcome: ServiceOutcome
    first_contact: FirstContactResolution


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorReport:
    """Report on the queues of an outsourced organization."""

    vendor: str
    queues: tuple[PairedMetrics, ...]


def paired(
    queue_id: str,
    speed: TierLevel,
    handled: float | None,
    outcome: ServiceOutcome,
    first_contact: FirstContactResolution,
) -> PairedMetrics:
    """Speed and outcome, or neither when nobody knows an outcome."""
    withheld = not outcome.done
    return PairedMetrics(
        queue_id=queue_id,
        withheld=withheld,
        speed=None if withheld else speed,
        mean_handled_seconds=None if withheld else handled,
        outcome=outcome,
        first_contact=first_contact,
    )


def _by_state(found: Iterable[Settled]) -> Counter[ResolutionState]:
    counts: Counter[ResolutionState] = Counter()
    for each in found:
        counts[each.state] += each.count
    return counts
