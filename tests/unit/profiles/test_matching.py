"""Who may be the same customer: golden pairs, and the FEBRL records, whose truth is known."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.almanac.yearly import Calendar
from services.profiles.customers.domain.contact_points import ContactPointStatus
from services.profiles.customers.domain.customers import Address, Customer, CustomerKind
from services.profiles.customers.domain.dates import TypedDate, TypedDateKind
from services.profiles.customers.domain.external_ids import ExternalId
from services.profiles.customers.domain.names import PersonName
from services.profiles.identity.domain.matching import WEIGHTS, Agreement, Band, Feature, Match, Veto, compare, unlike
from services.profiles.identity.domain.similarity import alike, edits
from services.profiles.identity.domain.traits import (
    AddressTraits,
    Birth,
    NameTraits,
    Traits,
    blocking_keys,
    contact_key,
    traits_of,
)
from tests.unit.profiles.builders import email, organisation, person, phone

BLOCK = 50
"""Members of a block that are compared, as in the candidate table."""


def birth(year: int | None = 1979, month: int = 4, day: int = 18, **fields: Any) -> tuple[TypedDate, ...]:
    return (TypedDate(kind=TypedDateKind.BIRTH, year=year, month=month, day=day, **fields),)


def home(**fields: Any) -> tuple[Address, ...]:
    return (Address(**{"region_code": "CN", "locality": "上海", "lines": ("南京东路100号2单元301室",), **fields}),)


def named(family: str, given: str, **fields: Any) -> Customer:
    return person(names=(PersonName(family=family, given=given),), **fields)


def match(a: Customer, b: Customer, crowded: set[str] | None = None) -> Match:
    found = compare(traits_of(a), traits_of(b), crowded or set())
    assert compare(traits_of(b), traits_of(a), crowded or set()).score == found.score, "order must not count"
    return found


def agreements(found: Match) -> dict[Feature, Agreement]:
    return {each.feature: each.agreement for each in found.evidence}


# ---------------------------------------------------------------------------------------------------- golden pairs


@pytest.mark.parametrize(
    ("a", "b", "count"),
    [
        ("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("srteet", "street", 1), ("ca", "abc", 3),
        ("张伟", "张玮", 1), ("isablela", "isabella", 1), ("abcdef", "abcdef", 0),
    ],
)  # fmt: skip
def test_edits_are_those_of_the_literature(a: str, b: str, count: int) -> None:
    assert edits(a, b) == edits(b, a) == count


@given(st.text(max_size=20), st.text(max_size=20))
def test_likeness_lies_between_nothing_and_all_in_common(a: str, b: str) -> None:
    assert 0 <= alike(a, b) <= 1
    assert (alike(a, b) == 1) == (a == b)


def test_a_score_is_the_sum_of_its_published_weights() -> None:
    ada = named("Lovelace", "Ada", dates=birth(1815, 12, 10))
    found = match(ada, named("Lovelaze", "Ada", dates=birth(1815, 12, 10)))
    assert agreements(found) == {
        Feature.BIRTH: Agreement.SAME,
        Feature.FAMILY_NAME: Agreement.ALIKE,
        Feature.GIVEN_NAME: Agreement.SAME,
    }
    assert found.score == 13.0 + 6.0 + 6.0
    assert found.band is Band.LIKELY
    assert all(each.weight == WEIGHTS[each.feature][each.agreement] for each in found.evidence)
    assert found.evidence[0].left == "18151210", "what speaks most for the pair comes first"


def test_what_was_taken_for_the_family_name_may_be_the_given_one() -> None:
    found = match(named("Anthony", "Beazley", dates=birth()), named("Beazley", "Anthony", dates=birth()))
    assert agreements(found)[Feature.FAMILY_NAME] is Agreement.SWAPPED
    assert found.band is Band.LIKELY


def test_chinese_names_compare_by_characters_first_and_by_sound_second() -> None:
    same = match(named("张", "伟", dates=birth()), named("张", "伟", dates=birth()))
    sound = match(named("张", "伟", dates=birth()), named("章", "炜", dates=birth()))
    assert agreements(same)[Feature.CHINESE_GIVEN_NAME] is Agreement.SAME
    assert agreements(sound)[Feature.CHINESE_GIVEN_NAME] is Agreement.SAME_READING
    assert same.score > sound.score


def test_pinyin_without_tones_is_never_enough() -> None:
    written, spoken = named("张", "伟"), named("Zhang", "Wei")
    assert match(written, spoken).band is Band.UNLIKELY
    assert match(written, named("章", "炜")).band is Band.UNLIKELY
    assert match(named("张", "伟", dates=birth()), named("Wei", "Zhang", dates=birth())).band is Band.LIKELY
    assert match(written, named("张", "伟")).band is not Band.LIKELY, "nor is 张伟, of whom there are 290,000"


def test_a_family_phone_and_address_never_make_a_pair_likely() -> None:
    shared = {"contact_points": (phone(),), "addresses": home()}
    mother, daughter = named("王", "芳", **shared), named("王", "丽", **shared)
    assert match(mother, daughter).band is not Band.LIKELY
    older, younger = (
        named("Lee", "Ann", dates=birth(1970), **shared),
        named("Lee", "Sue", dates=birth(2001, 2), **shared),
    )
    assert match(older, younger).band is Band.UNLIKELY, "other given name and other day of birth"
    assert match(named("Lee", "Ann", **shared), named("Lee", "Bob", **shared)).band is not Band.LIKELY


def test_a_phone_alone_proposes_nobody_and_that_of_a_switchboard_says_nothing() -> None:
    caller = Customer(id="cus_1", kind=CustomerKind.PERSON, contact_points=(phone(),)).create()[0]
    assert match(caller, caller).band is Band.UNLIKELY
    switchboard = {contact_key(CustomerKind.PERSON, "+8613123456789")}
    found = match(
        named("Lee", "Ann", contact_points=(phone(),)), named("Lee", "Bo", contact_points=(phone(),)), switchboard
    )
    [about] = [each for each in found.evidence if each.feature is Feature.PHONE]
    assert (about.agreement, about.weight) == (Agreement.SHARED_BY_MANY, 0.0)


def test_a_recycled_number_connects_nobody() -> None:
    ada = named("Lovelace", "Ada", contact_points=(phone(),))
    gone = ada.with_changed_contact_point(
        ada.contact_points[0], ada.contact_points[0].reported(ContactPointStatus.RECYCLED)
    )
    assert not traits_of(gone[0]).phones
    assert Feature.PHONE not in agreements(match(gone[0], ada))


def test_full_width_digits_and_spellings_are_one_number() -> None:
    plain, wide = (
        traits_of(person(contact_points=(phone(),))),
        traits_of(person(contact_points=(phone("１３１ ２３４５ ６７８９", region_code="CN"),))),
    )
    assert plain.phones == wide.phones
    assert (
        traits_of(person(addresses=home())).addresses
        == traits_of(person(addresses=home(lines=("南京东路１００号２单元３０１室",)))).addresses
    )


def test_dots_count_in_mailboxes_but_not_at_providers_that_ignore_them() -> None:
    def box(raw: str) -> frozenset[str]:
        return traits_of(person(contact_points=(email(raw),))).mailboxes

    assert box("ada.l@gmail.com") == box("adal+x@gmail.com")
    assert box("ada.l@example.com") != box("adal@example.com")
    assert box("Ada@example.com") == box("ada@example.com")
    assert box("info@example.com") == frozenset(), "a function, not a person"


def test_a_birthday_without_a_year_agrees_in_part() -> None:
    found = match(named("Lovelace", "Ada", dates=birth(None)), named("Lovelace", "Ada", dates=birth()))
    assert agreements(found)[Feature.BIRTH] is Agreement.PARTLY
    assert found.band is Band.LIKELY


def test_a_birthday_in_the_chinese_calendar_is_the_day_it_falls_on() -> None:
    lunar = birth(1990, 8, 15, calendar=Calendar.CHINESE_LUNISOLAR)
    assert match(named("张", "伟", dates=lunar), named("张", "伟", dates=birth(1990, 10, 3))).band is Band.LIKELY


@pytest.mark.parametrize("name", ["محمد علي", "🦊🦊", "Zoë-Ümit", "O'Brien", "नीला", "\u202fx", "山田 太郎"])
def test_names_of_every_script_compare_and_block(name: str) -> None:
    customer = Customer(id="cus_1", kind=CustomerKind.PERSON, display_name=name).create()[0]
    assert match(customer, customer).score >= 0
    assert blocking_keys(traits_of(customer)) == blocking_keys(traits_of(customer))


def test_a_firm_is_compared_without_its_legal_form() -> None:
    found = match(organisation("华为技术有限公司"), organisation("华为技术"))
    assert agreements(found) == {Feature.TITLE: Agreement.SAME}
    assert match(organisation("Analytical Engines Ltd."), organisation("Analytical Engines GmbH")).band is Band.POSSIBLE


def test_different_kinds_and_different_papers_are_vetoes() -> None:
    assert match(person(), organisation("Ada Lovelace")).vetoes == (Veto.DIFFERENT_KIND,)
    one = person(dates=birth(), external_ids=(ExternalId(system="passport", id="1"),))
    two = person(dates=birth(), external_ids=(ExternalId(system="passport", id="2"),))
    assert match(one, two).vetoes == (Veto.DIFFERENT_IDENTITY,)
    assert match(one, two).band is Band.UNLIKELY
    other_shop = person(dates=birth(), external_ids=(ExternalId(system="shop", id="2"),))
    assert (
        match(person(dates=birth(), external_ids=(ExternalId(system="shop", id="1"),)), other_shop).band is Band.LIKELY
    )


_WORDS = st.sampled_from(["", "lee", "leigh", "anna", "ann", "anne", "张", "章", "伟", "炜"])
_SOUNDS = {"张": "zhang", "章": "zhang", "伟": "wei", "炜": "wei"}
_PLACES = st.sampled_from(["", "main", "mian", "hill"])
_ONE = frozenset({"1"}), frozenset({"2"})
_IDS = st.sampled_from([frozenset[str](), *_ONE])


@st.composite
def names(draw: st.DrawFn) -> NameTraits:
    family, given = draw(_WORDS), draw(_WORDS)
    chinese = family in _SOUNDS and given in _SOUNDS
    return NameTraits(family=family, given=given, reading=(_SOUNDS[family], _SOUNDS[given]) if chinese else None)


@st.composite
def records(draw: st.DrawFn) -> Traits:
    """Little to choose from, so that two have much in common."""
    years, few = st.sampled_from([None, 1979, 1978, 2001]), st.sampled_from([1, 4])
    births = st.builds(Birth, year=years, month=few, day=few)
    places = st.builds(
        AddressTraits,
        number=st.sampled_from(["", "1", "2"]),
        **dict.fromkeys(("street", "more", "locality", "postal_code", "area"), _PLACES),
    )
    kind = draw(st.sampled_from([CustomerKind.PERSON, CustomerKind.ORGANISATION]))
    return Traits(
        kind=kind,
        title="" if kind is CustomerKind.PERSON else draw(st.sampled_from(["acme", "acne", "zoo"])),
        names=tuple(draw(st.lists(names(), max_size=2))) if kind is CustomerKind.PERSON else (),
        births=tuple(draw(st.lists(births, max_size=2))),
        addresses=tuple(draw(st.lists(places, max_size=2))),
        **{each: draw(_IDS) for each in ("phones", "mailboxes", "accounts")},
        external_ids=draw(st.dictionaries(st.sampled_from(["passport", "shop"]), st.sampled_from(_ONE))),
    )


@settings(max_examples=500)
@given(records(), records())
def test_whom_names_and_births_rule_out_nothing_else_brings_back(a: Traits, b: Traits) -> None:
    """The cheap look that goes before the comparison never loses a pair."""
    if unlike(a, b):
        assert compare(a, b).band is Band.UNLIKELY


_DAYS = st.dates(date(1600, 1, 1), date(2025, 1, 1))


@given(_DAYS, _DAYS)
def test_days_of_birth_with_one_slip_of_the_pen_are_alike(left: date, right: date) -> None:
    found = compare(*(traits_of(person(dates=birth(day.year, day.month, day.day))) for day in (left, right)))
    digits = [f"{day.year}{day.month:02}{day.day:02}" for day in (left, right)]
    turned = (left.year, left.month, left.day) == (right.year, right.day, right.month)
    if left != right:
        assert (agreements(found)[Feature.BIRTH] is Agreement.ALIKE) == (turned or edits(*digits) == 1)


# ----------------------------------------------------------------------------------------------------------- FEBRL


def febrl(path: Path) -> dict[str, tuple[str, Traits]]:
    """Record id → (the true person, what the matcher sees, which is neither of the two nor the social security id)."""
    with path.open() as file:
        return {row["rec_id"]: (row["entity_id"], traits_of(febrl_customer(row))) for row in csv.DictReader(file)}


def febrl_customer(row: dict[str, str]) -> Customer:
    given, family, born = row["given_name"].strip(), row["surname"].strip(), row["date_of_birth"].strip()
    lines = f"{row['street_number']} {row['address_1']}".strip(), row["address_2"].strip()
    try:
        day = date.fromisoformat(f"{born[:4]}-{born[4:6]}-{born[6:]}")
    except ValueError:
        day = None  # No such day, or none given.
    return Customer(
        id="cus_1",
        kind=CustomerKind.PERSON,
        names=(PersonName(given=given, family=family),) if given or family else (),
        addresses=(
            Address(
                region_code="AU",
                postal_code=row["postcode"],
                administrative_area=row["state"],
                locality=row["suburb"],
                lines=tuple(filter(None, lines)),
            ),
        ),
        dates=birth(day.year, day.month, day.day) if day else (),
    ).create()[0]


def proposed(records: dict[str, tuple[str, Traits]]) -> tuple[set[tuple[str, str]], int]:
    """The pairs that the matcher proposes, each sorted, and how many it compared to find them."""
    blocks: dict[str, list[str]] = defaultdict(list)
    for id, (_, traits) in sorted(records.items()):
        for key in blocking_keys(traits):
            blocks[key].append(id)
    met = {(a, b) for ids in blocks.values() if len(ids) <= BLOCK for i, a in enumerate(ids) for b in ids[i + 1 :]}
    return {(a, b) for a, b in met if compare(records[a][1], records[b][1]).band is not Band.UNLIKELY}, len(met)


@pytest.mark.parametrize(
    ("files", "true_pairs"), [(("febrl1.csv",), 500), (("febrl4a.csv", "febrl4b.csv"), 5000)], ids=["febrl1", "febrl4"]
)
def test_febrl_is_found_with_high_precision_and_recall(
    reference_data: Path, files: tuple[str, ...], true_pairs: int
) -> None:
    """Every proposed pair counts as one, also among the records of one file: nothing helps the matcher to know that
    everybody is there exactly twice."""
    records = {id: each for name in files for id, each in febrl(reference_data / "identity" / name).items()}
    pairs, compared = proposed(records)
    right = sum(records[a][0] == records[b][0] for a, b in pairs)
    assert right / len(pairs) >= 0.999
    assert right / true_pairs >= 0.99
    assert compared < 2 * len(records), "blocking keys, never every record with every other one"
