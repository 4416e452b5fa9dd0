"""Habits of customers: hours and channels of the interactions that the interactions service records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

from libs.chassis.domain import Entity, OpenEnum
from services.profiles.customers.domain.contact_points import Channel

MOST_RECENT = 100


class Direction(OpenEnum):
    """Party that began an interaction."""

    INBOUND = "INBOUND"
    """The customer."""
    OUTBOUND = "OUTBOUND"
    """We."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One interaction with a customer."""

    id: str
    """Of the interaction."""
    occurred_time: datetime
    channel: Channel
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class LastUse:
    """The last interaction ever on one channel."""

    channel: Channel
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRecord(Entity):
    """The latest interactions of one customer. The id is the customer's.

    It is a set of which the newest are kept, and a maximum per channel and direction: interactions may come late,
    repeated and in any order, and the record comes out the same.
    """

    ID_PREFIX: ClassVar[str] = "cus"

    recent: tuple[Contact, ...] = ()
    """The newest first."""
    last_uses: tuple[LastUse, ...] = ()
    last_inbound_time: datetime | None = None
    last_outbound_time: datetime | None = None

    @classmethod
    def of(cls, customer_id: str, records: Iterable[ContactRecord]) -> ContactRecord:
        """The record of a customer of whom there are records under several ids, or none."""
        joint = cls(id=customer_id)
        for each in records:
            joint = joint.plus(each.recent)
            uses = {use.channel: use.time for use in joint.last_uses}
            for use in each.last_uses:
                uses[use.channel] = max(uses.get(use.channel, use.time), use.time)
            joint = replace(
                joint,
                last_uses=tuple(LastUse(channel=channel, time=time) for channel, time in sorted(uses.items())),
                last_inbound_time=_later(joint.last_inbound_time, each.last_inbound_time),
                last_outbound_time=_later(joint.last_outbound_time, each.last_outbound_time),
            )
        return joint

    def plus(self, contacts: Iterable[Contact]) -> ContactRecord:
        """With more contacts. What is told again about an interaction replaces what was known."""
        known = {contact.id: contact for contact in self.recent}
        last = {use.channel: use.time for use in self.last_uses}
        sides = {Direction.INBOUND: self.last_inbound_time, Direction.OUTBOUND: self.last_outbound_time}
        for contact in contacts:
            known[contact.id] = contact
            last[contact.channel] = max(last.get(contact.channel, contact.occurred_time), contact.occurred_time)
            sides[contact.direction] = max(sides[contact.direction] or contact.occurred_time, contact.occurred_time)
        newest = sorted(known.values(), key=lambda contact: (contact.occurred_time, contact.id), reverse=True)
        return replace(
            self,
            recent=tuple(newest[:MOST_RECENT]),
            last_uses=tuple(LastUse(channel=channel, time=time) for channel, time in sorted(last.items())),
            last_inbound_time=sides[Direction.INBOUND],
            last_outbound_time=sides[Direction.OUTBOUND],
        )

    def habits(self, time_zone: str) -> ContactHabits:
        """The habits in the record, with hours as clocks showed them in the customer's zone, or in UTC without one."""
        zone = ZoneInfo(time_zone or "UTC")
        channels = Counter(contact.channel for contact in self.recent)
        hours = Counter(
            contact.occurred_time.astimezone(zone).hour
            for contact in self.recent
            if contact.direction is Direction.INBOUND
        )
        times = [time for time in (self.last_inbound_time, self.last_outbound_time) if time is not None]
        uses = [
            ChannelUse(channel=u.channel, recent_count=channels[u.channel], last_time=u.time) for u in self.last_uses
        ]
        return ContactHabits(
            customer_id=self.id,
            last_contact_time=max(times, default=None),
            last_inbound_time=self.last_inbound_time,
            last_outbound_time=self.last_outbound_time,
            channels=tuple(sorted(uses, key=lambda use: (-use.recent_count, use.channel))),
            usual_hours=tuple(
                HourUse(hour=hour, recent_count=count)
                for hour, count in sorted(hours.items(), key=lambda item: (-item[1], item[0]))
            ),
            time_zone=str(zone),
            recent_count=len(self.recent),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelUse:
    """Use of one channel."""

    channel: Channel
    recent_count: int
    last_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HourUse:
    """Number of times that a customer came to us in one hour of the day."""

    hour: int
    recent_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactHabits:
    """Hours and channels of the recent interactions of one customer."""

    customer_id: str
    last_contact_time: datetime | None
    last_inbound_time: datetime | None
    last_outbound_time: datetime | None
    channels: tuple[ChannelUse, ...]
    usual_hours: tuple[HourUse, ...]
    time_zone: str
    recent_count: int


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((time for time in (one, other) if time is not None), default=None)
