"""Customers as far as this service has heard: dates, zones, contact points, consent, tier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from libs.almanac.yearly import Calendar, Feb29Policy, YearlyDay
from libs.chassis.customers import CustomerProjection as Projection
from libs.chassis.domain import Change, Entity, OpenEnum

SEGMENTS_MAX, COMPLAINTS_MAX = 500, 200
"""Segments and open complaints that are kept of a customer."""


class ZoneSource(OpenEnum):
    """Origin of the zones of a customer."""

    CUSTOMER = "CUSTOMER"
    ADDRESS = "ADDRESS"
    PHONE = "PHONE"
    TENANT = "TENANT"


class DateKind(OpenEnum):
    """Occasion of a date that is kept."""

    BIRTH = "BIRTH"
    ANNIVERSARY = "ANNIVERSARY"
    CONTRACT = "CONTRACT"
    CUSTOM = "CUSTOM"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDate:
    """A date that a customer keeps every year."""

    kind: DateKind
    label: str = ""
    calendar: Calendar = Calendar.GREGORIAN
    month: int
    day: int
    leap_month: bool = False
    feb29_policy: Feb29Policy = Feb29Policy.FEB28

    @property
    def yearly(self) -> YearlyDay:
        """The same for the almanac."""
        return YearlyDay(
            calendar=self.calendar,
            month=self.month,
            day=self.day,
            leap_month=self.leap_month,
            feb29_policy=self.feb29_policy,
        )


class Channel(OpenEnum):
    """Channel on which customer and company meet."""

    VOICE = "VOICE"
    EMAIL = "EMAIL"
    WEB_CHAT = "WEB_CHAT"
    MESSENGER = "MESSENGER"
    SMS = "SMS"
    FAX = "FAX"
    VISIT = "VISIT"
    VIDEO = "VIDEO"
    WEB_SESSION = "WEB_SESSION"
    LETTER = "LETTER"


class PointType(OpenEnum):
    """Type of a contact point."""

    PHONE = "PHONE"
    EMAIL = "EMAIL"
    POSTAL = "POSTAL"
    MESSENGER = "MESSENGER"
    DEVICE = "DEVICE"


class PointStatus(OpenEnum):
    """State of a contact point."""

    ACTIVE = "ACTIVE"
    BOUNCED = "BOUNCED"
    UNREACHABLE = "UNREACHABLE"
    RECYCLED = "RECYCLED"
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachPoint:
    """A way to reach a customer."""

    type: PointType
    canonical: str
    primary: bool = False
    status: PointStatus = PointStatus.ACTIVE
    verified: bool = False


class ConsentPurpose(OpenEnum):
    """Purpose of a message, in the words of the profiles service."""

    SERVICE = "SERVICE"
    CARE = "CARE"
    MARKETING = "MARKETING"
    SURVEY = "SURVEY"
    PROFILING = "PROFILING"


class DecisionState(OpenEnum):
    """Decision of a customer."""

    GRANTED = "GRANTED"
    DENIED = "DENIED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision of a customer in force, about a purpose and perhaps one channel or contact point of it."""

    purpose: ConsentPurpose
    channel: Channel | None = None
    contact_point: str = ""
    state: DecisionState
    capture_time: datetime
    effective_from_time: datetime
    effective_to_time: datetime | None = None
    receipt_id: str
    own_act: bool = False
    """Set for an act of the customer, which alone lifts a refusal."""

    def is_about(self, purpose: ConsentPurpose, channel: Channel, contact_point: str) -> bool:
        """Tells whether it covers a message to a contact point."""
        return self.purpose is purpose and self.channel in (None, channel) and self.contact_point in ("", contact_point)

    @property
    def refuses(self) -> bool:
        """Set when the customer said no."""
        return self.state in (DecisionState.DENIED, DecisionState.WITHDRAWN)

    def is_lifted_by(self, other: Decision) -> bool:
        """Tells whether a refusal is overtaken: by a later act of the customer that agrees to it, or to a part."""
        return (
            other.state is DecisionState.GRANTED
            and other.own_act
            and other.capture_time > self.capture_time
            and self.channel in (None, other.channel)
            and self.contact_point in ("", other.contact_point)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietSpan:
    """A span of the clock in which a customer is not to be disturbed."""

    start_minute: int
    end_minute: int
    weekdays: tuple[int, ...] = ()
    purposes: tuple[ConsentPurpose, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerProjection(Projection):
    """The fields of a customer that this service needs."""

    display_name: str = ""
    owner: str = ""
    lifecycle: str = ""
    language_code: str = ""
    time_zones: tuple[str, ...] = ()
    zone_source: ZoneSource = ZoneSource.TENANT
    quiet_spans: tuple[QuietSpan, ...] = ()
    dates: tuple[KeptDate, ...] = ()
    contact_points: tuple[ReachPoint, ...] = ()
    decisions: tuple[Decision, ...] = ()
    tier: str = ""
    segment_ids: tuple[str, ...] = ()
    contact_time: datetime | None = None
    open_complaints: tuple[str, ...] = ()
    taken_out: tuple[Decision, ...] = ()

    def kept_of(self, known: CustomerProjection) -> Mapping[str, Any]:
        """The fields that other events than those of customers tell."""
        return {name: getattr(known, name) for name in _TOLD_BY_OTHERS}

    @property
    def language(self) -> str:
        """The language without script and region, in lower case."""
        return self.language_code.partition("-")[0].lower()

    def rank(self, tier: str) -> Change[CustomerProjection]:
        """In another tier."""
        return replace(self, tier="" if self.erased else tier), []

    def join(self, segment_id: str) -> Change[CustomerProjection]:
        """In one more segment."""
        joined = tuple(dict.fromkeys((*self.segment_ids, segment_id)))[-SEGMENTS_MAX:]
        return replace(self, segment_ids=() if self.erased else joined), []

    def leave(self, segment_id: str) -> Change[CustomerProjection]:
        """In one segment less."""
        return replace(self, segment_ids=tuple(each for each in self.segment_ids if each != segment_id)), []

    def refuse(self, purpose: ConsentPurpose, proof: str, at: datetime) -> Change[CustomerProjection]:
        """Taken out of a purpose by a link of a message: it counts at once, whatever profiles says until it knows."""
        refusal = Decision(
            purpose=purpose,
            state=DecisionState.WITHDRAWN,
            capture_time=at,
            effective_from_time=at,
            receipt_id=proof,
            own_act=True,
        )
        others = tuple(each for each in self.taken_out if each.purpose is not purpose)
        return replace(self, taken_out=() if self.erased else (*others, refusal)), []

    def complain(self, complaint_id: str) -> Change[CustomerProjection]:
        """With a complaint that is open."""
        complaints = tuple(dict.fromkeys((*self.open_complaints, complaint_id)))[-COMPLAINTS_MAX:]
        return replace(self, open_complaints=() if self.erased else complaints), []

    def calm(self, complaint_id: str) -> Change[CustomerProjection]:
        """Without a complaint that is over."""
        return replace(self, open_complaints=tuple(each for each in self.open_complaints if each != complaint_id)), []

    def meet(self, at: datetime) -> Change[CustomerProjection]:
        """Met at a time. Earlier meetings change nothing."""
        if self.erased or (self.contact_time is not None and self.contact_time >= at):
            return self, []
        return replace(self, contact_time=at), []


_TOLD_BY_OTHERS = ("tier", "segment_ids", "contact_time", "open_complaints", "taken_out")


CONSENT_LATE: Final = timedelta(minutes=5)
"""Time without a sign after which nothing is sent: events about consent are late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentSign(Entity):
    """Last sign that events about consent flow."""

    ID_PREFIX: ClassVar[str] = "sgn"

    heard_time: datetime | None = None
    check_time: datetime | None = None
    """Time at which it is looked whether the next sign is late. None while that is known already."""
    late: bool = False

    def hear(self, at: datetime) -> Change[ConsentSign]:
        """Heard again. An older sign changes nothing."""
        heard = max(self.heard_time or at, at)
        return replace(self, heard_time=heard, check_time=heard if self.late else heard + CONSENT_LATE), []

    def check(self, now: datetime) -> Change[ConsentSign]:
        """Looked at: late, or in time and looked at again."""
        if self.heard_time is None or self.check_time is None or self.check_time > now:
            return self, []
        due = self.heard_time + CONSENT_LATE
        return replace(self, late=due <= now, check_time=None if due <= now else due), []
