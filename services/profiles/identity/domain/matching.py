"""The likelihood that two records are of the same customer: a sum of published weights, explained by feature.

The model is that of I. P. Fellegi and A. B. Sunter, "A Theory for Record Linkage", Journal of the American Statistical
Association 64 (1969): every feature that can be compared adds log2(m / u) to the score, where m is how often it agrees
like this between records of the same customer and u how often between records of different ones. A feature that one of
the two lacks adds nothing. The weights of names, dates and addresses were counted on the FEBRL 1 records and rounded to
half a bit; FEBRL 4 served to test them. Those of Chinese names, telephones and mailboxes are set by the same formula
from the figures beside them.

No score merges anybody: people decide. What is shared by the people of an office or a family (telephones, mailboxes,
addresses) makes a pair worth a look at most, unless something that belongs to one person alone agrees as well.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import ne

from libs.chassis.domain import OpenEnum
from services.profiles.identity.domain.similarity import alike, edits
from services.profiles.identity.domain.traits import AddressTraits, Birth, NameTraits, Traits, contact_key

LIKELY_FROM, POSSIBLE_FROM = 17.0, 10.0
"""Scores from which a pair is likely the same customer, and from which it is worth a look."""
PERSONAL_FROM, PERSONAL_AGAINST = 3.0, -7.0
"""Least sum of the features of one person alone (given name, birth, title of a firm) for a likely pair,
and the sum from which down they tell of a family or an office: other given names and other days of birth."""
MOST_SHARED = 16.0
"""The most that everything shared by an office or a family adds, because it comes together."""
IDENTITY_SYSTEMS = frozenset({"id_card", "passport", "residence_permit", "tax_id", "uscc", "lei", "vat_id", "duns"})
"""Systems of external ids that name one person or firm for life: who has different ones is somebody else."""
_ALIKE = 0.65
"""The share of letters in common from which two words may be the same with slips of the pen."""


class Feature(OpenEnum):
    """Feature of a customer that is compared."""

    FAMILY_NAME = "FAMILY_NAME"
    GIVEN_NAME = "GIVEN_NAME"
    CHINESE_FAMILY_NAME = "CHINESE_FAMILY_NAME"
    CHINESE_GIVEN_NAME = "CHINESE_GIVEN_NAME"
    TITLE = "TITLE"
    BIRTH = "BIRTH"
    EXTERNAL_ID = "EXTERNAL_ID"
    PHONE = "PHONE"
    MAILBOX = "MAILBOX"
    MESSENGER = "MESSENGER"
    STREET = "STREET"
    HOUSE_NUMBER = "HOUSE_NUMBER"
    ADDRESS_LINES = "ADDRESS_LINES"
    LOCALITY = "LOCALITY"
    POSTAL_CODE = "POSTAL_CODE"
    AREA = "AREA"


class Agreement(OpenEnum):
    """Agreement of two values."""

    SAME = "SAME"
    ALIKE = "ALIKE"
    SAME_READING = "SAME_READING"
    SWAPPED = "SWAPPED"
    PARTLY = "PARTLY"
    SHARED_BY_MANY = "SHARED_BY_MANY"
    DIFFERENT = "DIFFERENT"


class Band(OpenEnum):
    """Meaning of a score."""

    UNLIKELY = "UNLIKELY"
    POSSIBLE = "POSSIBLE"
    LIKELY = "LIKELY"


class Veto(OpenEnum):
    """Reason not to merge two customers, whatever their score."""

    DIFFERENT_KIND = "DIFFERENT_KIND"
    DIFFERENT_IDENTITY = "DIFFERENT_IDENTITY"
    REJECTED = "REJECTED"


_F, _A = Feature, Agreement
WEIGHTS: Mapping[Feature, Mapping[Agreement, float]] = {
    # Counted on FEBRL 1; but towns, other house numbers and other days of birth weigh as in a city where streets are
    # long and names common, which costs nothing on FEBRL.
    _F.FAMILY_NAME: {_A.SAME: 7.0, _A.ALIKE: 6.0, _A.SWAPPED: 6.0, _A.SAME_READING: 2.0, _A.DIFFERENT: -3.5},
    _F.GIVEN_NAME: {_A.SAME: 6.0, _A.ALIKE: 5.0, _A.SWAPPED: 5.0, _A.SAME_READING: 2.5, _A.DIFFERENT: -3.0},
    _F.BIRTH: {_A.SAME: 13.0, _A.PARTLY: 7.0, _A.ALIKE: 3.0, _A.DIFFERENT: -6.0},
    _F.STREET: {_A.SAME: 8.0, _A.ALIKE: 5.0, _A.DIFFERENT: -3.0},
    _F.HOUSE_NUMBER: {_A.SAME: 5.0, _A.DIFFERENT: -6.0},
    _F.ADDRESS_LINES: {_A.SAME: 8.0, _A.ALIKE: 7.0, _A.DIFFERENT: -3.0},
    _F.LOCALITY: {_A.SAME: 3.5, _A.ALIKE: 3.5, _A.DIFFERENT: -3.0},
    _F.POSTAL_CODE: {_A.SAME: 6.5, _A.ALIKE: 3.5, _A.DIFFERENT: -3.0},
    _F.AREA: {_A.SAME: 1.5, _A.DIFFERENT: -2.0},
    # One in ten people is called 王, 李 or 张; one in several hundred has the same given name, and nobody spells their
    # own wrong: other characters that sound different are a brother or a sister.
    _F.CHINESE_FAMILY_NAME: {_A.SAME: 3.5, _A.SAME_READING: 1.0, _A.DIFFERENT: -6.0},
    _F.CHINESE_GIVEN_NAME: {_A.SAME: 7.0, _A.SAME_READING: 2.5, _A.DIFFERENT: -8.0},
    # Firms that agree here are one firm or branches of one.
    _F.TITLE: {_A.SAME: 12.0, _A.ALIKE: 7.0, _A.DIFFERENT: -6.0},
    # A family or an office shares them, so they say far less than that nobody else in the world has them.
    _F.PHONE: {_A.SAME: 8.0, _A.SHARED_BY_MANY: 0.0, _A.DIFFERENT: -0.5},
    _F.MAILBOX: {_A.SAME: 10.0, _A.SHARED_BY_MANY: 0.0, _A.DIFFERENT: -0.5},
    _F.MESSENGER: {_A.SAME: 10.0, _A.SHARED_BY_MANY: 0.0, _A.DIFFERENT: -0.5},
    # No two customers have the same one; a system that knows both under its own ids may have them twice as well.
    _F.EXTERNAL_ID: {_A.DIFFERENT: -4.0},
}
"""Bits that each way of agreeing adds to the score."""
_PERSONAL = frozenset({_F.GIVEN_NAME, _F.CHINESE_GIVEN_NAME, _F.TITLE, _F.BIRTH})
"""Features that belong to one person or firm alone. A family shares its name."""
CONTACTS = frozenset({_F.PHONE, _F.MAILBOX, _F.MESSENGER})
"""Features of contact points."""
_SHARED = CONTACTS | frozenset({_F.STREET, _F.HOUSE_NUMBER, _F.ADDRESS_LINES, _F.LOCALITY, _F.POSTAL_CODE, _F.AREA})


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Evidence of one feature about a pair."""

    feature: Feature
    agreement: Agreement
    weight: float
    """In bits: what it adds to the score."""
    left: str = ""
    right: str = ""
    """The values compared, folded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Likeness of two customers, with its reasons."""

    score: float
    band: Band
    evidence: tuple[Evidence, ...]
    """Every feature that both have, what speaks for the pair first."""
    vetoes: tuple[Veto, ...] = ()


