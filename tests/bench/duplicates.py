"""Figures of duplicates: a check while the register grows a hundredfold, and comparing all who were loaded."""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from kehu.profiles.v1.customer_pb2 import Customer as CustomerMessage

from libs.client import Client
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.domain.pinyin import romanize
from services.profiles.identity.application.duplicates import Duplicates
from services.profiles.identity.domain.duplicates import BlockingKeys
from services.profiles.identity.domain.traits import blocking_keys, traits_of
from services.profiles.store import ProfilesStore
from tests.bench.figures import Figure
from tests.bench.people import People, Person
from tests.bench.sizes import sealed
from tests.bench.stage import Stage, clocked

TENANT = "meeting"
COLLECTIONS = ("customers", "blocking_keys")
_CALLS = 200
_BATCH = 250
"""Events of one batch of the inbox."""
_NEW = 90_000_000
"""The number of the first who is not in the register."""


def duplicates(stage: Stage) -> list[Figure]:
    """People with the names of a real city, where most names are shared by many."""
    few, many = (1_000, 100_000) if stage.quick else (10_000, 1_000_000)
    many = stage.customers or many
    with stage.system.client(TENANT, timeout=30) as client, stage.profiles(TENANT) as store:
        made = client.profiles.create_customer(customer=_message(People().person(_NEW - 1)))
        town = _Town(store.customers.customers.get(made.id), People())
        town.settle(stage, store, 0, few)
        before = _check(client)
        town.settle(stage, store, few, many)
        after = _check(client)
        ours, bare = _compare(store, town, many)
    return [
        Figure.growth(f"Duplicate check of a new customer, ms with {many:,}, was {few:,}", before, after, most=1.5),
        Figure.ratio(
            f"compared in the background with {many:,}, customers/s",
            "PyMongo: read them, insert their keys",
            {"ours": ours, "bare": bare},
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Town:
    """Customers made after one that the service itself has made."""

    template: Customer
    people: People

    def settle(self, stage: Stage, store: ProfilesStore, start: int, end: int) -> None:
        """Puts the people numbered from `start` to `end` into the collections, with the keys that they meet under."""
        with stage.loading(*COLLECTIONS) as database:
            for first in range(start, end, 5_000):
                customers = [self.customer(number) for number in range(first, min(first + 5_000, end))]
                keys = [self.keys(each) for each in customers]
                for name, entities in zip(COLLECTIONS, (customers, keys), strict=True):
                    database[name].insert_many(sealed(store, name, entities), ordered=False)

    def customer(self, number: int) -> Customer:
        """The customer of a number. Searching finds nobody, which is not the point here."""
        person, made = self.people.person(number), self.template
        name = romanize(person.family, person.given)
        return replace(
            made,
            id=f"{made.id[:-8]}{number:08d}",
            display_name=person.family + person.given,
            names=(replace(made.names[0], family=person.family, given=person.given, pinyin=name),),
            contact_points=(replace(made.contact_points[0], raw=person.phone, canonical=f"+86{person.phone}"),),
            addresses=(replace(made.addresses[0], locality=person.locality, lines=(person.line,)),),
            dates=(replace(made.dates[0], year=person.born.year, month=person.born.month, day=person.born.day),),
            search_keys=(),
        )

    @staticmethod
    def keys(customer: Customer) -> BlockingKeys:
        """What a customer meets others under."""
        return BlockingKeys(
            id=customer.id,
            revision=1,
            create_time=customer.create_time,
            update_time=customer.create_time,
            source_revision=customer.revision,
            keys=blocking_keys(traits_of(customer)),
        )


def _check(client: Client) -> float:
    """Milliseconds of a check of somebody new, the best of several medians, since only noise adds."""
    dice, people = random.Random(7), People()
    drafts = [_message(people.person(_NEW + dice.randrange(10**6))) for _ in range(_CALLS)]
    check = client.profiles.find_duplicates
    return 1000 * min(statistics.median(clocked(partial(check, draft=each)) for each in drafts) for _ in range(3))


def _compare(store: ProfilesStore, town: _Town, size: int) -> tuple[float, float]:
    """Customers per second, ours and bare, of batches that are new to the register."""
    count = 8 * _BATCH
    newcomers = [town.customer(size + number) for number in range(count)]
    raw: Any = store.customers.customers
    raw.raw.insert_many(sealed(store, "customers", newcomers))
    ids = [each.id for each in newcomers]
    keys = sealed(store, "blocking_keys", [town.keys(each) for each in newcomers])
    compare, bare = Duplicates(store.identity).look_again, raw.raw.database["bare_keys"]

    def baseline(first: int) -> None:
        found = list(raw.raw.find({"_id": {"$in": ids[first : first + _BATCH]}}))
        bare.insert_many(keys[first : first + len(found)], ordered=False)

    def ours(first: int) -> None:
        with store.database.transaction():
            compare(ids[first : first + _BATCH])

    starts = range(0, count, _BATCH)
    seconds = [(clocked(partial(ours, first)), clocked(partial(baseline, first))) for first in starts]
    mine, theirs = (sorted(side)[len(side) // 2] for side in zip(*seconds, strict=True))
    return _BATCH / mine, _BATCH / theirs


def _message(person: Person) -> CustomerMessage:
    message = CustomerMessage(kind=CustomerMessage.Kind.KIND_PERSON)
    message.names.add(family=person.family, given=person.given)
    message.contact_points.add(type="TYPE_PHONE", raw=person.phone, region_code="CN")
    message.addresses.add(region_code="CN", locality=person.locality, lines=[person.line])
    message.dates.add(kind="KIND_BIRTH", year=person.born.year, month=person.born.month, day=person.born.day)
    return message
