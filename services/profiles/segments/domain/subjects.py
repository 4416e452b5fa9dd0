"""Fields that a segment's filter can ask for, and the time at which an answer changes by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.chassis.domain import OpenEnum
from services.profiles.activity.domain.habits import ContactRecord
from services.profiles.activity.domain.transactions import TransactionSummary, TransactionType
from services.profiles.customers.domain.consents import ConsentDecision, ConsentHead, ConsentState, Scope
from services.profiles.customers.domain.contact_points import Channel, ContactPointStatus, ContactPointType
from services.profiles.customers.domain.customers import Customer, CustomerKind
from services.profiles.customers.domain.lifecycle import Lifecycle
from services.profiles.segments.domain.rules import Clause, Value
from services.profiles.worth.domain.concentration import Tier

_DAY = timedelta(days=1)


class Source(OpenEnum):
    """Source of a field."""

    CUSTOMER = "CUSTOMER"
    TRANSACTIONS = "TRANSACTIONS"
    CONTACTS = "CONTACTS"
    WORTH = "WORTH"


@dataclass(frozen=True, slots=True)
class Subject:
    """A customer and what is kept about them elsewhere."""

    customer: Customer
    summary: TransactionSummary | None = None
    contacts: ContactRecord | None = None
    tier: Tier | None = None


@dataclass(frozen=True, slots=True)
class Askable:
    """One thing that can be asked."""

    source: Source
    type: type
    read: Callable[[Subject, datetime], Value | None]
    since: Callable[[Subject], datetime | None] | None = None
    """For a number of days that grows: since when it does."""


def _dates(source: Source, name: str, read: Callable[[Subject], datetime | None]) -> dict[str, Askable]:
    """A time, and how many days of 24 hours ago it is."""

    def days(subject: Subject, now: datetime) -> int | None:
        at = read(subject)
        return None if at is None else (now - at) // _DAY

    return {
        f"{name}_time": Askable(source, datetime, lambda subject, _: read(subject)),
        f"days_since_{name}": Askable(source, int, days, read),
    }


def _plain(type: type, read: Callable[[Customer], Value | None]) -> Askable:
    return Askable(Source.CUSTOMER, type, lambda subject, _: read(subject.customer))


def _count(*types: TransactionType) -> Askable:
    def count(subject: Subject, _: datetime) -> int:
        totals = subject.summary.totals if subject.summary else ()
        return sum(total.count for total in totals if total.type in types)

    return Askable(Source.TRANSACTIONS, int, count)


def _of_summary(read: Callable[[TransactionSummary], datetime | None]) -> Callable[[Subject], datetime | None]:
    return lambda subject: read(subject.summary) if subject.summary else None


def _of_contacts(read: Callable[[ContactRecord], datetime | None]) -> Callable[[Subject], datetime | None]:
    return lambda subject: read(subject.contacts) if subject.contacts else None


def last_contact(contacts: ContactRecord) -> datetime | None:
    """The last time that there was an interaction in either direction."""
    times = contacts.last_inbound_time, contacts.last_outbound_time
    return max((time for time in times if time is not None), default=None)


def _decided(read: Callable[[ConsentHead, Scope, datetime], bool]) -> Askable:
    """Purposes decided as a whole, and each with every channel."""

    def scopes(subject: Subject, now: datetime) -> frozenset[str]:
        head = subject.customer.consent
        return frozenset(
            f"{purpose}/{channel}" if channel else str(purpose)
            for purpose in {decision.purpose for decision in head.decisions}
            for channel in (None, *Channel)
            if read(head, Scope(purpose=purpose, channel=channel), now)
        )

    return Askable(Source.CUSTOMER, str, scopes)


def _is_granted(head: ConsentHead, scope: Scope, now: datetime) -> bool:
    return not head.refusals(scope) and any(_in_force(decision, now) for decision in head.about(scope))


def _in_force(decision: ConsentDecision, now: datetime) -> bool:
    ends = decision.effective_to_time
    return (
        decision.state is ConsentState.GRANTED and decision.effective_from_time <= now and (ends is None or now < ends)
    )


FIELDS: Mapping[str, Askable] = {
    "kind": _plain(CustomerKind, lambda customer: customer.kind),
    "lifecycle": _plain(Lifecycle, lambda customer: customer.lifecycle),
    "owner": _plain(str, lambda customer: customer.owner or None),
    "language_code": _plain(str, lambda customer: customer.preferences.language_code or None),
    "time_zone": _plain(str, lambda customer: customer.preferences.time_zone or None),
    "region_codes": _plain(str, lambda customer: frozenset(each.region_code for each in customer.addresses)),
    "localities": _plain(str, lambda customer: frozenset(each.locality for each in customer.addresses) - {""}),
    "contact_point_types": _plain(
        ContactPointType,
        lambda customer: frozenset(
            point.type for point in customer.contact_points if point.status is ContactPointStatus.ACTIVE
        ),
    ),
    "external_systems": _plain(str, lambda customer: frozenset(each.system for each in customer.external_ids)),
    "granted": _decided(_is_granted),
    "refused": _decided(lambda head, scope, _: bool(head.refusals(scope))),
    "tier": Askable(Source.WORTH, Tier, lambda subject, _: subject.tier),
    **_dates(Source.CUSTOMER, "create", lambda subject: subject.customer.create_time),
    "transaction_count": _count(*TransactionType),
    "sale_count": _count(TransactionType.SALE),
    "refund_count": _count(TransactionType.REFUND),
    "first_transaction_time": Askable(
        Source.TRANSACTIONS, datetime, lambda subject, _: subject.summary.first_time if subject.summary else None
    ),
    **_dates(Source.TRANSACTIONS, "last_transaction", _of_summary(lambda summary: summary.last_time)),
    **_dates(Source.CONTACTS, "last_contact", _of_contacts(last_contact)),
    **_dates(Source.CONTACTS, "last_inbound", _of_contacts(lambda contacts: contacts.last_inbound_time)),
    **_dates(Source.CONTACTS, "last_outbound", _of_contacts(lambda contacts: contacts.last_outbound_time)),
}
"""Everything that can be asked, but for the families whose members callers name."""

FAMILIES = re.compile(r"\b(?:labels\.[a-z][a-z0-9_.-]{0,62}|net_sales\.[A-Z]{3})")
"""Fields named after a label or a currency."""
_CONSENT = frozenset({"granted", "refused"})


def field_of(name: str) -> Askable:
    """The field of a name. KeyError for one that does not exist."""
    family, dot, member = name.partition(".")
    if dot and family == "labels":
        return _plain(str, lambda customer: customer.labels.get(member))
    if dot and family == "net_sales":
        return Askable(Source.TRANSACTIONS, int, lambda subject, _: _net_sales(subject, member))
    return FIELDS[name]


def facts(subject: Subject, asked: Iterable[str], now: datetime) -> dict[str, Value]:
    """Known values of the fields asked for, without those that the customer does not have."""
    read = {name: field_of(name).read(subject, now) for name in asked}
    return {name: value for name, value in read.items() if value is not None}


def next_change(subject: Subject, asked: Iterable[Clause], now: datetime) -> datetime | None:
    """Next time at which the comparisons can change by themselves. None for never."""
    return min((at for clause in asked for at in _changes(subject, clause) if at > now), default=None)


def _changes(subject: Subject, clause: Clause) -> Iterator[datetime]:
    """Times at which a comparison may turn: as its number of days is reached, and as it is passed."""
    field = field_of(clause.field)
    since = field.since(subject) if field.since is not None else None
    if since is not None and isinstance(clause.value, int):
        # More days than a calendar has are never reached.
        if abs(clause.value) < 365 * 1000:
            yield from (since + clause.value * _DAY, since + (clause.value + 1) * _DAY)
    elif clause.field in _CONSENT:
        for decision in subject.customer.consent.decisions:
            yield from filter(None, (decision.effective_from_time, decision.effective_to_time))


def _net_sales(subject: Subject, currency: str) -> int:
    signs = {TransactionType.SALE: 1, TransactionType.REFUND: -1}
    totals = subject.summary.totals if subject.summary else ()
    return sum(
        signs.get(total.type, 0) * total.amount.minor_units
        for total in totals
        if total.amount.currency_code == currency
    )
