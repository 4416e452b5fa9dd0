"""Segments: named groups of customers, told by a filter, and who came into one or left it, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, OpenEnum
from services.profiles.customers.domain.text import clean
from services.profiles.customers.domain.violations import Violations
from services.profiles.segments.domain.rules import Verdict

MOST_SEGMENTS = 200
"""Active segments of one tenant: every change of a customer is held against all of them."""
_VERSIONS_KEPT = 20
_KEY = re.compile("[a-z][a-z0-9-]{0,62}")


class SegmentIsRetired(FailedPrecondition):
    """Segment {segment_id} is retired already."""

    segment_id: str


class SegmentState(OpenEnum):
    """State of a segment: in use or not."""

    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


class MembershipState(OpenEnum):
    """Membership of a customer in a segment."""

    MEMBER = "MEMBER"
    LEFT = "LEFT"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentVersion:
    """The filter in one version."""

    version: int
    filter: str
    author: str
    define_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment(Entity):
    """A group of customers. Its id follows from its key."""

    ID_PREFIX: ClassVar[str] = "seg"

    key: str
    display_name: str = ""
    description: str = ""
    filter: str
    version: int = 0
    state: SegmentState = SegmentState.ACTIVE
    versions: tuple[SegmentVersion, ...] = ()
    """The newest first."""
    evaluated_version: int = 0
    evaluate_time: datetime | None = None
    member_count: int = 0
    stale: bool = False
    """True when customers have to be looked at, because another filter or none decides now."""

    def define(self, current: Segment | None, author: str, at: datetime) -> Change[Segment]:
        """The segment that a draft describes, taking the place of the current one. Another filter is a new version."""
        violations = Violations("segment")
        if not _KEY.fullmatch(self.key):
            violations.add("key", f"{self.key!r} is no short lower-case name such as quiet-buyers")
        draft = replace(
            current or Segment(id=self.id, key=self.key, filter=""),
            display_name=clean(self.display_name, "display_name", 200, violations),
            description=clean(self.description, "description", 1000, violations),
            filter=self.filter.strip(),
            state=SegmentState.ACTIVE,
        )
        violations.refuse()
        if current is None or draft.filter != current.filter or current.state is SegmentState.RETIRED:
            newest = SegmentVersion(version=draft.version + 1, filter=draft.filter, author=author, define_time=at)
            draft = replace(
                draft,
                version=newest.version,
                versions=(newest, *draft.versions)[:_VERSIONS_KEPT],
                stale=True,
            )
        if draft == current:
            return draft, []
        return draft, [SegmentDefined(segment=draft)]

    def retire(self) -> Change[Segment]:
        """Out of use: everybody leaves it."""
        if self.state is SegmentState.RETIRED:
            raise SegmentIsRetired(segment_id=self.id)
        retired = replace(self, state=SegmentState.RETIRED, stale=True)
        return retired, [SegmentRetired(segment=retired)]

    def evaluate(self, seen: Segment, member_count: int, at: datetime) -> Change[Segment]:
        """Every customer was looked at for the segment as it was `seen`. It may have been changed meanwhile."""
        if seen.version < self.evaluated_version:
            return self, []
        evaluated = replace(
            self,
            evaluated_version=seen.version,
            evaluate_time=at,
            member_count=member_count,
            stale=self.stale and (seen.version, seen.state) != (self.version, self.state),
        )
        return evaluated, [SegmentEvaluated(segment=evaluated)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentReason:
    """One comparison and what became of it."""

    clause: str
    value: str
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentMembership(Entity):
    """A customer in a segment, now or once. Its id follows from both."""

    ID_PREFIX: ClassVar[str] = "mem"

    segment_id: str
    segment_key: str
    customer_id: str
    state: MembershipState = MembershipState.LEFT
    version: int = 0
    enter_time: datetime | None = None
    leave_time: datetime | None = None
    reasons: tuple[SegmentReason, ...] = ()

    def enter(self, version: int, reasons: tuple[SegmentReason, ...], at: datetime) -> Change[SegmentMembership]:
        """The customer belongs to it."""
        if self.state is MembershipState.MEMBER:
            return self, []
        member = replace(
            self, state=MembershipState.MEMBER, version=version, enter_time=at, leave_time=None, reasons=reasons
        )
        return member, [SegmentEntered(membership=member)]

    def leave(self, version: int, reasons: tuple[SegmentReason, ...], at: datetime) -> Change[SegmentMembership]:
        """The customer belongs to it no longer."""
        if self.state is MembershipState.LEFT:
            return self, []
        gone = replace(self, state=MembershipState.LEFT, version=version, leave_time=at, reasons=reasons)
        return gone, [SegmentLeft(membership=gone)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing(Entity):
    """Segments that one customer belongs to, and the time that alone may change them. The id is the customer's.

    Every evaluation writes it, so of two that overlap one has to begin again and sees what the other saw.
    """

    ID_PREFIX: ClassVar[str] = "cus"

    segment_ids: tuple[str, ...] = ()
    evaluations: int = 0
    next_evaluation_time: datetime | None = None

    def evaluated(self, segment_ids: Sequence[str], next_time: datetime | None) -> Standing:
        """After one more evaluation."""
        return replace(
            self,
            segment_ids=tuple(segment_ids),
            evaluations=self.evaluations + 1,
            next_evaluation_time=next_time,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentVerdict:
    """Verdict of a filter about one customer."""

    customer_id: str
    display_name: str
    matches: bool
    reasons: tuple[SegmentReason, ...]


def reasons_of(verdict: Verdict) -> tuple[SegmentReason, ...]:
    """The comparisons that decided, in words."""
    return tuple(
        SegmentReason(clause=str(clause), value=value, held=verdict.holds) for clause, value in verdict.because
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentDefined(Event):
    """A segment was defined, or defined anew."""

    segment: Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRetired(Event):
    """A segment went out of use."""

    segment: Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEvaluated(Event):
    """Every customer was looked at for a segment."""

    segment: Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEntered(Event):
    """A customer came into a segment."""

    membership: SegmentMembership


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentLeft(Event):
    """A customer left a segment."""

    membership: SegmentMembership
