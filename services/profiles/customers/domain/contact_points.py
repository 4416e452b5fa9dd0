"""Ways to reach a customer, and the canonical forms by which two spellings of the same one are found equal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from libs.chassis.domain import InvalidArgument, OpenEnum
from services.profiles.customers.domain.text import check_past, clean
from services.profiles.customers.domain.violations import Violations


class Channel(OpenEnum):
    """Channel that reaches a customer."""

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


class ContactPointType(OpenEnum):
    """Kind of address of a contact point."""

    PHONE = "PHONE"
    EMAIL = "EMAIL"
    POSTAL = "POSTAL"
    MESSENGER = "MESSENGER"
    DEVICE = "DEVICE"


class ContactPointStatus(OpenEnum):
    """State of a contact point: works or not."""

    ACTIVE = "ACTIVE"
    BOUNCED = "BOUNCED"
    UNREACHABLE = "UNREACHABLE"
    RECYCLED = "RECYCLED"
    INVALID = "INVALID"


class VerificationMethod(OpenEnum):
    """Proof that the customer controls a contact point."""

    CODE = "CODE"
    LINK = "LINK"
    CALL = "CALL"
    DOCUMENT = "DOCUMENT"
    IMPORTED = "IMPORTED"


POINT_OF_CHANNEL: Mapping[Channel, ContactPointType] = {
    Channel.VOICE: ContactPointType.PHONE,
    Channel.SMS: ContactPointType.PHONE,
    Channel.FAX: ContactPointType.PHONE,
    Channel.EMAIL: ContactPointType.EMAIL,
    Channel.MESSENGER: ContactPointType.MESSENGER,
    Channel.LETTER: ContactPointType.POSTAL,
    Channel.VISIT: ContactPointType.POSTAL,
    Channel.WEB_CHAT: ContactPointType.DEVICE,
    Channel.WEB_SESSION: ContactPointType.DEVICE,
}
"""The contact point that a channel needs. A video call needs none of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPoint:
    """One way to reach a customer."""

    type: ContactPointType
    raw: str
    """As the customer wrote it."""
    canonical: str = ""
    region_code: str = ""
    """Country in which a telephone number without `+` is read (ISO 3166-1 alpha-2)."""
    label: str = ""
    primary: bool = False
    status: ContactPointStatus = ContactPointStatus.ACTIVE
    verification_method: VerificationMethod | None = None
    verify_time: datetime | None = None
    source: str = ""

    @property
    def key(self) -> tuple[ContactPointType, str]:
        """The key of equal contact points."""
        return self.type, self.canonical

    def verified(self, method: VerificationMethod, at: datetime, now: datetime) -> ContactPoint:
        """Shown at some time to be the customer's, so it works."""
        violations = Violations("")
        check_past(at, now, "verify_time", violations)
        violations.refuse()
        return replace(self, status=ContactPointStatus.ACTIVE, verification_method=method, verify_time=at)

    def reported(self, status: ContactPointStatus) -> ContactPoint:
        """As a sender found it. One that is not the customer's, now or ever, is no longer verified."""
        if status in (ContactPointStatus.RECYCLED, ContactPointStatus.INVALID):
            return replace(self, status=status, verification_method=None, verify_time=None)
        return replace(self, status=status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """A contact point as somebody writes it."""

    type: ContactPointType
    value: str
    region_code: str = ""
    """Country in which a telephone number without `+` is read."""

    def canonical(self) -> str:
        """Its canonical form. InvalidArgument when it has none."""
        try:
            return canonical(self.type, self.value, self.region_code)
        except UnreadableContactPoint as unreadable:
            raise InvalidArgument.field("value", str(unreadable)) from unreadable


class UnreadableContactPoint(Exception):
    """A contact point that cannot be what its type says. The message tells why and what is allowed."""


def canonical(type: ContactPointType, raw: str, region_code: str = "") -> str:
    """The form by which two spellings of the same contact point are equal. UnreadableContactPoint when there is none.

    A telephone number becomes E.164, a mailbox gets its domain in lower case and ASCII (IDNA) while its local part
    stays as it is, a messenger account becomes `network:handle`.
    """
    return _CANONICAL[type](unicodedata.normalize("NFC", raw).strip(), region_code)


def settled(
    points: Sequence[ContactPoint], current: Sequence[ContactPoint], field: str, violations: Violations
) -> tuple[ContactPoint, ...]:
    """Contact points in canonical form, none twice, one primary per type.

    Status and verification are ours, not the caller's: those of `current` stay, and what is new starts active and
    unverified. A point that stays as it is is not judged again, or a new numbering plan would block every other change.
    """
    known = {point.key: point for point in current}
    kept: dict[tuple[ContactPointType, str], ContactPoint] = {}
    primary: set[ContactPointType] = set()
    for i, draft in enumerate(points):
        point = draft if draft in current else _completed(draft, f"{field}[{i}]", violations)
        before = known.get(point.key)
        point = replace(
            point,
            status=before.status if before else ContactPointStatus.ACTIVE,
            verification_method=before.verification_method if before else None,
            verify_time=before.verify_time if before else None,
        )
        if point.canonical and point.key in kept:
            violations.add(f"{field}[{i}].raw", f"{point.canonical} is there twice")
        if point.primary and point.type in primary:
            violations.add(f"{field}[{i}].primary", f"another {point.type} is primary; one of each type may be")
        primary |= {point.type} if point.primary else set()
        kept.setdefault(point.key, point)
    return with_primaries(tuple(kept.values()))


def with_primaries(points: Sequence[ContactPoint]) -> tuple[ContactPoint, ...]:
    """The points with the first of every type made primary where none is."""
    primary = {point.type for point in points if point.primary}
    chosen = []
    for point in points:
        chosen.append(point if point.type in primary else replace(point, primary=True))
        primary.add(point.type)
    return tuple(chosen)


def _completed(point: ContactPoint, field: str, violations: Violations) -> ContactPoint:
    point = replace(
        point,
        raw=clean(point.raw, f"{field}.raw", 500, violations, required=True),
        label=clean(point.label, f"{field}.label", 50, violations),
        source=clean(point.source, f"{field}.source", 100, violations),
    )
    if point.region_code and point.region_code not in phonenumbers.SUPPORTED_REGIONS:
        violations.add(f"{field}.region_code", f"{point.region_code!r} is no region with telephone numbers, such as CN")
        return point
    try:
        return replace(point, canonical=canonical(point.type, point.raw, point.region_code)) if point.raw else point
    except UnreadableContactPoint as unreadable:
        violations.add(f"{field}.raw", str(unreadable))
        return point


def _phone(raw: str, region_code: str) -> str:
    digits = unicodedata.normalize("NFKC", raw)
    try:
        number = phonenumbers.parse(digits, region_code or None)
    except phonenumbers.NumberParseException as error:
        hint = "" if region_code else "; write it with + and country code, or give region_code"
        raise UnreadableContactPoint(f"{raw!r} is no telephone number{hint}") from error
    if not phonenumbers.is_valid_number(number):
        raise UnreadableContactPoint(
            f"{raw!r} is no number that exists in its country: check the country code and the number of digits"
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _email(raw: str, region_code: str) -> str:  # noqa: ARG001  (telephone numbers need it)
    try:
        mailbox = validate_email(raw, check_deliverability=False)
    except EmailNotValidError as error:
        raise UnreadableContactPoint(f"{raw!r} is no mailbox such as ada@example.com: {error}") from error
    return f"{mailbox.local_part}@{mailbox.ascii_domain}"


def _postal(raw: str, region_code: str) -> str:  # noqa: ARG001
    return " ".join(unicodedata.normalize("NFKC", raw).casefold().split())


def _messenger(raw: str, region_code: str) -> str:  # noqa: ARG001
    account = re.fullmatch(r"([A-Za-z][A-Za-z0-9_.-]{0,30}):(\S+)", raw)
    if account is None:
        raise UnreadableContactPoint(f"{raw!r} is no messenger account; write network:handle, such as wechat:ada_l")
    return f"{account[1].lower()}:{account[2]}"


def _device(raw: str, region_code: str) -> str:  # noqa: ARG001
    if re.search(r"\s", raw):
        raise UnreadableContactPoint("a device token holds no spaces")
    return raw


_CANONICAL: Mapping[ContactPointType, Callable[[str, str], str]] = {
    ContactPointType.PHONE: _phone,
    ContactPointType.EMAIL: _email,
    ContactPointType.POSTAL: _postal,
    ContactPointType.MESSENGER: _messenger,
    ContactPointType.DEVICE: _device,
}
