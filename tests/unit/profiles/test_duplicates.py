"""The candidate table: kept up to date customer by customer, and decided by people."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from libs.chassis.domain import FailedPrecondition, InvalidArgument
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.domain.customers import Customer, CustomerKind
from services.profiles.customers.domain.dates import TypedDate, TypedDateKind
from services.profiles.customers.domain.names import PersonName
from services.profiles.identity.application.duplicates import LARGEST_BLOCK, MOST_COMPARED, Duplicates
from services.profiles.identity.domain.duplicates import Decision, DuplicateCandidate, DuplicateState
from services.profiles.identity.domain.matching import Band, Feature, compare
from services.profiles.identity.domain.traits import blocking_keys, traits_of
from services.profiles.store import ProfilesStore
from tests.unit.profiles.builders import NOW, person, phone
from tests.unit.profiles.test_matching_chinese import town


@pytest.fixture
def duplicates(store: ProfilesStore) -> Duplicates:
    return Duplicates(store.identity)


@pytest.fixture
def customers(store: ProfilesStore) -> Customers:
    return Customers(store.customers)


def born(year: int = 1815, month: int = 12, day: int = 10) -> tuple[TypedDate, ...]:
    return (TypedDate(kind=TypedDateKind.BIRTH, year=year, month=month, day=day),)


def ada(given: str = "Ada", family: str = "Lovelace", **fields: Any) -> Customer:
    return person(names=(PersonName(given=given, family=family),), **{"dates": born(), **fields})


def create(customers: Customers, duplicates: Duplicates, draft: Customer) -> Customer:
    made = customers.create(draft)
    duplicates.look_again([made.id])
    return made


def pairs(store: ProfilesStore) -> list[DuplicateCandidate]:
    return store.identity.candidates.find(None, order="-score", limit=100)


def test_a_new_customer_meets_who_is_alike_and_nobody_else(
    store: ProfilesStore, customers: Customers, duplicates: Duplicates
) -> None:
    first = create(customers, duplicates, ada())
    create(customers, duplicates, ada("Charles", "Babbage", dates=born(1791, 12, 26)))
    second = create(customers, duplicates, ada(family="Lovelaze"))
    [pair] = pairs(store)
    assert pair.customer_ids == tuple(sorted((first.id, second.id)))
    assert (pair.state, pair.band) == (DuplicateState.OPEN, Band.LIKELY)
    assert pair.evidence[0].feature is Feature.BIRTH
    found = duplicates.find(first.id)
    assert [customer.id for customer, _ in found.duplicates] == [second.id]
    assert found.duplicates[0][1].score == pair.score


def test_a_draft_is_looked_for_before_it_is_created(customers: Customers, duplicates: Duplicates) -> None:
    first = create(customers, duplicates, ada())
    found = duplicates.find_for_draft(ada(contact_points=(phone("１３１ ２３４５ ６７８９", region_code="CN"),)))
    assert [customer.id for customer, _ in found.duplicates] == [first.id]


def test_a_wrong_draft_is_told_where_the_caller_wrote_it(duplicates: Duplicates) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        duplicates.find_for_draft(Customer(id="", kind=CustomerKind.PERSON, contact_points=(phone("12"),)))
    assert refusal.value.violations[0].field == "draft.contact_points[0].raw"


def test_news_told_twice_or_late_change_nothing(
    store: ProfilesStore, customers: Customers, duplicates: Duplicates
) -> None:
    first, second = create(customers, duplicates, ada()), create(customers, duplicates, ada())
    before = pairs(store)
    duplicates.look_again([second.id, first.id, second.id])
    assert pairs(store) == before


def test_a_pair_lapses_when_it_is_no_longer_alike_and_comes_back(
    store: ProfilesStore, customers: Customers, duplicates: Duplicates
) -> None:
    create(customers, duplicates, ada())
    second = create(customers, duplicates, ada())

    def become(draft: Customer) -> DuplicateState:
        customers.update(second.id, lambda now: replace(now, names=draft.names, dates=draft.dates), 0)
        duplicates.look_again([second.id])
        return pairs(store)[0].state

    assert become(ada("Charles", "Babbage", dates=born(1791, 12, 26))) is DuplicateState.LAPSED
    assert become(ada()) is DuplicateState.OPEN
    customers.delete(second.id, 0)
    duplicates.look_again([second.id])
    assert pairs(store)[0].state is DuplicateState.LAPSED
    customers.undelete(second.id, 0)
    duplicates.look_again([second.id])
    assert pairs(store)[0].state is DuplicateState.OPEN


def test_a_rejection_is_remembered(store: ProfilesStore, customers: Customers, duplicates: Duplicates) -> None:
    first, second = create(customers, duplicates, ada()), create(customers, duplicates, ada())
    rejected = duplicates.decide(pairs(store)[0].id, Decision.REJECT, "twins", 0)
    assert (rejected.state, rejected.decider, rejected.reason) == (DuplicateState.REJECTED, "ada", "twins")
    duplicates.look_again([first.id, second.id])
    assert pairs(store)[0].state is DuplicateState.REJECTED
    assert duplicates.find(first.id).duplicates == []
    duplicates.decide(rejected.id, Decision.REOPEN, "", rejected.revision)
    assert len(duplicates.find(first.id).duplicates) == 1


def test_a_merged_pair_is_not_decided_again() -> None:
    pair = DuplicateCandidate(
        id="dup_1", customer_ids=("cus_1", "cus_2"), state=DuplicateState.MERGED, merge_id="mrg_1"
    )
    with pytest.raises(FailedPrecondition, match="mrg_1"):
        pair.decide(Decision.REJECT, decider="ada", reason="", at=NOW)


def test_a_switchboard_is_skipped_and_counted(
    store: ProfilesStore, customers: Customers, duplicates: Duplicates
) -> None:
    office = (phone(),)
    staff = [
        ada(f"Given{chr(97 + i % 26)}{i}", f"F{i}x", dates=(), contact_points=office) for i in range(LARGEST_BLOCK + 1)
    ]
    made = [customers.create(each) for each in staff]
    duplicates.look_again([each.id for each in made])
    found = duplicates.find_for_draft(ada(contact_points=office))
    assert (found.duplicates, found.crowded_count) == ([], 1)
    [match] = duplicates.matches(made[0], [made[1]])
    assert {each.feature: each.weight for each in match.evidence}[Feature.PHONE] == 0
    assert pairs(store) == []


def test_the_work_for_one_customer_is_bounded(customers: Customers, duplicates: Duplicates) -> None:
    """However many are alike: keys that too many share are not followed, and of the others the nearest are compared."""
    crowd = [customers.create(ada("Ann", f"Lee{i}", dates=born(1900 + i % 90, 1 + i % 12))) for i in range(300)]
    duplicates.look_again([each.id for each in crowd])
    found = duplicates.find_for_draft(ada("Ann", "Lee1", dates=born(1901, 2)))
    assert found.compared_count <= MOST_COMPARED
    assert found.duplicates, "the one of the same name and day"


def test_two_who_are_new_in_one_batch_meet(store: ProfilesStore, customers: Customers, duplicates: Duplicates) -> None:
    made = [customers.create(ada()), customers.create(ada())]
    duplicates.look_again([each.id for each in made])
    assert len(pairs(store)) == 1


def test_a_town_in_the_background_is_compared_as_if_everything_of_everybody_were(
    store: ProfilesStore, customers: Customers, duplicates: Duplicates
) -> None:
    """The same pairs, scores and reasons as when every two who share a key are compared in full."""
    people = [each for who, each in town(7) if who.startswith(("zhang", "home 10", "home 11"))]
    made = [customers.create(each.customer()) for each in people]
    blocks: dict[str, list[str]] = defaultdict(list)
    for each in made:
        for key in blocking_keys(traits_of(each)):
            blocks[key].append(each.id)
    crowded = {key for key, members in blocks.items() if len(members) > LARGEST_BLOCK}
    near = {pair for key in blocks.keys() - crowded for pair in combinations(sorted(blocks[key]), 2)}
    traits = {each.id: traits_of(each) for each in made}
    full = {(left, right): compare(traits[left], traits[right], crowded) for left, right in near}
    expected = {ids: (m.score, m.band, m.evidence) for ids, m in full.items() if m.band is not Band.UNLIKELY}
    duplicates.look_again([each.id for each in made])
    found = store.identity.candidates.find(None, order="-score", limit=10_000)
    assert {each.customer_ids: (each.score, each.band, each.evidence) for each in found} == expected
    assert len(expected) > 20
    assert crowded
