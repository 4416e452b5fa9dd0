"""The laws of the store: one suite, run on MongoDB and on its in-memory twin.

A subclass gives the `database` fixture; everything here must hold for both.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pytest
from kehu.common.v1 import envelope_pb2

from libs.chassis import context, identity
from libs.chassis.context import Command, Context
from libs.chassis.domain import AlreadyExists, Conflict, FailedPrecondition, InvalidArgument, NotFound
from libs.chassis.filtering import field
from libs.chassis.paging import PageRequest
from libs.chassis.store import Collection, Count, Database, DayOf, Greatest, Index, Least, RelayBehind, Sum
from libs.engine.store.writes import MAX_PENDING
from tests.support.ledger import Account, Label, State, Tally, events_pb2

TENANT = Context(tenant="acme", actor="ann")
OTHER = Context(tenant="other", actor="bob")


SUMS = Index(("state", "due", "name", "balance"))


def declare(database: Database, *, notes_commands: bool = False) -> Database:
    """The collections that the laws speak of."""
    database.collection(
        Account,
        "accounts",
        notes_commands=notes_commands,
        indexes=[
            Index(("name",)),
            Index(("-create_time",)),
            Index(("state", "-create_time")),
            Index(
                ("labels.system", "labels.id"),
                unique=True,
                only=field("labels.system") > "",
                taken="that label belongs to another account",
            ),
            SUMS,
            Index(("due",), every_tenant=True, only=field("due").exists()),
        ],
    )
    database.collection(Tally, "tallies", publishes=False)
    return database


def account(name: str = "Li", **fields: Any) -> Account:
    return Account(id=identity.new_id("acc"), name=name, **fields)


class StoreLaws:
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

    # -------------------------------------------------------------------------------------------- insert and read

    def test_an_entity_reads_back_as_it_was_stored(self, accounts: Collection[Account]) -> None:
        stored = accounts.insert(account("李小明", labels=(Label(system="erp", id="1"),)).open())
        assert accounts.get(stored.id) == stored
        assert stored.revision == 1
        assert stored.create_time == stored.update_time
        assert stored.create_time is not None
        assert stored.create_time.tzinfo is not None

    def test_another_tenant_does_not_see_it(self, accounts: Collection[Account]) -> None:
        stored = accounts.insert(account().open())
        with context.enter(OTHER):
            assert accounts.find_by_id(stored.id) is None
            assert accounts.find(None, limit=10) == []
            with pytest.raises(NotFound):
                accounts.get(stored.id)
            with pytest.raises(NotFound):
                accounts.update(stored.id, lambda a: a.deposit(1))
        assert accounts.get(stored.id).balance == 0

    def test_nothing_works_outside_of_a_context(self, accounts: Collection[Account]) -> None:
        thrown: list[BaseException] = []

        def read() -> None:
            try:
                accounts.find(None, limit=1)
            except RuntimeError as error:
                thrown.append(error)

        thread = threading.Thread(target=read)  # a new thread has no context
        thread.start()
        thread.join()
        assert "no context" in str(thrown[0])

    def test_batch_get_keeps_the_order_and_names_what_is_missing(self, accounts: Collection[Account]) -> None:
        a, b = (accounts.insert(account(n).open()) for n in "ab")
        assert [x.name for x in accounts.batch_get([b.id, a.id, b.id])] == ["b", "a", "b"]
        with pytest.raises(NotFound, match="acc_missing"):
            accounts.batch_get([a.id, "acc_missing"])

    def test_a_unique_key_is_taken_once(self, accounts: Collection[Account]) -> None:
        label = Label(system="erp", id="7")
        accounts.insert(account(labels=(label, Label(system="crm", id="1"))).open())
        with pytest.raises(AlreadyExists, match="belongs to another account"):
            accounts.insert(account(labels=(label,)).open())
        with context.enter(OTHER):
            accounts.insert(account(labels=(label,)).open())
        accounts.insert(account().open())  # without labels: not in the index
        accounts.insert(account().open())

    def test_a_unique_key_cannot_be_taken_by_an_update(self, accounts: Collection[Account]) -> None:
        label = Label(system="erp", id="7")
        accounts.insert(account(labels=(label,)).open())
        other = accounts.insert(account().open())
        with pytest.raises(AlreadyExists):
            accounts.update(other.id, lambda a: (replace(a, labels=(label,)), a.deposit(0)[1]))
        assert accounts.get(other.id).labels == ()

    # ----------------------------------------------------------------------------------------------- natural keys

    def test_a_natural_key_finds_the_first(self, accounts: Collection[Account]) -> None:
        first = accounts.insert(account("n").open(), key="erp/1")
        assert accounts.insert(account("n").open(), key="erp/1") == first
        with pytest.raises(AlreadyExists) as refused:
            accounts.insert(account("m").open(), key="erp/1")
        assert refused.value.reason_code == "SOURCE_KEY_REUSED"
        with context.enter(OTHER):
            assert accounts.insert(account("m").open(), key="erp/1").id != first.id

    def test_an_insert_gives_the_id(self, accounts: Collection[Account]) -> None:
        given: list[str] = []

        def create(id: str) -> Any:
            given.append(id)
            return Account(id=id, name="Li").open()

        natural = accounts.insert(create, key="erp/2")
        new = accounts.insert(create)
        with context.enter(replace(TENANT, command=Command("k3", b"f"))):
            expected = accounts.next_id()
            commanded = accounts.insert(create)
        assert given == [natural.id, new.id, commanded.id]
        assert (natural.id, commanded.id) == (accounts.id_of("erp/2"), expected)

    def test_a_bulk_insert_gives_every_row_its_own_fate(self, accounts: Collection[Account]) -> None:
        taken = Label(system="erp", id="1")
        accounts.insert(account("there", labels=(taken,)).open(), key="a")
        rows = [account("there", labels=(taken,)), account("new"), account("new"), account("x", labels=(taken,)),
                account("changed")]  # fmt: skip
        outcomes = accounts.insert_many([r.open() for r in rows], keys=["a", "b", "b", "c", "a"])
        assert [o.created for o in outcomes] == [False, True, False, False, False]
        assert [o.error.reason_code if o.error else "" for o in outcomes] == [
            "", "", "", "KEY_TAKEN", "SOURCE_KEY_REUSED",
        ]  # fmt: skip
        assert outcomes[1].entity == outcomes[2].entity

    def test_what_a_caller_gave_decides_whether_a_key_comes_again(self, accounts: Collection[Account]) -> None:
        """And not what the entity tells besides, such as the time of day."""
        given, other = Label(system="erp", id="1"), Label(system="erp", id="2")
        for name, content, reason in (("first", given, ""), ("later", given, ""), ("x", other, "SOURCE_KEY_REUSED")):
            [outcome] = accounts.insert_many([account(name).open()], keys=["k"], contents=[content])
            assert (outcome.error.reason_code if outcome.error else "") == reason
        assert accounts.get(accounts.id_of("k")).name == "first"

    # ----------------------------------------------------------------------------------------------------- change

    def test_a_change_raises_the_revision(self, accounts: Collection[Account]) -> None:
        stored = accounts.insert(account().open())
        changed = accounts.update(stored.id, lambda a: a.deposit(3), revision=1)
        assert (changed.revision, changed.balance) == (2, 3)
        assert accounts.get(stored.id) == changed
        assert changed.create_time == stored.create_time

    def test_a_stale_revision_is_a_conflict(self, accounts: Collection[Account]) -> None:
        stored = accounts.insert(account().open())
        accounts.update(stored.id, lambda a: a.deposit(3))
        with pytest.raises(Conflict, match="not the current one, 2"):
            accounts.update(stored.id, lambda a: a.deposit(3), revision=1)

    def test_a_refused_change_writes_nothing(self, accounts: Collection[Account]) -> None:
        stored = accounts.insert(account(state=State.CLOSED).open())
        with pytest.raises(FailedPrecondition):
            accounts.update(stored.id, lambda a: a.deposit(3))
        assert accounts.get(stored.id) == stored

    def test_no_change_writes_nothing(self, accounts: Collection[Account]) -> None:
        stored = accounts.insert(account("same").open())
        assert accounts.update(stored.id, lambda a: a.rename("same")) == stored

    def test_a_silent_change_of_a_publishing_entity_is_a_defect(self, accounts: Collection[Account]) -> None:
        stored = accounts.insert(account().open())
        with pytest.raises(TypeError, match="needs an event"):
            accounts.update(stored.id, lambda a: (replace(a, balance=9), []))

    def test_racing_changes_are_all_applied(self, accounts: Collection[Account]) -> None:
        stored = accounts.insert(account().open())

        def add() -> None:
            with context.enter(TENANT):
                for _ in range(5):
                    accounts.update(stored.id, lambda a: a.deposit(1))

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert accounts.get(stored.id).balance == 20
        assert accounts.get(stored.id).revision == 21

    def test_a_full_backlog_refuses_changes(self, accounts: Collection[Account]) -> None:
        stored = accounts.insert(account().open())

        def many(a: Account) -> Any:
            changed, events = a.deposit(1)
            return changed, events * (MAX_PENDING - 1)

        accounts.update(stored.id, many)
        with pytest.raises(RelayBehind):
            accounts.update(stored.id, lambda a: a.deposit(1))

    # ---------------------------------------------------------------------------------------------- many at once

    def test_many_begin_and_change_in_order(self, tallies: Collection[Tally]) -> None:
        a, b = Tally(id="tal_a"), Tally(id="tal_b")
        tallies.upsert_many([(a, 1), (b, 1), (a, 1)], Tally.plus)
        [changed] = tallies.upsert_many([(a, 1)], Tally.plus)
        assert (changed.count, changed.revision) == (3, 3)
        assert tallies.get("tal_b").count == 1

    def test_what_nothing_happened_to_is_not_stored(self, tallies: Collection[Tally]) -> None:
        [blank] = tallies.upsert_many([(Tally(id="tal_a"), 0)], Tally.plus)
        assert (blank.revision, tallies.find_by_id("tal_a")) == (0, None)
        assert tallies.upsert_many([], Tally.plus) == []

    def test_many_changes_keep_every_event(self, accounts: Collection[Account]) -> None:
        stored = accounts.insert(account().open())
        [changed] = accounts.update_many([(stored.id, 2), (stored.id, 2)], Account.deposit)
        assert changed == accounts.get(stored.id)
        assert changed.balance == 4
        assert [e["id"] for e in self.pending_events(accounts, stored.id)] == [f"{stored.id}:{n}:0" for n in (1, 2, 3)]

    def test_many_changes_want_all_of_them_there(self, accounts: Collection[Account]) -> None:
        stored = accounts.insert(account().open())
        with pytest.raises(NotFound, match="acc_missing"):
            accounts.update_many([(stored.id, 1), ("acc_missing", 1)], Account.deposit)
        with context.enter(OTHER), pytest.raises(NotFound):
            accounts.update_many([(stored.id, 1)], Account.deposit)
        assert accounts.get(stored.id).balance == 0
        assert accounts.update_many([], Account.deposit) == []

    def test_a_projection_can_be_purged(self, tallies: Collection[Tally], accounts: Collection[Account]) -> None:
        tallies.upsert_many([(Tally(id="tal_a"), 1)], Tally.plus)
        assert tallies.purge(field("_id") == "tal_a", limit=10) == 1
        assert tallies.find_by_id("tal_a") is None
        with pytest.raises(TypeError):
            accounts.purge(field("name") == "x", limit=1)

    # ----------------------------------------------------------------------------------------------- transactions

    def test_a_transaction_happens_whole_or_not_at_all(self, database: Database, accounts: Collection[Account]) -> None:
        a, b = (accounts.insert(account(n).open()) for n in "ab")

        def move(fail: bool) -> None:
            accounts.update(a.id, lambda x: x.deposit(-5))
            if fail:
                raise FailedPrecondition("no")
            accounts.update(b.id, lambda x: x.deposit(5))

        with pytest.raises(FailedPrecondition):
            database.transact(lambda: move(fail=True))
        assert [x.balance for x in accounts.batch_get([a.id, b.id])] == [0, 0]
        database.transact(lambda: move(fail=False))
        assert [x.balance for x in accounts.batch_get([a.id, b.id])] == [-5, 5]

    def test_a_repeat_inside_a_transaction_returns_the_first(
        self, database: Database, accounts: Collection[Account]
    ) -> None:
        first = accounts.insert(account("n").open(), key="k")
        assert database.transact(lambda: accounts.insert(account("n").open(), key="k")) == first

    def test_a_taken_key_inside_a_transaction_is_refused(
        self, database: Database, accounts: Collection[Account]
    ) -> None:
        label = Label(system="erp", id="7")
        accounts.insert(account(labels=(label,)).open())
        with pytest.raises(AlreadyExists):
            database.transact(lambda: accounts.insert(account(labels=(label,)).open()))

    def test_racing_transactions_are_all_applied(self, database: Database, accounts: Collection[Account]) -> None:
        a, b = (accounts.insert(account(n, balance=100).open()) for n in "ab")

        def move() -> None:
            accounts.update(a.id, lambda x: x.deposit(-1))
            accounts.update(b.id, lambda x: x.deposit(1))

        def run() -> None:
            with context.enter(TENANT):
                for _ in range(3):
                    database.transact(move)

        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [x.balance for x in accounts.batch_get([a.id, b.id])] == [91, 109]

    # ------------------------------------------------------------------------------------------------------ pages

    def test_pages_cover_everything_once_in_order(self, accounts: Collection[Account]) -> None:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        for n in range(7):
            with identity.clock(identity.FixedClock(start + timedelta(seconds=n // 2))):
                accounts.insert(account(f"n{n}").open())
        token, seen = "", []
        for _ in range(10):
            page = accounts.page(None, PageRequest(3, token, b"list"), order="-create_time")
            seen += [a.name for a in page.items]
            token = page.next_page_token
            if not token:
                break
        assert sorted(seen) == [f"n{n}" for n in range(7)]
        assert [int(n[1]) // 2 for n in seen] == [3, 2, 2, 1, 1, 0, 0]

    def test_a_page_is_stable_while_others_insert(self, accounts: Collection[Account]) -> None:
        for n in range(4):
            accounts.insert(account(f"m{n}").open())
        first = accounts.page(None, PageRequest(2, "", b"list"), order="name")
        accounts.insert(account("a").open())
        second = accounts.page(None, PageRequest(9, first.next_page_token, b"list"), order="name")
        assert [a.name for a in [*first.items, *second.items]] == ["m0", "m1", "m2", "m3"]

    def test_a_token_of_another_request_is_refused(self, accounts: Collection[Account]) -> None:
        for n in range(3):
            accounts.insert(account(f"m{n}").open())
        token = accounts.page(None, PageRequest(1, "", b"list"), order="name").next_page_token
        for bad, request in ((token, b"else"), (token[:-2], b"list"), ("nonsense", b"list"), ("é", b"list")):
            with pytest.raises(InvalidArgument) as refused:
                accounts.page(None, PageRequest(1, bad, request), order="name")
            assert refused.value.reason_code == "PAGE_TOKEN_INVALID"
        with context.enter(OTHER), pytest.raises(InvalidArgument):
            accounts.page(None, PageRequest(1, token, b"list"), order="name")

    def test_an_exact_last_page_has_no_token(self, accounts: Collection[Account]) -> None:
        for n in range(2):
            accounts.insert(account(f"m{n}").open())
        assert accounts.page(None, PageRequest(2, "", b"list"), order="name").next_page_token == ""

    @pytest.mark.parametrize("order", ["name", "-create_time", ()])
    def test_a_query_without_an_index_is_refused(self, accounts: Collection[Account], order: Any) -> None:
        """Whatever the order: along its index everything before the first match would be read."""
        balance, name = field("balance"), field("name")
        for where in (balance > 3, name != "x", balance.one_of([1]), (balance > 3) | (name == "x"), balance.exists()):
            for refused_by in (
                lambda where=where: accounts.find(where, order=order, limit=1),
                lambda where=where: accounts.page(where, PageRequest(), order=order),
            ):
                with pytest.raises(InvalidArgument) as refused:
                    refused_by()
                assert refused.value.reason_code == "NOT_INDEXED"
        with pytest.raises(InvalidArgument):
            accounts.find(None, order="balance", limit=1)
        assert accounts.find((balance > 3) & (name == "x"), order=order, limit=1) == []
        assert accounts.find(field("due").missing(), order=order, limit=1) == []

    @pytest.mark.parametrize(
        ("where", "names"),
        [
            (field("name") == "b", "b"),
            (field("name").starts_with("a"), "a ab"),
            (field("name").one_of(["a", "c", "zz"]), "a c"),
            ((field("name") >= "ab") & (field("name") < "c"), "ab b"),
            ((field("name") == "a") | (field("name") == "c"), "a c"),
            ((field("state") == State.CLOSED) & (field("balance") > 1), "c"),
            ((field("name") > "") & (field("balance") != 0), "b c"),
            (field("labels.system") == "erp", "a b"),
            ((field("labels.system") == "erp") & (field("labels.id") == "9"), "a"),
            (field("labels").any_element((field("system") == "erp") & (field("id") == "9")), ""),
            ((field("name") > "") & field("due").exists(), "c"),
            ((field("name") > "") & field("due").missing(), "a ab b"),
        ],
    )
    def test_conditions_mean_the_same_everywhere(self, accounts: Collection[Account], where: Any, names: str) -> None:
        erp, crm = (lambda id: Label(system="erp", id=id)), (lambda id: Label(system="crm", id=id))
        due = datetime(2026, 5, 1, tzinfo=UTC)
        rows = [
            account("a", labels=(erp("1"), crm("9"))),
            account("ab"),
            account("b", labels=(erp("2"),), balance=1),
            account("c", state=State.CLOSED, balance=2, due=due),
        ]
        accounts.insert_many([row.open() for row in rows], keys=["1", "2", "3", "4"])
        assert [a.name for a in accounts.find(where, order="name", limit=10)] == names.split()

    def test_without_an_order_any_of_those_that_meet_it_come(self, accounts: Collection[Account]) -> None:
        accounts.insert_many([account(f"a{n}").open() for n in range(5)], keys=[str(n) for n in range(5)])
        found = accounts.find(field("name").starts_with("a"), order=None, limit=3)
        assert len({a.id for a in found}) == 3

    def test_many_values_are_looked_for_at_once(self, accounts: Collection[Account]) -> None:
        names = ["$ann", "bob", "bob", "bob"]
        made = accounts.insert_many([account(name).open() for name in names], keys=["1", "2", "3", "4"])
        with context.enter(OTHER):
            accounts.insert(account("bob").open())
        ids = [cast(Account, each.entity).id for each in made]
        found = accounts.ids_by("name", ["bob", "$ann", "nobody", "bob"], limit=2)
        assert (found["$ann"], found["nobody"], len(set(found["bob"]) & set(ids[1:]))) == (ids[:1], [], 2)
        assert sorted(accounts.ids_by("name", ["bob"], limit=10)["bob"]) == sorted(ids[1:])
        assert accounts.ids_by("name", [], limit=2) == {}
        with pytest.raises(InvalidArgument):
            accounts.ids_by("balance", [0], limit=2)

    @pytest.fixture
    def summed(self, accounts: Collection[Account]) -> Collection[Account]:
        """Accounts with something to add up, and those of somebody else."""
        day = datetime(2026, 5, 1, 20, tzinfo=UTC)
        rows = [
            account("a", balance=1, due=day),
            account("b", balance=-5, due=day + timedelta(hours=3)),
            account("b", balance=7, due=day + timedelta(hours=5)),
            account("c", balance=2),
            account("d", balance=9, state=State.CLOSED, due=day),
        ]
        for here in (TENANT, OTHER):
            with context.enter(here):
                accounts.insert_many([row.open() for row in rows], keys=list("12345"))
        return accounts

    def test_totals_are_worked_out_by_group(self, summed: Collection[Account]) -> None:
        measures = (Count(), Count(lacking="due"), Sum("balance"), Least("due"), Greatest("balance"))
        day = datetime(2026, 5, 1, 20, tzinfo=UTC)
        is_open = field("state") == State.OPEN
        assert sorted(summed.totals(is_open, ("state", "name"), measures, index=SUMS)) == [
            ("OPEN", "a", 1, 0, 1, day, 1),
            ("OPEN", "b", 2, 0, 2, day + timedelta(hours=3), 7),
            ("OPEN", "c", 1, 1, 2, None, 2),
        ]
        due = is_open & field("due").exists()
        for zone, days in (("UTC", [(1, 2, -4), (2, 1, 7)]), ("America/New_York", [(1, 3, 3)])):
            found = summed.totals(due, (DayOf("due", zone),), (Count(), Sum("balance")), index=SUMS)
            assert sorted(found) == [(date(2026, 5, number), count, total) for number, count, total in days]
        assert summed.totals(field("state") == "NONE", (), (Count(),), index=SUMS) == []

    def test_rows_are_read_from_an_index(self, summed: Collection[Account]) -> None:
        is_open = field("state") == State.OPEN
        rows = list(summed.rows(is_open, ("name", "balance"), index=SUMS, order=("name", "balance"), skip=1, limit=2))
        assert rows == [("b", -5), ("b", 7)]
        assert list(summed.rows(is_open & field("due").missing(), ("name", "due"), index=SUMS)) == [("c", None)]
        assert len(list(summed.rows(is_open, ("name",), index=SUMS))) == 4

    def test_what_the_index_lacks_is_not_summed(self, summed: Collection[Account]) -> None:
        is_open = field("state") == State.OPEN
        for where, path in ((is_open, "labels.id"), (is_open & (field("labels.id") == "1"), "name")):
            with pytest.raises(ValueError, match=r"lacks labels\.id"):
                summed.rows(where, (path,), index=SUMS)
            with pytest.raises(ValueError, match=r"lacks labels\.id"):
                summed.totals(where, (path,), (Count(),), index=SUMS)

    def test_background_work_sees_every_tenant(self, accounts: Collection[Account]) -> None:
        at = datetime(2026, 5, 1, tzinfo=UTC)
        for here, name in ((TENANT, "mine"), (OTHER, "theirs")):
            with context.enter(here):
                accounts.insert(account(name, due=at).open())
                accounts.insert(account("later", due=at + timedelta(days=1)).open())
        found = accounts.across_tenants(field("due") <= at, order="due", limit=10)
        known = [(tenant, each.name) for tenant, _, each in found if isinstance(each, Account)]
        assert sorted(known) == [("acme", "mine"), ("other", "theirs")]

    def test_work_that_goes_on_for_days_finds_every_entity_once(self, accounts: Collection[Account]) -> None:
        clock = identity.FixedClock(datetime(2026, 5, 1, tzinfo=UTC))
        with identity.clock(clock):
            for n in range(7):
                clock.advance(timedelta(seconds=1))
                accounts.insert(account("mine", balance=n).open())
            found, place = list[int](), "begin"
            while place:
                after = "" if place == "begin" else place
                some, place = accounts.stretch(field("state") == State.OPEN, order="-create_time", after=after, limit=3)
                found += [each.balance for each in some]
                clock.advance(timedelta(days=30))
        assert found == [6, 5, 4, 3, 2, 1, 0]

    # ----------------------------------------------------------------------------------------------------- events

    def test_every_change_leaves_its_event_with_the_state_it_made(self, accounts: Collection[Account]) -> None:
        stored = accounts.insert(account("Li").open())
        accounts.update(stored.id, lambda a: a.deposit(3))
        envelopes = [
            envelope_pb2.Envelope.FromString(bytes(event["body"])) for event in self.pending_events(accounts, stored.id)
        ]
        assert [(e.id, e.type, e.revision) for e in envelopes] == [
            (f"{stored.id}:1:0", "kehu.ledger.account.opened.v1", 1),
            (f"{stored.id}:2:0", "kehu.ledger.account.changed.v1", 2),
        ]
        last = envelopes[-1]
        body = events_pb2.AccountChanged.FromString(last.data)
        assert (last.tenant, last.actor, last.source, list(last.changed_fields)) == (
            "acme", "ann", "ledger", ["balance"],
        )  # fmt: skip
        assert (body.account.balance, body.account.revision, body.account.id) == (3, 2, stored.id)

    def pending_events(self, collection: Collection[Any], id: str) -> Sequence[dict[str, Any]]:
        """The pending events of an entity, as stored."""
        raw = getattr(collection, "raw", None)
        return (raw.find_one(id) if raw is not None else collection._read([id], with_bookkeeping=True)[id])["_pending"]
