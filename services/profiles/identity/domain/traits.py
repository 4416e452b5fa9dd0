"""Traits that two records are compared by, and the keys under which records that may be alike meet.

Everything here is derived from a customer and folded, so that case, width, diacritics and punctuation do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from libs.almanac.yearly import Calendar
from services.profiles.customers.domain.addresses import Address
from services.profiles.customers.domain.contact_points import ContactPointStatus, ContactPointType
from services.profiles.customers.domain.customers import Customer, CustomerKind
from services.profiles.customers.domain.dates import TypedDate, TypedDateKind
from services.profiles.customers.domain.names import PersonName
from services.profiles.customers.domain.text import fold, script_of

MOST_KEYS = 60
"""Blocking keys of one customer. More belong to nobody that was entered by hand."""
_DEAD_ENDS = (ContactPointStatus.RECYCLED, ContactPointStatus.INVALID)
_DOTLESS = frozenset({"gmail.com", "googlemail.com"})
"""Providers that do not tell local parts apart by their dots. Everybody else may."""
_ROLES = frozenset(
    {"abuse", "accounting", "accounts", "admin", "billing", "contact", "enquiries", "feedback", "finance",
     "help", "hello", "hr", "info", "invoice", "it", "kontakt", "mail", "marketing", "noreply", "office",
     "orders", "post", "postmaster", "press", "reception", "sales", "service", "shop", "support", "team",
     "webmaster"}
)  # fmt: skip
"""Local parts of mailboxes that belong to a function (RFC 2142 and custom), not to a person."""
_LEGAL_FORMS = re.compile(
    r"\b(?:ag|b\.?v|co|corp|corporation|company|gmbh|inc|incorporated|kg|limited|llc|llp|ltd|n\.?v|plc|pty|s\.?a|sarl"
    r"|s\.?p\.?a|s\.?r\.?l)\b\.?|股份有限公司|有限责任公司|有限公司|集团|公司",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NameTraits:
    """One name of a person."""

    family: str
    given: str
    reading: tuple[str, str] | None = None
    """Family and given name in pinyin without tones, of a name in Chinese characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """A day of birth in the Gregorian calendar. Without a year when that is not known."""

    year: int | None
    month: int
    day: int

    @property
    def digits(self) -> str:
        """`19790418`, or `0418` without a year."""
        return f"{self.year or ''}{self.month:02}{self.day:02}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressTraits:
    """One postal address."""

    number: str
    """The numbers of the first line: house, and after it perhaps unit or room."""
    street: str
    """The first line without its numbers."""
    more: str
    """The other lines."""
    locality: str
    postal_code: str
    area: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Traits of a customer that are compared."""

    kind: CustomerKind
    title: str
    """The display name without the legal form, of a customer that is no person."""
    names: tuple[NameTraits, ...]
    births: tuple[Birth, ...]
    addresses: tuple[AddressTraits, ...]
    phones: frozenset[str]
    mailboxes: frozenset[str]
    accounts: frozenset[str]
    """Messenger accounts. Devices are left out: a browser is shared by whoever sits in front of it."""
    external_ids: Mapping[str, frozenset[str]]
    """The ids that the customer has in each system."""


def traits_of(customer: Customer) -> Traits:
    """Traits of a customer that are compared. Contact points that no longer lead to the customer are left out."""
    points = [point for point in customer.contact_points if point.status not in _DEAD_ENDS]

    def of(type: ContactPointType) -> list[str]:
        return [point.canonical for point in points if point.type is type]

    ids: dict[str, set[str]] = {}
    for each in customer.external_ids:
        ids.setdefault(each.system, set()).add(each.id)
    births = (_birth(each) for each in customer.dates if each.kind is TypedDateKind.BIRTH)
    is_person = customer.kind is CustomerKind.PERSON
    return Traits(
        kind=customer.kind,
        title="" if is_person else _title(customer.display_name),
        names=tuple(dict.fromkeys(_names(customer))) if is_person else (),
        births=tuple(dict.fromkeys(birth for birth in births if birth is not None)),
        addresses=tuple(dict.fromkeys(_address(each) for each in customer.addresses)),
        phones=frozenset(of(ContactPointType.PHONE)),
        mailboxes=frozenset(filter(None, map(_mailbox, of(ContactPointType.EMAIL)))),
        accounts=frozenset(of(ContactPointType.MESSENGER)),
        external_ids={system: frozenset(theirs) for system, theirs in ids.items()},
    )


def blocking_keys(traits: Traits) -> tuple[str, ...]:
    """The keys under which a customer meets those who may be the same, sorted.

    Several passes, so that one or two fields may be wrong or missing. Each names a field that most customers differ in;
    a key that many share all the same, such as a switchboard or 张伟, is no help and is not followed.
    """
    return tuple(sorted({f"{traits.kind}:{key}" for key in _keys(traits)}))[:MOST_KEYS]


def contact_key(kind: CustomerKind, canonical: str) -> str:
    """The blocking key of a telephone, a mailbox or a messenger account."""
    return f"{kind}:at:{canonical}"


def _keys(traits: Traits) -> Iterator[str]:
    yield from (f"at:{each}" for each in traits.phones | traits.mailboxes | traits.accounts)
    yield from _keys_of_names(traits)
    if traits.title:
        yield f"title:{traits.title}"
        yield from (f"title:{traits.title[:4]}:{a.locality[:6]}" for a in traits.addresses if a.locality)
    for each in traits.addresses:
        if each.number and each.street:
            yield f"street:{each.number}:{each.street[:6]}"
        if each.more and each.postal_code:
            yield f"more:{each.more[:6]}:{each.postal_code}"


def _keys_of_names(traits: Traits) -> Iterator[str]:
    births, addresses = traits.births, traits.addresses
    for name in traits.names:
        yield "name:" + ":".join(sorted((name.family, name.given)))  # Whichever was taken for the family name.
        parts = [part for part in (name.family, name.given) if part]
        if name.reading and len(parts) > 1:
            # One in fourteen is called 王: with a town, or a day of any year, that is a key of very many. Who shares no
            # more is no likely duplicate, unless something else agrees as well, which is a key of its own.
            family = parts.pop(0)
            yield from (f"born:{birth.digits}:{family}" for birth in births)
        for part in parts:
            yield from (f"born:{birth.digits[-4:]}:{part[:3]}" for birth in births)
            yield from (f"post:{each.postal_code}:{part[:3]}" for each in addresses if each.postal_code)
            yield from (f"place:{each.locality[:5]}:{part[:5]}" for each in addresses if each.locality)
        if name.reading:
            yield from (f"read:{birth.digits[-4:]}:{''.join(name.reading)}" for birth in births)
            yield from (f"read:{each.locality}:{''.join(name.reading)}" for each in addresses if each.locality)
    for birth in births:
        if birth.year is not None:
            yield from (f"born:{birth.digits}:{each.locality[:3]}" for each in addresses if each.locality)


def _names(customer: Customer) -> Iterator[NameTraits]:
    for name in customer.names:
        yield _name(name)
    if not customer.names and customer.display_name:
        # A name that nobody took apart: the family name is in front in Chinese, at the end elsewhere.
        words = customer.display_name.split()
        if script_of(customer.display_name) == "Hani" and len(words) == 1:
            yield _name(PersonName(family=words[0][0], given=words[0][1:], script="Hani"))
        else:
            yield NameTraits(family=fold(words[-1]), given=fold("".join(words[:-1])))


def _name(name: PersonName) -> NameTraits:
    reading = None
    if name.script == "Hani" and name.pinyin:
        family, _, given = name.pinyin.partition(" ")
        reading = fold(family), fold(given)
    return NameTraits(family=fold(name.family), given=fold(name.given), reading=reading)


def _birth(typed: TypedDate) -> Birth | None:
    """The day in the Gregorian calendar. None for one in the Chinese calendar whose year nobody knows."""
    if typed.calendar is Calendar.GREGORIAN:
        return Birth(year=typed.year, month=typed.month, day=typed.day)
    solar = typed.yearly.occurrence(typed.year) if typed.year is not None else None
    return Birth(year=solar.year, month=solar.month, day=solar.day) if solar else None


def _address(address: Address) -> AddressTraits:
    first, *others = address.lines or ("",)
    numbers = re.findall(r"\d+", _with_ascii_digits(first))
    return AddressTraits(
        number=" ".join(numbers),
        street=re.sub(r"\d+", "", fold(first)),
        more=fold("".join(others)),
        locality=fold(address.locality or address.sublocality),
        postal_code=fold(address.postal_code),
        area=fold(address.administrative_area),
    )


def _with_ascii_digits(text: str) -> str:
    """The text with every digit in ASCII."""
    return "".join(str(int(c)) if c.isdecimal() else c for c in text)


def _mailbox(canonical: str) -> str:
    """The mailbox as its provider tells it apart. Empty for one that belongs to a function."""
    local, _, domain = canonical.rpartition("@")
    local = local.casefold()
    if local in _ROLES:
        return ""
    if domain in _DOTLESS:
        local = local.partition("+")[0].replace(".", "")
    return f"{local}@{domain}"


def _title(display_name: str) -> str:
    return fold(_LEGAL_FORMS.sub("", display_name)) or fold(display_name)
