"""Personal values: what is sealed, what still works while it is, and what is left when a key is destroyed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kehu.common.v1.envelope_pb2 import Envelope

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.domain import AlreadyExists, Entity, Sealed
from libs.chassis.filtering import field
from libs.chassis.inbox import Subscription
from libs.chassis.store import BlindIndexes, Collection, Index
from libs.engine.inbox.decoding import decode, opened
from libs.engine.sealing import Keyring, KeyringError, Masters, MemoryKeyring, personal
from libs.engine.sealing.keyring import PAGE, REMEMBERED
from libs.engine.sealing.personal import Tree, join, split
from libs.engine.store.memory import MemoryCollection, MemoryDatabase
from tests.support.lab import lab
from tests.support.ledger import Account, events_pb2

CANARY = "Zanzibar-7731"
BLIND: BlindIndexes = {"holder": lambda account: filter(None, [account.holder])}
HOLDER = Index(("_blind.holder",), unique=True, only=field("_blind.holder").exists(), taken="the holder is taken")


@pytest.fixture
def database() -> Iterator[MemoryDatabase]:
    with context.enter(Context(tenant="acme", actor="ann")):
        yield MemoryDatabase("ledger")


@pytest.fixture
def accounts(database: MemoryDatabase) -> Collection[Account]:
    return database.collection(Account, "accounts", indexes=[HOLDER], blind=BLIND)


def account(holder: str = CANARY, **fields: Any) -> Account:
    return Account(id=identity.new_id("acc"), name="main", holder=holder, **fields)


def stored(accounts: Collection[Account], id: str) -> dict[str, Any]:
    """The document as it lies in the store, with the events that wait in it."""
    assert isinstance(accounts, MemoryCollection)
    return accounts.documents[id]


def renamed(holder: str) -> Any:
    return lambda each: replace(each, holder=holder).open()


# ------------------------------------------------------------------------------------------------------- the keyring


def test_a_key_opens_what_it_sealed_and_only_about_the_same_thing() -> None:
    key = MemoryKeyring().take("acme")
    sealed = key.seal(b"Ada", "acme\0cus_1")
    assert key.open(sealed, "acme\0cus_1") == b"Ada"
    for about in ("acme\0cus_2", "other\0cus_1", ""):
        with pytest.raises(KeyringError, match="was altered"):
            key.open(sealed, about)
    with pytest.raises(KeyringError, match="was altered"):
        key.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), "acme\0cus_1")


def test_no_two_keys_are_the_same_and_pages_are_made_when_needed() -> None:
    keyring = MemoryKeyring()
    keys = [keyring.take("acme") for _ in range(PAGE + 1)]
    assert len({key.id for key in keys}) == PAGE + 1
    assert len(keyring.pages) == 2
    assert len({wrapped for page in keyring.pages.values() for wrapped in page}) == 2 * PAGE
    for key in keys:
        found = keyring.find("acme", [key.id])[key.id]
        assert found is not None
        assert found.open(key.seal(b"x", ""), "") == b"x"


def test_another_tenant_and_another_master_key_open_nothing() -> None:
    keyring = MemoryKeyring()
    key = keyring.take("acme")
    with pytest.raises(KeyringError, match="missing"):
        MemoryKeyring().find("acme", [key.id])
    with pytest.raises(KeyringError, match="missing"):
        keyring.find("other", [key.id])
    keyring.pages = {("other", page): wrapped for (_, page), wrapped in keyring.pages.items()}
    with pytest.raises(KeyringError, match="altered"):
        keyring.find("other", [key.id])
    keyring.pages = {("acme", page): wrapped for (_, page), wrapped in keyring.pages.items()}
    thief = MemoryKeyring(b"x" * 32)
    thief.pages = keyring.pages
    with pytest.raises(KeyringError, match="altered"):
        thief.find("acme", [key.id])
    with pytest.raises(KeyringError, match=r"seal\.key is missing"):
        MemoryKeyring(b"").take("acme")


def test_a_destroyed_key_is_erased_and_a_lost_page_is_not() -> None:
    keyring = MemoryKeyring()
    one, other = keyring.take("acme"), keyring.take("acme")
    assert keyring.destroy("acme", [one.id]) == 1
    found = keyring.find("acme", [one.id, other.id])
    assert found[one.id] is None
    assert found[other.id] is not None
    assert keyring.destroy("acme", [one.id]) == 0
    with pytest.raises(KeyringError, match="missing: restore it, nothing was erased"):
        keyring.find("acme", ["gone.0"])


def test_a_key_destroyed_elsewhere_serves_for_seconds_only() -> None:
    now = [0.0]
    here = MemoryKeyring(clock=lambda: now[0])
    there = MemoryKeyring()
    there.pages = here.pages
    key = here.take("acme")
    there.destroy("acme", [key.id])
    now[0] = REMEMBERED - 0.1
    assert here.find("acme", [key.id])[key.id] is not None
    now[0] = REMEMBERED
    assert here.find("acme", [key.id]) == {key.id: None}


def test_tokens_tell_equal_values_and_nothing_else() -> None:
    keyring: Keyring = MemoryKeyring()
    token = keyring.blind_index("acme", "phone", "+8613812345678")
    assert token == keyring.blind_index("acme", "phone", "+8613812345678")
    others = [("acme", "phone", "+8613812345679"), ("acme", "mail", "+8613812345678"), ("b", "phone", "+8613812345678")]
    assert token not in [keyring.blind_index(*other) for other in others]
    assert token != MemoryKeyring(b"x" * 32).blind_index("acme", "phone", "+8613812345678")


OLD, NEW = b"o" * 32, b"n" * 32


def processes(of: MemoryKeyring) -> Callable[..., MemoryKeyring]:
    """More processes on the same keyring, with other master keys."""

    def start(current: bytes, old: bytes = b"", next: bytes = b"") -> MemoryKeyring:
        started = MemoryKeyring(Masters(current, old, next))
        started.pages, started.marks, started.secrets = of.pages, of.marks, of.secrets
        return started

    return start


def test_a_master_key_is_replaced_while_everything_goes_on() -> None:
    before = MemoryKeyring(OLD)
    start = processes(before)
    key, doomed = before.take("acme"), before.take("acme")
    sealed, token = key.seal(b"x", "y"), before.blind_index("acme", "phone", "1")

    def reads(keyring: MemoryKeyring, key_id: str, sealed: bytes) -> bool:
        found = keyring.find("acme", [key_id])[key_id]
        return (
            found is not None and found.open(sealed, "y") == b"x" and keyring.blind_index("acme", "phone", "1") == token
        )

    knows_next, took_it = start(OLD, next=NEW), start(NEW, old=OLD)
    fresh = took_it.take("acme")
    for other in (knows_next, took_it):  # each process reads what any of the others wrote
        assert reads(other, key.id, sealed)
        assert reads(other, fresh.id, fresh.seal(b"x", "y"))
    with pytest.raises(KeyringError, match="was altered"):
        before.find("acme", [fresh.id])  # why the next key has to be known everywhere before it is taken
    knows_next.destroy("acme", [doomed.id])
    assert took_it.rotate() == 1
    assert took_it.rotate() == 0
    after = start(NEW)
    assert reads(after, key.id, sealed)
    assert after.find("acme", [doomed.id]) == {doomed.id: None}
    with pytest.raises(KeyringError):
        start(OLD).find("acme", [key.id])
    assert reads(start(b"3" * 32, old=NEW), key.id, sealed)  # and once more


def test_tokens_of_a_tenant_that_is_new_during_a_rotation_stay_as_they_are() -> None:
    start = processes(MemoryKeyring(OLD))
    token = start(OLD, next=NEW).blind_index("late", "phone", "1")
    assert start(NEW, old=OLD).blind_index("late", "phone", "1") == token
    assert start(OLD, next=NEW).blind_index("late", "phone", "1") == token
    assert start(NEW).blind_index("late", "phone", "1") == token


def test_a_page_that_changes_while_it_is_wrapped_anew_is_left_for_the_next_time() -> None:
    old = MemoryKeyring(OLD)
    keys = [old.take("acme") for _ in range(2)]
    new = processes(old)(NEW, old=OLD)
    for _, page, seen in list(new._pages_not_under(new._mark)):
        old.destroy("acme", [keys[0].id])
        new._replace("acme", page, seen, [b"resurrected"] * PAGE, new._mark)
    assert new.find("acme", [keys[0].id]) == {keys[0].id: None}
    assert new.rotate() == 1
    assert new.find("acme", [keys[0].id]) == {keys[0].id: None}


# ------------------------------------------------------------------------------------------------- what is personal

VALUES = st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=3)
DOCUMENTS = st.fixed_dictionaries(
    {"a": VALUES, "b": st.fixed_dictionaries({"c": VALUES, "d": VALUES})}, optional={"e": VALUES}
)


TREES: st.SearchStrategy[Tree] = st.fixed_dictionaries(
    {}, optional={"a": st.none(), "b": st.fixed_dictionaries({}, optional={"c": st.none()}), "e": st.none()}
)


@given(DOCUMENTS, TREES)
def test_what_is_taken_out_comes_back(document: dict[str, Any], within: Tree) -> None:
    public, private = split(document, within, {})
    assert join(public, private) == document
    assert not {name for name, inside in within.items() if inside is None} & public.keys()
    assert "b" not in within or not (within["b"] or {}).keys() & public["b"].keys()


class Mood(StrEnum):
    GOOD = "GOOD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The dataclass of a message that declares nearly all of its fields."""

    id: str
    name: str
    year: int = 0
    mood: Sealed[Mood]
    parent: Person | None = None
    children: tuple[Person, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Household(Entity):
    """An entity without a message."""

    first: Person
    others: tuple[Person, ...] = ()
    keys: Sealed[tuple[str, ...]]
    head: Sealed[Person]
    size: int


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(personal, "messages_of", lambda _: {"Person": lab().Person.DESCRIPTOR})


@pytest.mark.usefixtures("people")
def test_what_is_personal_follows_from_protos_and_types() -> None:
    one = {"name": None, "year": None, "mood": None, "parent": None, "children": None}
    assert personal.declared(Household, "lab") == {"first": one, "others": None, "keys": None, "head": None}


def test_what_is_personal_in_a_message_follows_from_its_proto() -> None:
    found = personal.declared_in_message(lab().Person.DESCRIPTOR)
    fields = {each.name for each in lab().Person.DESCRIPTOR.fields}
    assert found == dict.fromkeys(fields - {"id", "feature", "packed"})


@pytest.mark.usefixtures("people")
def test_a_field_without_default_has_a_blank_when_it_was_erased() -> None:
    database = MemoryDatabase("lab")
    with context.enter(Context(tenant="acme", actor="ann")):
        homes = database.collection(Household, "households", publishes=False)
        ada = Person(id="p", name=CANARY, year=1990, mood=Mood.GOOD)
        home = Household(id="hou_1", first=ada, others=(ada,), keys=(CANARY,), head=ada, size=2)
        homes.insert((home, []))
        assert homes.get("hou_1").others == (ada,)
        homes.erase(["hou_1"])
        left = homes.get("hou_1")
        nobody = Person(id="", name="", mood=Mood.GOOD)
        assert (left.first, left.head) == (replace(nobody, id="p"), nobody)
        assert (left.others, left.keys, left.size) == ((), (), 2)


def test_an_index_on_what_is_sealed_is_refused() -> None:
    with pytest.raises(ValueError, match="Account: -holder is sealed; look it up by a blind index"):
        MemoryDatabase("ledger").collection(Account, "accounts", indexes=[Index(("balance",)), Index(("-holder",))])


def test_a_number_without_default_cannot_be_sealed() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Odd(Entity):
        amount: Sealed[Decimal]

    with pytest.raises(TypeError, match="Odd: amount cannot be sealed without a default"):
        MemoryDatabase("ledger").collection(Odd, "odd")


# --------------------------------------------------------------------------------------------- documents and events


def test_nothing_personal_is_ever_stored_or_sent_in_clear(accounts: Collection[Account]) -> None:
    id = accounts.insert(account().open()).id
    accounts.update(id, renamed(f"{CANARY}-2"))
    assert CANARY not in repr(stored(accounts, id))
    assert accounts.get(id).holder == f"{CANARY}-2"


def test_what_is_sealed_is_found_by_its_token(accounts: Collection[Account]) -> None:
    mine, other = accounts.insert(account().open()), accounts.insert(account("Li").open())
    where = field("_blind.holder") == accounts.blind_index("holder", CANARY)
    assert accounts.find(where, limit=9) == [mine]
    accounts.update(mine.id, renamed("Wu"))
    assert accounts.find(where, limit=9) == []
    with pytest.raises(AlreadyExists, match="the holder is taken"):
        accounts.update(other.id, renamed("Wu"))
    with pytest.raises(ValueError, match="no blind index 'balance'"):
        accounts.blind_index("balance", "1")


def test_a_sealed_document_moved_to_another_id_is_refused(accounts: Collection[Account]) -> None:
    one, other = accounts.insert(account().open()), accounts.insert(account("Li").open())
    stored(accounts, other.id)["_sealed"] = stored(accounts, one.id)["_sealed"]
    with pytest.raises(KeyringError, match="was altered"):
        accounts.get(other.id)


def test_an_erased_entity_is_a_skeleton_to_every_reader(
    database: MemoryDatabase, accounts: Collection[Account]
) -> None:
    made = accounts.insert(account(balance=7).open())
    assert accounts.erase([made.id]) == 1
    assert accounts.get(made.id) == replace(made, holder="")
    assert accounts.batch_get([made.id])[0].balance == 7
    [event] = database.events()
    told = events_pb2.AccountOpened.FromString(event.data).account
    assert (told.id, told.balance, told.holder) == (made.id, 7, "")


def test_a_change_after_erasure_leaves_no_trace_and_begins_anew(accounts: Collection[Account]) -> None:
    id = accounts.insert(account().open()).id
    accounts.erase([id])
    accounts.update(id, lambda each: replace(each, balance=1).open())
    assert (stored(accounts, id)["_sealed"], stored(accounts, id)["_blind"]) == ({}, {})
    accounts.update(id, renamed("somebody new"))
    assert accounts.get(id).holder == "somebody new"
    assert accounts.erase([id]) == 1


def test_a_document_emptied_of_personal_values_keeps_the_key_of_its_past(
    database: MemoryDatabase, accounts: Collection[Account]
) -> None:
    id = accounts.insert(account().open()).id
    accounts.update(id, renamed(""))
    assert accounts.erase([id]) == 1
    assert [events_pb2.AccountOpened.FromString(event.data).account.holder for event in database.events()] == ["", ""]


def test_events_reach_their_handler_opened_and_without_what_was_erased(
    database: MemoryDatabase, accounts: Collection[Account]
) -> None:
    listening = Subscription(name="test", listens=[events_pb2.AccountOpened], handle=print)
    ids = [accounts.insert(account(f"{CANARY}-{n}").open()).id for n in range(2)]
    bodies = [waiting["body"] for id in ids for waiting in stored(accounts, id)["_pending"]]
    assert all(CANARY.encode() not in body for body in bodies)
    received = [decode(listening, body) for body in bodies]
    assert [event.message.account.holder for event in received] == ["", ""]  # type: ignore[attr-defined]
    accounts.erase(ids[:1])
    whole = opened(database.vault, received)
    assert [event.message.account.holder for event in whole] == ["", f"{CANARY}-1"]  # type: ignore[attr-defined]


def test_an_event_with_the_seal_of_another_is_refused(database: MemoryDatabase, accounts: Collection[Account]) -> None:
    id = accounts.insert(account().open()).id
    envelope = Envelope.FromString(stored(accounts, id)["_pending"][0]["body"])
    envelope.id = "acc_x:1:0"
    with pytest.raises(KeyringError, match="was altered"):
        database.vault.open_envelopes([envelope])
