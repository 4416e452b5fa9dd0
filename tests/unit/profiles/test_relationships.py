"""Relationships and the guard against circles of reporting lines."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import FailedPrecondition, InvalidArgument, NotFound
from libs.chassis.paging import PageRequest
from libs.engine.store.memory import MemoryDatabase
from services.profiles.customers.application.relationships import Relationships
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.domain.relationships import (
    BuyingRole,
    Relationship,
    RelationshipType,
    Side,
    refuse_circle,
)
from services.profiles.identity.application.merges import Merges, Wish
from services.profiles.store import ProfilesStore
from tests.unit.profiles.builders import NOW, organisation, person
from tests.unit.profiles.conftest import As

REPORTS_TO = RelationshipType.REPORTS_TO


def relation(type: RelationshipType = REPORTS_TO, left: str = "a", right: str = "b", **fields: object) -> Relationship:
    return Relationship(id="", from_customer_id=left, to_customer_id=right, type=type, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("draft", "right", "field", "complaint"),
    [
        (
            relation(RelationshipType.EMPLOYED_BY),
            person(id="b"),
            "type",
            "from PERSON to ORGANISATION, not from PERSON",
        ),
        (relation(), organisation(id="b"), "type", "leads from PERSON to PERSON"),
        (relation(RelationshipType.MEMBER_OF_HOUSEHOLD), organisation(id="b"), "type", "to HOUSEHOLD"),
        (relation(RelationshipType.DECISION_ROLE), organisation(id="b"), "buying_role", "required there"),
        (relation(buying_role=BuyingRole.USER), person(id="b"), "buying_role", "is for DECISION_ROLE"),
        (relation(RelationshipType.REFERRED_BY), person(id="a"), "to_customer_id", "same customer"),
        (relation(), person(id="b").delete(NOW)[0], "to_customer_id", "is deleted"),
        (
            relation(valid_from_date=date(2026, 2, 1), valid_to_date=date(2026, 1, 1)),
            person(id="b"),
            "valid_to_date",
            "before the first day",
        ),
    ],
)
def test_wrong_relationships_are_refused_by_path(
    draft: Relationship, right: Customer, field: str, complaint: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        draft.add(person(id="a"), right)
    assert [v.field for v in refused.value.violations] == [f"relationship.{field}"]
    assert complaint in refused.value.violations[0].description


def test_ending_shortens_and_never_extends() -> None:
    lasting = relation(valid_from_date=date(2026, 1, 1))
    over, _ = lasting.end(date(2026, 3, 31))
    assert over.end(date(2026, 3, 31)) == (over, [])
    assert over.end(date(2026, 2, 28))[0].valid_to_date == date(2026, 2, 28)
    with pytest.raises(FailedPrecondition, match="already ended on 2026-03-31"):
        over.end(date(2026, 4, 1))
    with pytest.raises(InvalidArgument, match="before the first day"):
        lasting.end(date(2025, 12, 31))


def circle(line: Relationship, *lines: Relationship) -> bool:
    """Whether the line closes a circle with the others."""

    def lines_from(people: Collection[str]) -> list[Relationship]:
        return [each for each in lines if each.from_customer_id in people]

    try:
        refuse_circle(line, lines_from)
    except FailedPrecondition:
        return True
    return False


def test_circles_of_any_length_are_refused() -> None:
    chain = [relation(left=left, right=right) for left, right in ("ab", "bc", "cd")]
    assert circle(relation(left="d", right="a"), *chain)
    assert circle(relation(left="b", right="a"), *chain)
    assert not circle(relation(left="a", right="d"), *chain)


def test_a_circle_needs_a_day_on_which_all_lines_hold() -> None:
    first_half = {"valid_from_date": date(2026, 1, 1), "valid_to_date": date(2026, 6, 30)}
    second_half = {"valid_from_date": date(2026, 7, 1)}
    assert not circle(relation(left="b", right="a", **second_half), relation(left="a", right="b", **first_half))
    assert circle(relation(left="b", right="a", **second_half), relation(left="a", right="b"))
    lines = relation(left="b", right="c", **first_half), relation(left="c", right="a", **second_half)
    assert not circle(relation(left="a", right="b"), *lines)


def test_a_hierarchy_without_end_is_refused() -> None:
    lines = [relation(left=f"p{n}", right=f"p{n + 1}") for n in range(60)]
    with pytest.raises(FailedPrecondition, match="more than 50 levels"):
        refuse_circle(relation(left="x", right="p0"), lambda people: [e for e in lines if e.from_customer_id in people])


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=20))
def test_accepted_lines_never_hold_a_circle(pairs: list[tuple[int, int]]) -> None:
    accepted: list[Relationship] = []
    for left, right in pairs:
        line = relation(left=str(left), right=str(right))
        if left != right and not circle(line, *accepted):
            accepted.append(line)
    above: dict[str, set[str]] = {}
    for line in accepted:
        above.setdefault(line.from_customer_id, set()).add(line.to_customer_id)
    for start, superiors in above.items():
        seen, frontier = set(), superiors
        while frontier - seen:
            seen |= frontier
            frontier = set().union(*(above.get(each, set()) for each in frontier))
        assert start not in seen


def test_adding_ending_and_listing(store: ProfilesStore, database: MemoryDatabase, acting: As) -> None:
    relationships = Relationships(store.customers)
    ada, bob = (
        store.customers.customers.insert(person(id=store.customers.customers.next_id()).create()) for _ in range(2)
    )
    firm = store.customers.customers.insert(organisation(id=store.customers.customers.next_id()).create())
    relationships.add(relation(RelationshipType.EMPLOYED_BY, ada.id, firm.id, title=" CTO "))
    with acting(request_id="1"):
        line = relationships.add(relation(REPORTS_TO, ada.id, bob.id, valid_from_date=date(2026, 1, 1)))
    with acting(request_id="1"):
        assert relationships.add(relation(REPORTS_TO, ada.id, bob.id, valid_from_date=date(2026, 1, 1))) == line
    with pytest.raises(FailedPrecondition, match="is a superior of"):
        relationships.add(relation(REPORTS_TO, bob.id, ada.id))
    with pytest.raises(NotFound):
        relationships.add(relation(REPORTS_TO, bob.id, "cus_0"))

    def listed(id: str, side: Side = Side.FROM, filter: str = "", on: date | None = None) -> list[str]:
        return [e.type for e in relationships.list(id, PageRequest(), side=side, filter=filter, on=on).items]

    assert sorted(listed(ada.id)) == ["EMPLOYED_BY", "REPORTS_TO"]
    assert listed(firm.id, Side.TO) == ["EMPLOYED_BY"]
    assert listed(ada.id, filter="type = REPORTS_TO") == ["REPORTS_TO"]
    assert relationships.end(line.id, None, 1).valid_to_date == date(2026, 5, 4)
    assert listed(ada.id, on=date(2026, 5, 5)) == ["EMPLOYED_BY"]
    assert sorted(listed(ada.id, on=date(2026, 5, 4))) == ["EMPLOYED_BY", "REPORTS_TO"]
    assert relationships.add(relation(REPORTS_TO, bob.id, ada.id, valid_from_date=date(2026, 5, 5))).revision == 1
    told = [event.type for event in database.events() if "relationship" in event.type]
    assert told == ["kehu.profiles.relationship.changed.v1"] * 4
    assert store.customers.reporting_lines.get(store.customers.reporting_lines.id_of("tenant")).changes == 2


def test_titles_are_clean() -> None:
    assert relation(title=" CTO ").add(person(id="a"), person(id="b"))[0].title == "CTO"
    with pytest.raises(InvalidArgument, match="control characters"):
        replace(relation(), title="C\x00").add(person(id="a"), person(id="b"))


def test_a_merged_customer_is_shown_with_who_lives_on(store: ProfilesStore) -> None:
    relationships, merges = Relationships(store.customers), Merges(store.identity)
    ada, bob, twin = (
        store.customers.customers.insert(person(id=store.customers.customers.next_id()).create()) for _ in range(3)
    )
    relationships.add(relation(REPORTS_TO, ada.id, twin.id))
    record, _ = merges.merge(Wish(survivor_id=bob.id, loser_ids=(twin.id,)), "", {})

    def shown(id: str, side: Side) -> list[tuple[str, str, str, str]]:
        page = relationships.list(id, PageRequest(), side=side, filter="", on=None)
        return [(e.from_customer_id, e.from_survivor_id, e.to_customer_id, e.to_survivor_id) for e in page.items]

    assert shown(ada.id, Side.FROM) == [(ada.id, "", twin.id, bob.id)]
    assert shown(bob.id, Side.TO) == shown(twin.id, Side.TO) == shown(ada.id, Side.FROM)
    with pytest.raises(FailedPrecondition, match="is a superior of"):
        relationships.add(relation(REPORTS_TO, bob.id, ada.id))  # through the id that twin had
    merges.unmerge(record.id, "")
    assert shown(ada.id, Side.FROM) == [(ada.id, "", twin.id, "")]
    assert shown(bob.id, Side.TO) == []
    assert relationships.add(relation(REPORTS_TO, bob.id, ada.id)).from_customer_id == bob.id


def test_a_circle_that_a_merge_closed_stops_nobody_else(store: ProfilesStore) -> None:
    relationships = Relationships(store.customers)
    ada, bob, twin, carl = (
        store.customers.customers.insert(person(id=store.customers.customers.next_id()).create()) for _ in range(4)
    )
    line = relationships.add(relation(REPORTS_TO, ada.id, twin.id))
    relationships.add(relation(REPORTS_TO, bob.id, ada.id))
    Merges(store.identity).merge(Wish(survivor_id=bob.id, loser_ids=(twin.id,)), "", {})
    assert relationships.add(relation(REPORTS_TO, carl.id, ada.id)).id
    over = relationships.end(line.id, date(2026, 5, 4), 0)
    assert (over.to_customer_id, over.to_survivor_id) == (twin.id, bob.id)
    assert store.customers.relationships.get(line.id).to_survivor_id == "", "and what is kept is as it was recorded"


def test_who_lives_on_cannot_be_typed_in() -> None:
    made, _ = relation(from_survivor_id="x", to_survivor_id="y").add(person(id="a"), person(id="b"))
    assert (made.from_survivor_id, made.to_survivor_id) == ("", "")