def compare(left: Traits, right: Traits, crowded: Container[str] = ()) -> Match:
    """Likeness of two customers. `crowded` holds the blocking keys that too many customers share to tell anything."""
    found = (
        *_of_names(left, right),
        *_of_births(left, right),
        *_of_places(left, right),
        *_of_contact_points(left, right, crowded),
        *_of_external_ids(left, right),
    )
    evidence = sorted(found, key=lambda each: (-each.weight, each.feature))
    personal = sum(each.weight for each in evidence if each.feature in _PERSONAL)
    shared = sum(each.weight for each in evidence if each.feature in _SHARED)
    score = sum(each.weight for each in evidence) - max(shared - MOST_SHARED, 0)
    vetoes = tuple(_vetoes(left, right))
    if score < POSSIBLE_FROM or personal <= PERSONAL_AGAINST or vetoes:
        band = Band.UNLIKELY
    else:
        band = Band.LIKELY if score >= LIKELY_FROM and personal >= PERSONAL_FROM else Band.POSSIBLE
    return Match(score=score, band=band, evidence=tuple(evidence), vetoes=vetoes)


def unlike(left: Traits, right: Traits) -> bool:
    """True when names and births alone tell that `compare` finds the two unlikely, whatever else agrees.

    True of nearly all who meet under a weak key, at a fraction of the price of comparing everything.
    """
    found = (*_of_names(left, right), *_of_births(left, right))
    personal = sum(each.weight for each in found if each.feature in _PERSONAL)
    return personal <= PERSONAL_AGAINST or sum(each.weight for each in found) + MOST_SHARED < POSSIBLE_FROM


