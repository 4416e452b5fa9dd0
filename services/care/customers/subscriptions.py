"""Events of the profiles service about customers, as this service keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, cast

from kehu.interactions.v1 import complaints_pb2, timeline_pb2
from kehu.interactions.v1 import events_pb2 as interactions
from kehu.profiles.v1 import consent_pb2, customer_pb2, segments_pb2, tiers_pb2
from kehu.profiles.v1 import contact_points_pb2 as contact
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis.codec import from_proto
from libs.chassis.enums import enum_word
from libs.chassis.inbox import Received, Subscription
from libs.chassis.projection import CustomerEvents
from services.care.customers.domain.projection import (
    ConsentPurpose,
    CustomerProjection,
    Decision,
    KeptDate,
    QuietSpan,
    ReachPoint,
    ZoneSource,
)
from services.care.customers.domain.zones import zones_of
from services.care.customers.store import CustomersStore

_OWN_ACTS = (
    consent_pb2.ConsentReceipt.CAPTURE_CUSTOMER_ACTION,
    consent_pb2.ConsentReceipt.CAPTURE_RECORDED_CALL,
    consent_pb2.ConsentReceipt.CAPTURE_SIGNED_DOCUMENT,
)


def subscription(store: CustomersStore, *then: Callable[[Sequence[Received]], object]) -> Subscription:
    """Learns of customers, and hands the same events to others.

    One partition: the sign that events flow takes the way of the events that it answers for.
    """
    events = customer_events(store)

    def handle(heard: Sequence[Received]) -> None:
        signs = [each.time for each in heard if isinstance(each.message, profiles.ConsentPulsed)]
        told = [each for each in heard if not isinstance(each.message, profiles.ConsentPulsed)]
        if told:
            events.learn(told)
            for each in then:
                each(told)
        if signs:
            store.hear_consent(max(signs))

    return Subscription(
        name="customers", listens=[*events.listens, profiles.ConsentPulsed], handle=handle, partitions=1
    )


def customer_events(store: CustomersStore) -> CustomerEvents[CustomerProjection]:
    """The fields that are kept of a customer."""
    return CustomerEvents(
        store,
        profiles,
        {
            "display_name": "display_name",
            "owner": "owner",
            "lifecycle": lambda customer: enum_word(customer_pb2.Customer.Lifecycle.DESCRIPTOR, customer.lifecycle),
            "language_code": "preferences.language_code",
            "time_zones": lambda customer: _zones(customer)[0],
            "zone_source": lambda customer: _zones(customer)[1],
            "quiet_spans": lambda customer: tuple(map(_span, customer.preferences.quiet_windows)),
            "dates": lambda customer: tuple(from_proto(KeptDate, each) for each in customer.dates),
            "contact_points": lambda customer: tuple(map(_point, customer.contact_points)),
            "decisions": lambda customer: tuple(map(_decision, customer.consent.decisions)),
        },
    )


def _zones(customer: customer_pb2.Customer) -> tuple[tuple[str, ...], ZoneSource]:
    regions = [each.region_code for each in customer.addresses]
    phones = [each.canonical for each in _first_choice(customer) if each.type == contact.ContactPoint.TYPE_PHONE]
    return zones_of(customer.preferences.time_zone, regions, phones)


def _first_choice(customer: customer_pb2.Customer) -> Iterator[contact.ContactPoint]:
    yield from sorted(customer.contact_points, key=lambda each: not each.primary)


def _span(window: customer_pb2.QuietWindow) -> QuietSpan:
    purposes = consent_pb2.ConsentReceipt.Purpose.DESCRIPTOR
    return QuietSpan(
        start_minute=_minute(window.start),
        end_minute=_minute(window.end),
        weekdays=tuple(day - 1 for day in window.weekdays),
        purposes=tuple(ConsentPurpose(enum_word(purposes, each)) for each in window.purposes),
    )


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _point(point: contact.ContactPoint) -> ReachPoint:
    return replace(from_proto(ReachPoint, point), verified=point.HasField("verify_time"))


def _decision(decision: consent_pb2.ConsentDecision) -> Decision:
    return replace(from_proto(Decision, decision), own_act=decision.capture in _OWN_ACTS)


def meetings(
    store: CustomersStore, silence: Callable[[Iterable[str]], object], moved: Callable[[Iterable[str]], object]
) -> list[Subscription]:
    """Reactions to meetings of customer and company, and to moves between tiers and segments.

    `silence` is told who met for the first time on a day, `moved` who is in another tier or segment.
    """

    def meet(events: Sequence[Received]) -> None:
        told: dict[str, datetime] = {}
        for event in events:
            met = cast(Any, event.message).interaction
            if met.customer_id and not _by_machine(met):
                at = min(met.occurred_time.ToDatetime(UTC), event.time)
                told[met.customer_id] = max(told.get(met.customer_id, at), at)
        known = store.known(sorted(told))
        fresh = {
            known[id].id
            for id, at in told.items()
            if id in known and (known[id].contact_time is None or _day(known[id]) < at.date())
        }
        canonical = [(known[id].id if id in known else id, at) for id, at in told.items()]
        store.collection.upsert_many(
            [(CustomerProjection.unheard(id, at), at) for id, at in canonical], CustomerProjection.meet
        )
        if fresh:
            silence(fresh)

    def rank(events: Sequence[Received]) -> None:
        told = [(event.time, cast(Any, event.message).tier_assignment) for event in events]
        store.collection.upsert_many(
            [
                (CustomerProjection.unheard(each.customer_id, at), enum_word(tiers_pb2.Tier.DESCRIPTOR, each.tier))
                for at, each in told
            ],
            CustomerProjection.rank,
        )
        moved({each.customer_id for _, each in told})

    def join(events: Sequence[Received]) -> None:
        steps = [(event.time, cast(Any, event.message).membership) for event in events]
        store.collection.upsert_many(
            [(CustomerProjection.unheard(each.customer_id, at), each) for at, each in steps],
            lambda known, each: (
                known.join(each.segment_id)
                if each.state == segments_pb2.SegmentMembership.STATE_MEMBER
                else known.leave(each.segment_id)
            ),
        )
        moved({each.customer_id for _, each in steps})

    def complain(events: Sequence[Received]) -> None:
        steps = [(event.time, cast(Any, event.message).complaint) for event in events]
        store.collection.upsert_many(
            [(CustomerProjection.unheard(each.customer_id, at), each) for at, each in steps if each.customer_id],
            lambda known, each: known.calm(each.id) if each.state in _CALM else known.complain(each.id),
        )

    return [
        Subscription(
            name="complaints",
            listens=(
                interactions.ComplaintReceived,
                interactions.ComplaintStateChanged,
                interactions.ComplaintConfirmed,
                interactions.ComplaintErased,
            ),
            handle=complain,
        ),
        Subscription(
            name="meetings",
            listens=(interactions.InteractionRecorded, interactions.InteractionAttributed),
            handle=meet,
        ),
        Subscription(name="tiers", listens=(profiles.TierChanged,), handle=rank),
        Subscription(name="segments", listens=(profiles.SegmentEntered, profiles.SegmentLeft), handle=join),
    ]


_CALM = frozenset({complaints_pb2.COMPLAINT_STATE_CONFIRMED, complaints_pb2.COMPLAINT_STATE_SILENT_CLOSE})
"""States in which a complaint is over."""


def _by_machine(met: timeline_pb2.Interaction) -> bool:
    """Tells whether nobody met: a message that a machine sent ends no silence."""
    interaction = timeline_pb2.Interaction
    sent = met.direction == interaction.DIRECTION_OUTBOUND
    return bool(sent and met.service_level == interaction.SERVICE_LEVEL_SELF)


def _day(customer: CustomerProjection) -> date:
    return customer.contact_time.date() if customer.contact_time is not None else date.min
