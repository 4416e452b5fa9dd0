"""The laws of idempotency: one suite, run on MongoDB, with and without notes in the entities, and in memory.

A subclass gives the `database` fixture. A is a request and B another one; "A again" is the same request repeated.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from libs.chassis import context
from libs.chassis.context import Command, Context
from libs.chassis.domain import FailedPrecondition, SourceKeyReused
from libs.chassis.filtering import field
from libs.chassis.store import Collection, Database, KeyTaken, RequestIdReused
from libs.engine.store.commands import NOTES_IN_ENTITY
from tests.support.ledger import Account, Label, Tally

TENANT = Context(tenant="acme", actor="ann")
OTHER = Context(tenant="other", actor="bob")


def on(request_id: str, of: str = "", here: Context = TENANT) -> Any:
    """Serves a command. Its content is its name unless it says otherwise."""
    return context.enter(replace(here, command=Command(request_id, (of or request_id).encode())))


class CommandLaws:
    @pytest.fixture(autouse=True)
    def _as_tenant(self) -> Iterator[None]:
        with context.enter(TENANT):
            yield

    @pytest.fixture
    def accounts(self, database: Database) -> Collection[Account]:
        return database.collections["accounts"]

    @pytest.fixture
    def tallies(self, database: Database) -> Collection[Tally]:
        return database.collections["tallies"]

    @pytest.fixture
    def stored(self, accounts: Collection[Account]) -> Account:
        return accounts.insert(lambda id: Account(id=id, name="stored").open())

    def rename(self, accounts: Collection[Account], id: str, name: str) -> Account:
        return accounts.update(id, lambda each: each.rename(name))

    # ------------------------------------------------------------------------------------------ a repeat is no more

    def test_a_again_after_b_is_b(self, accounts: Collection[Account], stored: Account) -> None:
        for request_id, name in (("A", "first"), ("B", "second")):
            with on(request_id):
                assert self.rename(accounts, stored.id, name).name == name
        with on("A"):
            assert self.rename(accounts, stored.id, "first").name == "second"
        assert accounts.get(stored.id).revision == 3

    def test_a_again_after_a_hundred_others_changes_nothing(
        self, accounts: Collection[Account], stored: Account
    ) -> None:
        with on("A"):
            self.rename(accounts, stored.id, "A")
        for number in range(100):
            with on(f"other {number}"):
                self.rename(accounts, stored.id, f"other {number}")
        for request_id in ("A", "other 0", "other 50", "other 99"):
            with on(request_id):
                assert self.rename(accounts, stored.id, request_id).name == "other 99"
        for request_id in ("A", "other 0", "other 99"):
            with on(request_id, "another request"), pytest.raises(RequestIdReused):
                self.rename(accounts, stored.id, "x")
        assert accounts.get(stored.id).revision == 102

    def test_a_create_again_returns_what_it_made(self, accounts: Collection[Account]) -> None:
        with on("A"):
            made = accounts.insert(lambda id: Account(id=id, name="n").open())
        with on("B"):
            self.rename(accounts, made.id, "m")
        with on("A"):
            again = accounts.insert(lambda id: Account(id=id, name="n").open())
        assert (again.id, again.name) == (made.id, "m")
        assert len(accounts.find(None, limit=9)) == 1

    def test_what_changed_nothing_changes_nothing_later(self, accounts: Collection[Account], stored: Account) -> None:
        with on("A"):
            self.rename(accounts, stored.id, "stored")
        with on("B"):
            self.rename(accounts, stored.id, "second")
        with on("A"):
            assert self.rename(accounts, stored.id, "stored").name == "second"

    def test_a_again_is_not_refused_by_what_happened_since(
        self, accounts: Collection[Account], stored: Account
    ) -> None:
        def close(account: Account) -> Any:
            if account.name == "closed":
                raise FailedPrecondition("is closed already")
            return account.rename("closed")

        for number in range(NOTES_IN_ENTITY + 2):
            with on("A" if not number else f"other {number}"):
                accounts.update(stored.id, close if not number else lambda each, n=number: each.rename(f"{n}"))
        with on("C"):
            accounts.update(stored.id, close)
        with on("A"):
            assert accounts.update(stored.id, close, revision=1).name == "closed"
        with on("D"), pytest.raises(FailedPrecondition):
            accounts.update(stored.id, close)

    def test_a_refused_command_may_come_again(self, accounts: Collection[Account], stored: Account) -> None:
        with on("A"), pytest.raises(FailedPrecondition):
            accounts.update(stored.id, lambda each: self.refuse())
        with on("A"):
            assert self.rename(accounts, stored.id, "second").name == "second"

    @staticmethod
    def refuse() -> Any:
        raise FailedPrecondition("not now")

    def test_natural_keys_remember_commands_too(self, accounts: Collection[Account]) -> None:
        with on("A"):
            made = accounts.insert(lambda id: Account(id=id, name="n").open(), key="erp/1")
        with on("B"):  # told again by somebody else
            assert accounts.insert(lambda id: Account(id=id, name="n").open(), key="erp/1") == made
        for request_id in ("A", "B"):
            with on(request_id, "another request"), pytest.raises(RequestIdReused):
                accounts.insert(lambda id: Account(id=id, name="m").open(), key="erp/2")
        with on("C"), pytest.raises(SourceKeyReused):
            accounts.insert(lambda id: Account(id=id, name="m").open(), key="erp/1")

    def test_many_at_once_are_one_command(self, accounts: Collection[Account], tallies: Collection[Tally]) -> None:
        ids = [accounts.insert(lambda id, n=n: Account(id=id, name=n).open()).id for n in "ab"]
        for _ in range(2):
            with on("A"):
                changed = accounts.update_many([(id, 1) for id in ids], Account.deposit)
                assert [each.balance for each in changed] == [1, 1]
            with on("B"):
                begun = tallies.upsert_many([(Tally(id="tal_a"), 1), (Tally(id="tal_b"), 1)], Tally.plus)
                assert [each.count for each in begun] == [1, 1]

    # ------------------------------------------------------------------------------ a key belongs to one request

    def test_a_key_with_another_request_is_refused(self, accounts: Collection[Account], stored: Account) -> None:
        with on("A"):
            self.rename(accounts, stored.id, "first")
        with on("A", "another request"), pytest.raises(RequestIdReused) as refused:
            self.rename(accounts, stored.id, "second")
        assert (refused.value.reason_code, refused.value.metadata) == ("REQUEST_ID_REUSED", {"request_id": "A"})
        assert accounts.get(stored.id).name == "first"

    def test_a_key_is_refused_wherever_it_comes(
        self, accounts: Collection[Account], tallies: Collection[Tally], stored: Account
    ) -> None:
        other = accounts.insert(lambda id: Account(id=id, name="other").open())
        first = {
            "changed": lambda: self.rename(accounts, stored.id, "changed"),
            "unchanged": lambda: self.rename(accounts, stored.id, accounts.get(stored.id).name),
            "made": lambda: accounts.insert(lambda id: Account(id=id, name="new").open()),
            "elsewhere": lambda: tallies.upsert_many([(Tally(id="tal_a"), 1)], Tally.plus),
        }
        for request_id, work in first.items():
            with on(request_id):
                work()
            before = accounts.find(None, limit=99)
            for another in (
                lambda: self.rename(accounts, other.id, "x"),
                lambda: self.rename(accounts, other.id, "other"),
                lambda: self.rename(accounts, stored.id, "x"),
                lambda: accounts.insert(lambda id: Account(id=id, name="x").open()),
                lambda: accounts.insert(lambda id: Account(id=id, name="x").open(), key="erp/9"),
                lambda: accounts.update_many([(other.id, 1)], Account.deposit),
                lambda: tallies.upsert_many([(Tally(id="tal_b"), 1)], Tally.plus),
            ):
                with on(request_id, "another request"), pytest.raises(RequestIdReused):
                    another()
            assert accounts.find(None, limit=99) == before
        assert tallies.find_by_id("tal_b") is None

    def test_keys_of_other_tenants_are_other_keys(self, accounts: Collection[Account], stored: Account) -> None:
        with on("A"):
            self.rename(accounts, stored.id, "first")
        with on("A", "another request", OTHER):
            assert accounts.insert(lambda id: Account(id=id, name="n").open()).name == "n"

    def test_a_taken_value_is_told_as_such(self, accounts: Collection[Account], stored: Account) -> None:
        label = Label(system="erp", id="7")
        with on("A"):
            accounts.insert(lambda id: Account(id=id, name="n", labels=(label,)).open())
        with on("B"), pytest.raises(KeyTaken, match="belongs to another account"):
            accounts.insert(lambda id: Account(id=id, name="m", labels=(label,)).open())
        with on("C"), pytest.raises(KeyTaken):
            accounts.update(stored.id, lambda each: (replace(each, labels=(label,)), each.deposit(0)[1]))

    # --------------------------------------------------------------------------------------------- several changes

    def test_what_a_command_changes_in_a_transaction_it_changes_once(
        self, database: Database, accounts: Collection[Account]
    ) -> None:
        ids = [accounts.insert(lambda id, n=n: Account(id=id, name=n).open()).id for n in "ab"]

        def move() -> Account:
            for id, amount in zip(ids, (-1, 1), strict=True):
                accounts.update(id, lambda each, amount=amount: each.deposit(amount))
            return accounts.insert(lambda id: Account(id=id, name="c").open())

        with on("A"):
            made = database.transact(move)
        with on("B"):
            self.rename(accounts, made.id, "d")
        with on("A"):
            assert database.transact(move).name == "d"
            assert database.transact(self.refuse, again=lambda: "again") == "again"
        with on("A", "another request"), pytest.raises(RequestIdReused):
            database.transact(move)
        assert [each.balance for each in accounts.batch_get(ids)] == [-1, 1]

    def test_a_command_that_dies_half_way_is_applied_whole_when_it_comes_again(
        self, database: Database, accounts: Collection[Account], stored: Account
    ) -> None:
        def move(dies: bool) -> None:
            accounts.update(stored.id, lambda each: each.deposit(1))
            if dies:
                raise KeyboardInterrupt
            accounts.insert(lambda id: Account(id=id, name="c").open())

        with on("A"), pytest.raises(KeyboardInterrupt):
            database.transact(lambda: move(dies=True))
        for _ in range(2):
            with on("A"):
                database.transact(lambda: move(dies=False))
        assert (accounts.get(stored.id).balance, len(accounts.find(None, limit=9))) == (1, 2)

    def test_changes_that_could_be_torn_apart_are_a_defect(
        self, accounts: Collection[Account], stored: Account
    ) -> None:
        with on("A"):
            self.rename(accounts, stored.id, "first")
            with pytest.raises(RuntimeError, match="one transaction"):
                accounts.insert(lambda id: Account(id=id, name="n").open())

    def test_the_same_command_at_the_same_time_is_applied_once(
        self, accounts: Collection[Account], stored: Account
    ) -> None:
        ready = threading.Barrier(6)

        def serve(number: int) -> None:
            with on("A"):
                ready.wait()
                accounts.update(stored.id, lambda each: each.deposit(1))
            with on("B"):
                ready.wait()
                accounts.insert(lambda id: Account(id=id, name="once").open())

        threads = [threading.Thread(target=serve, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert accounts.get(stored.id).balance == 1
        assert len(accounts.find(field("name") == "once", limit=9)) == 1