def _vetoes(left: Traits, right: Traits) -> Iterator[Veto]:
    if left.kind is not right.kind:
        yield Veto.DIFFERENT_KIND
    both = left.external_ids.keys() & right.external_ids.keys() & IDENTITY_SYSTEMS
    if any(left.external_ids[system].isdisjoint(right.external_ids[system]) for system in both):
        yield Veto.DIFFERENT_IDENTITY


def _evidence(feature: Feature, agreement: Agreement, left: str = "", right: str = "") -> Evidence:
    return Evidence(feature=feature, agreement=agreement, weight=WEIGHTS[feature][agreement], left=left, right=right)


def _best(options: Iterable[tuple[Evidence, ...]]) -> tuple[Evidence, ...]:
    """Of several ways to compare, the one that says most for the pair. Nothing when there is none."""
    return max(options, key=lambda each: sum(one.weight for one in each), default=())


def _words(feature: Feature, left: str, right: str, alike_from: float = _ALIKE) -> tuple[Evidence, ...]:
    """Agreement of two words. Nothing when one is missing."""
    if not (left and right):
        return ()
    if left == right:
        return (_evidence(feature, _A.SAME, left, right),)
    close = _A.ALIKE in WEIGHTS[feature] and alike(left, right) >= alike_from
    return (_evidence(feature, _A.ALIKE if close else _A.DIFFERENT, left, right),)


def _of_names(left: Traits, right: Traits) -> tuple[Evidence, ...]:
    titles = _words(Feature.TITLE, left.title, right.title, 0.8)
    return titles or _best(_name(a, b) for a in left.names for b in right.names)


def _name(left: NameTraits, right: NameTraits) -> tuple[Evidence, ...]:
    if left.reading and right.reading:
        return (
            *_characters(Feature.CHINESE_FAMILY_NAME, left.family, right.family, left.reading[0], right.reading[0]),
            *_characters(Feature.CHINESE_GIVEN_NAME, left.given, right.given, left.reading[1], right.reading[1]),
        )
    if left.reading or right.reading:
        return _read(left, right)
    if left.family != left.given and (left.family, left.given) == (right.given, right.family):
        return (
            _evidence(Feature.FAMILY_NAME, _A.SWAPPED, left.family, right.family),
            _evidence(Feature.GIVEN_NAME, _A.SWAPPED, left.given, right.given),
        )
    return (
        *_words(Feature.FAMILY_NAME, left.family, right.family),
        *_words(Feature.GIVEN_NAME, left.given, right.given),
    )


