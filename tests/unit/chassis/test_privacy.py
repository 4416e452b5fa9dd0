"""Masks: what the declarations of a proto make of a response, in every form a field can have."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from kehu.common.v1.options_pb2 import Personal

from libs.chassis import privacy
from libs.chassis.privacy import EVERY_CLASS, hidden_from, mask_contact_point, mask_name, masked
from libs.engine.rpc.shown import Exit
from tests.support.lab import lab

CANARY = "Zanzibar"
NUMBER = f"+86{CANARY}42"


def somebody(**inside: Any) -> Any:
    """A person with a canary in every field that is not shown to everybody."""
    person = lab().Person(
        id="p",
        name=CANARY,
        aliases=[CANARY, CANARY],
        raw=CANARY,
        canonical=NUMBER,
        numbers={"home": NUMBER, "none": ""},
        lines=[CANARY, CANARY],
        town="Shanghai",
        year=1990,
        picture=CANARY.encode(),
        note="likes tea",
        feature="FEATURE_NAME",
        evidence=CANARY,
        secret=lab().Person(note=CANARY),
        **inside,
    )
    person.packed.Pack(lab().Person(name=CANARY))
    return person


def whole() -> Any:
    """A person with others inside, in every way."""
    return somebody(parent=somebody(children=[somebody()]), children=[somebody()], friends={"ann": somebody()})


def exit_of(name: str) -> Exit:
    """The exit of a method of the lab."""
    return Exit(lab().DESCRIPTOR.services_by_name["PeopleService"].methods_by_name[name])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("+8613112345678", "+86•••••78"),
        ("ada@example.com", "a•••••@example.com"),
        ("wechat:ada_l", "wechat:a•••••"),
        ("5f1e0c", "•••••"),
    ],
)
def test_just_enough_is_left_to_recognize_a_contact_point(value: str, shown: str) -> None:
    assert mask_contact_point(value) == shown
    assert mask_contact_point(shown) == shown


@given(st.text(min_size=1, max_size=30))
def test_a_masked_name_tells_its_first_letter_alone(name: str) -> None:
    assert mask_name(name) == f"{name[0]}•••••"


def test_every_class_is_opened_by_its_scope_and_by_those_above() -> None:
    assert {privacy.Personal.Class.Name(each) for each in EVERY_CLASS} == {"NAMES", "CONTACTS", "ADDRESSES", "DATES"}
    for scopes in ({"*"}, {"profiles.*"}):
        assert hidden_from(frozenset(scopes)) == frozenset()
    for each in EVERY_CLASS:
        name = Personal.Class.Name(each).lower()
        for scope in (f"profiles.{name}.read", f"profiles.{name}.*"):
            assert hidden_from(frozenset({scope, "interactions.*"})) == EVERY_CLASS - {each}


def test_nothing_hidden_is_left_at_any_depth() -> None:
    person = whole()
    before = person.SerializeToString(deterministic=True)
    shown = masked(person, EVERY_CLASS)
    assert CANARY.encode() not in shown.SerializeToString()
    assert b"1990" not in str(shown).encode()
    assert person.SerializeToString(deterministic=True) == before, "others may be shown the same message in full"


def test_each_form_has_its_mask() -> None:
    shown = masked(whole(), EVERY_CLASS).friends["ann"]
    assert (shown.name, list(shown.aliases)) == ("Z•••••", ["Z•••••"])
    assert (shown.raw, shown.canonical) == ("+86•••••42", "+86•••••42")
    assert dict(shown.numbers) == {"home": "+86•••••42", "none": ""}
    assert list(shown.lines) == ["•••••"], "nobody counts lines of dots"
    assert (shown.town, shown.note) == ("Shanghai", "likes tea")
    assert (shown.HasField("year"), shown.picture, shown.HasField("secret")) == (False, b"", False)
    packed = lab().Person()
    assert shown.packed.Unpack(packed)
    assert packed.name == "Z•••••"


@pytest.mark.parametrize(("feature", "shown"), [("NAME", "+•••••"), ("PHONE", "+86•••••42"), ("SHOP", NUMBER)])
def test_a_value_beside_tells_the_class(feature: str, shown: str) -> None:
    person = lab().Person(feature=f"FEATURE_{feature}", evidence=NUMBER)
    assert masked(person, EVERY_CLASS).evidence == shown


def test_the_class_of_a_value_that_a_newer_release_added_is_nobodys_to_know() -> None:
    person = lab().Person.FromString(lab().Person(evidence=NUMBER).SerializeToString() + b"\x60\x63")
    assert (person.feature, masked(person, EVERY_CLASS).evidence) == (99, "•••••")


def test_one_class_is_hidden_and_no_other() -> None:
    shown, person = masked(whole(), frozenset({Personal.CONTACTS})), whole()
    assert (shown.name, shown.lines, shown.year) == (person.name, person.lines, person.year)
    assert (shown.raw, shown.parent.canonical, shown.parent.name) == ("+86•••••42", "+86•••••42", CANARY)


def test_what_is_empty_stays_so_and_what_is_not_personal_is_not_copied() -> None:
    assert masked(lab().Person(id="p"), EVERY_CLASS) == lab().Person(id="p")
    thing = lab().Thing(text=CANARY)
    assert masked(thing, EVERY_CLASS) is thing
    assert masked(whole(), frozenset()) == whole()


def test_of_what_nobody_knows_nothing_is_shown() -> None:
    person = lab().Person()
    person.packed.type_url, person.packed.value = "type.googleapis.com/lab.v1.Unknown", CANARY.encode()
    assert masked(person, EVERY_CLASS) == lab().Person(packed={})


def test_the_exit_of_a_method_asks_the_scopes() -> None:
    shown: Message = exit_of("GetPerson")(somebody(), frozenset({"lab.people.read"}))
    assert shown == masked(somebody(), EVERY_CLASS)
    assert exit_of("GetPerson")(somebody(), frozenset({"lab.people.read", "profiles.*"})) == somebody()


def test_a_method_may_open_what_it_declares_and_no_more() -> None:
    called = exit_of("CallPerson")(somebody(), frozenset())
    assert (called.canonical, called.name) == (NUMBER, "Z•••••")
    request = lab().GetPersonRequest(classes=[Personal.NAMES, Personal.DATES])
    revealed = exit_of("RevealPerson")(somebody(), frozenset(), request)
    assert (revealed.name, revealed.year, revealed.canonical) == (CANARY, 1990, "+86•••••42")
    assert exit_of("GetPerson")(somebody(), frozenset(), request) == masked(somebody(), EVERY_CLASS)
