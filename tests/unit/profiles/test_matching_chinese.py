"""The matcher on people in China: a made-up town with families, an office with a switchboard, and many called 张伟."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import combinations

import pytest

from services.profiles.customers.domain.customers import Address, Customer, CustomerKind
from services.profiles.customers.domain.dates import TypedDate, TypedDateKind
from services.profiles.customers.domain.names import PersonName
from services.profiles.customers.domain.pinyin import romanize
from services.profiles.customers.domain.text import fold
from services.profiles.identity.domain.matching import Band, compare
from services.profiles.identity.domain.traits import Traits, blocking_keys, traits_of
from tests.unit.profiles.builders import phone

BLOCK = 50
FAMILIES = "王李张刘陈杨黄赵周吴徐孙马朱胡郭何高林罗"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂英华玉兰秀珍梅建国志文斌宇浩晨欣怡梓涵子轩雨泽博思琪"
HOMOPHONES = {"伟": "炜", "芳": "方", "静": "敬", "丽": "莉", "强": "镪", "磊": "垒", "杰": "洁", "涛": "滔"}
SWITCHBOARD = "+86 21 6888 0000"


@dataclass(frozen=True)
class Person:
    """What is known of somebody."""

    family: str
    given: str
    born: tuple[int | None, int, int] | None
    phone: str
    street: str

    def customer(self) -> Customer:
        dates = ()
        if self.born:
            year, month, day = self.born
            dates = (TypedDate(kind=TypedDateKind.BIRTH, year=year, month=month, day=day),)
        address = Address(region_code="CN", locality="上海", lines=(self.street,))
        return Customer(
            id="cus_1",
            kind=CustomerKind.PERSON,
            names=(PersonName(family=self.family, given=self.given),),
            dates=dates,
            contact_points=(phone(self.phone, region_code="CN"),) if self.phone else (),
            addresses=(address,) if self.street else (),
        ).create()[0]


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in text)


def written_again(person: Person, how: int) -> Person:
    """The same person as somebody else writes them down."""
    match how % 6:
        case 0:
            return replace(person, phone=full_width(person.phone), street=full_width(person.street))
        case 1:  # In pinyin, as on a card for foreigners.
            family, given = romanize(person.family, person.given).split(" ")
            return replace(person, family=fold(family).title(), given=fold(given).title(), street="")
        case 2:
            return replace(person, born=None)
        case 3:
            changed = "".join(HOMOPHONES.get(character, character) for character in person.given)
            return replace(person, given=changed, street="")
        case 4:
            return replace(person, phone="", born=(None, *person.born[1:]) if person.born else None)
        case _:
            return replace(person, phone="138" + person.phone[-8:], street="")


def town(seed: int) -> list[tuple[str, Person]]:
    """(who it is, how they are known)."""
    dice = random.Random(seed)

    def born() -> tuple[int | None, int, int]:
        return dice.randrange(1950, 2006), dice.randrange(1, 13), dice.randrange(1, 29)

    def somebody(family: str, number: str, street: str) -> Person:
        given = "".join(dice.sample(GIVEN, dice.choice((1, 2, 2))))
        return Person(family, given, born(), number, street)

    known: list[tuple[str, Person]] = []
    for house in range(250):
        family, number, street = dice.choice(FAMILIES), f"139{dice.randrange(10**8):08d}", f"南京东路{house + 1}号"
        members = [somebody(family, number, street) for _ in range(dice.choice((1, 2, 3)))]
        known += [(f"home {house} {n}", member) for n, member in enumerate(members)]
    known += [(f"desk {n}", somebody(dice.choice(FAMILIES), SWITCHBOARD, "浦东南路1000号")) for n in range(60)]
    known += [(f"zhang {n}", Person("张", "伟", born(), f"137{dice.randrange(10**8):08d}", "")) for n in range(60)]
    twice = [(who, written_again(person, n)) for n, (who, person) in enumerate(known) if who.startswith("home")]
    return [*known, *twice]


def proposed(people: list[tuple[str, Traits]]) -> dict[tuple[int, int], Band]:
    """Place of two → what the matcher thinks of them, as the candidate table does."""
    blocks: dict[str, list[int]] = defaultdict(list)
    for place, (_, traits) in enumerate(people):
        for key in blocking_keys(traits):
            blocks[key].append(place)
    crowded = {key for key, members in blocks.items() if len(members) > BLOCK}
    met = {pair for key, members in blocks.items() if key not in crowded for pair in combinations(members, 2)}
    bands = {(a, b): compare(people[a][1], people[b][1], crowded).band for a, b in met}
    return {pair: band for pair, band in bands.items() if band is not Band.UNLIKELY}


@pytest.mark.parametrize("seed", [7, 8])
def test_a_chinese_town_is_told_apart(seed: int) -> None:
    people = [(who, traits_of(person.customer())) for who, person in town(seed)]
    found = proposed(people)
    right = {pair for pair in found if people[pair[0]][0] == people[pair[1]][0]}
    twice = len(people) - len({who for who, _ in people})
    assert len(right) / twice >= 0.99
    assert len(right) / len(found) >= 0.95
    wrong_and_likely = [
        (people[a], people[b]) for (a, b), band in found.items() if (a, b) not in right and band is Band.LIKELY
    ]
    assert wrong_and_likely == [], "a family, an office and a common name are never likely to be one person"