def _characters(feature: Feature, left: str, right: str, *readings: str) -> tuple[Evidence, ...]:
    """Chinese characters: one that differs is another name, even if it sounds the same."""
    if not (left and right):
        return ()
    sounds = _A.SAME_READING if readings[0] == readings[1] else _A.DIFFERENT
    return (_evidence(feature, _A.SAME if left == right else sounds, left, right),)


def _read(left: NameTraits, right: NameTraits) -> tuple[Evidence, ...]:
    """A name in Chinese characters and one in letters, which may be its pinyin, in either order."""
    mine = left.reading or (left.family, left.given)
    theirs = right.reading or (right.family, right.given)
    if mine != theirs and mine == theirs[::-1]:
        theirs = theirs[::-1]
    same = [_A.SAME_READING if a == b else _A.DIFFERENT for a, b in zip(mine, theirs, strict=True)]
    return (
        _evidence(Feature.FAMILY_NAME, same[0], left.family, right.family),
        _evidence(Feature.GIVEN_NAME, same[1], left.given, right.given),
    )


def _of_births(left: Traits, right: Traits) -> tuple[Evidence, ...]:
    return _best((_birth(a, b),) for a in left.births for b in right.births)


def _birth(left: Birth, right: Birth) -> Evidence:
    same_day = (left.month, left.day) == (right.month, right.day)
    if left.year is None or right.year is None:
        agreement = _A.PARTLY if same_day else _A.DIFFERENT
    elif left == right:
        agreement = _A.SAME
    else:
        turned = left.year == right.year and (left.month, left.day) == (right.day, right.month)
        agreement = _A.ALIKE if turned or _one_slip(left.digits, right.digits) else _A.DIFFERENT
    return _evidence(Feature.BIRTH, agreement, left.digits, right.digits)


def _one_slip(left: str, right: str) -> bool:
    """True when one edit makes the same digits of both. Of as many digits, it leaves all but two in their places."""
    if len(left) == len(right) and sum(map(ne, left, right)) > 2:
        return False
    return edits(left, right) == 1


def _of_places(left: Traits, right: Traits) -> tuple[Evidence, ...]:
    return _best(_place(a, b) for a in left.addresses for b in right.addresses)


def _place(left: AddressTraits, right: AddressTraits) -> tuple[Evidence, ...]:
    lines = (
        *_words(Feature.STREET, left.street, right.street),
        *_words(Feature.ADDRESS_LINES, left.more, right.more),
    )
    turned = (*_words(Feature.STREET, left.street, right.more), *_words(Feature.ADDRESS_LINES, left.more, right.street))
    return (
        *_best((lines, turned)),
        *_words(Feature.HOUSE_NUMBER, left.number, right.number),
        *_words(Feature.LOCALITY, left.locality, right.locality),
        *_words(Feature.POSTAL_CODE, left.postal_code, right.postal_code),
        *_words(Feature.AREA, left.area, right.area),
    )


def _of_contact_points(left: Traits, right: Traits, crowded: Container[str]) -> Iterator[Evidence]:
    """Each type that both have: the same one, one that too many have, or different ones."""
    for feature, mine, theirs in (
        (Feature.PHONE, left.phones, right.phones),
        (Feature.MAILBOX, left.mailboxes, right.mailboxes),
        (Feature.MESSENGER, left.accounts, right.accounts),
    ):
        common = sorted(mine & theirs)
        own = [each for each in common if contact_key(left.kind, each) not in crowded]
        if own:
            yield _evidence(feature, _A.SAME, own[0], own[0])
        elif common:
            yield _evidence(feature, _A.SHARED_BY_MANY, common[0], common[0])
        elif mine and theirs:
            yield _evidence(feature, _A.DIFFERENT, min(mine), min(theirs))


def _of_external_ids(left: Traits, right: Traits) -> Iterator[Evidence]:
    systems = sorted(left.external_ids.keys() & right.external_ids.keys())
    for system in systems[:1]:
        values = (f"{system}/{min(ids[system])}" for ids in (left.external_ids, right.external_ids))
        yield _evidence(Feature.EXTERNAL_ID, _A.DIFFERENT, *values)
