"""Dataclass ↔ document ↔ message, by name."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.codec import field_of, from_doc, from_proto, merge, to_doc, to_proto
from libs.chassis.domain import InvalidArgument
from tests.support.ledger import Account, Label, State, events_pb2

TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(  # noqa: DTZ001  (hypothesis wants naive bounds)
    lambda at: at.replace(tzinfo=UTC, microsecond=at.microsecond // 1000 * 1000)
)
ACCOUNTS = st.builds(
    Account,
    id=st.just("acc_1"),
    revision=st.integers(0, 2**63 - 1),
    create_time=TIMES,
    update_time=st.none(),
    name=st.text(),
    state=st.sampled_from(State),
    balance=st.integers(-(2**63), 2**63 - 1),
    labels=st.lists(st.builds(Label, system=st.text(), id=st.text())).map(tuple),
    due=st.none() | TIMES,
)


@given(ACCOUNTS)
def test_a_message_gives_back_what_it_was_made_from(account: Account) -> None:
    assert from_proto(Account, to_proto(account, events_pb2.Account)) == account


@given(ACCOUNTS)
def test_a_document_gives_back_what_it_was_made_from(account: Account) -> None:
    document = to_doc(account)
    assert document["_id"] == "acc_1"
    assert from_doc(Account, document) == account


def test_unknown_fields_of_a_document_are_ignored() -> None:
    assert from_doc(Account, {"_id": "acc_1", "name": "x", "later": 1}).name == "x"


def test_an_unspecified_enum_takes_the_default() -> None:
    assert from_proto(Account, events_pb2.Account(id="acc_1", name="x")).state is State.OPEN


def test_an_enum_number_of_a_newer_release_goes_through_entity_and_document_unharmed() -> None:
    account = from_proto(Account, events_pb2.Account(id="acc_1", name="x", state=9))
    assert account.state not in (State.OPEN, State.CLOSED)
    kept = from_doc(Account, to_doc(account))
    assert kept == account
    assert to_proto(kept, events_pb2.Account).state == 9


def test_an_enum_value_that_a_newer_release_stored_is_kept_and_shown_as_unspecified() -> None:
    document = {"_id": "acc_1", "name": "x", "state": "FROZEN"}
    account = from_doc(Account, document)
    assert to_doc(replace(account, name="y"))["state"] == "FROZEN"
    assert to_proto(account, events_pb2.Account).state == 0
    assert account.state not in set(State)


def test_an_enum_value_of_the_wrong_type_is_no_enum_value() -> None:
    with pytest.raises(msgspec.ValidationError):
        from_doc(Account, {"_id": "acc_1", "name": "x", "state": 5})


def test_one_field_is_read_as_what_it_is() -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    opened = events_pb2.AccountOpened(account=to_proto(Account(id="acc_1", name="x", due=at), events_pb2.Account))
    assert field_of(opened, "account", Account) == Account(id="acc_1", name="x", due=at)
    assert field_of(opened.account, "due", datetime) == at
    assert field_of(opened.account, "state", State) is State.OPEN
    assert field_of(opened.account, "labels", tuple[Label, ...]) == ()


def test_an_absent_field_is_its_default_or_refused() -> None:
    empty = events_pb2.Account()
    assert field_of(empty, "due", datetime, None) is None
    assert field_of(empty, "state", State, State.CLOSED) is State.CLOSED
    for name, cls in (("due", datetime), ("state", State)):
        with pytest.raises(InvalidArgument) as refused:
            field_of(empty, name, cls)
        assert [(v.field, v.description) for v in refused.value.violations] == [(name, "is required")]


def test_complaints_about_a_field_name_its_path() -> None:
    endless = events_pb2.Account(due={"seconds": 10**15})
    with pytest.raises(InvalidArgument) as refused:
        field_of(events_pb2.AccountOpened(account=endless), "account", Account)
    assert refused.value.violations[0].field == "account.due"
    with pytest.raises(InvalidArgument) as refused:
        field_of(endless, "due", datetime)
    assert refused.value.violations[0].field == "due"


def test_a_time_out_of_range_is_refused_by_path() -> None:
    message = events_pb2.Account()
    message.due.seconds = 2**60
    with pytest.raises(InvalidArgument, match="due: is outside"):
        from_proto(Account, message)


class TestMerge:
    current = Account(id="acc_1", revision=4, name="old", balance=7, labels=(Label(system="a", id="1"),))

    def test_an_empty_mask_takes_the_populated_fields(self) -> None:
        assert merge(Account, self.current, events_pb2.Account(name="new"), FieldMask()) == replace(
            self.current, name="new"
        )

    def test_a_mask_takes_the_named_fields_even_when_empty(self) -> None:
        merged = merge(Account, self.current, events_pb2.Account(name="new"), FieldMask(paths=["labels", "balance"]))
        assert merged == replace(self.current, labels=(), balance=0)

    def test_repeated_fields_are_replaced(self) -> None:
        change = events_pb2.Account(labels=[{"system": "b", "id": "2"}])
        assert merge(Account, self.current, change, FieldMask()).labels == (Label(system="b", id="2"),)

    def test_what_the_store_keeps_is_left_alone(self) -> None:
        change = events_pb2.Account(id="acc_2", revision=9, name="new")
        assert merge(Account, self.current, change, FieldMask(paths=["*"])) == Account(
            id="acc_1", revision=4, name="new"
        )

    def test_a_message_field_can_be_cleared(self) -> None:
        due = replace(self.current, due=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=1))
        assert merge(Account, due, events_pb2.Account(), FieldMask(paths=["due"])).due is None

    @pytest.mark.parametrize("path", ["colour", "labels.id", "name.x", ""])
    def test_a_path_that_leads_nowhere_is_refused(self, path: str) -> None:
        with pytest.raises(InvalidArgument, match="update_mask"):
            merge(Account, self.current, events_pb2.Account(), FieldMask(paths=[path]))


_RACE = """
import sys, threading, types
from libs.chassis.codec import from_doc

source = "from __future__ import annotations\\nfrom dataclasses import dataclass\\n"
for i in range(12):
    inside = f"    many: tuple[C{i + 1}, ...] = ()\\n    one: C{i + 1} | None = None\\n" if i < 11 else ""
    numbers = "".join(f"    f{j}: int = 0\\n" for j in range(20))
    source += f"@dataclass(frozen=True)\\nclass C{i}:\\n{numbers}{inside}"
module = sys.modules["unknown"] = types.ModuleType("unknown")
exec(source, module.__dict__)
sys.setswitchinterval(1e-6)
together = threading.Barrier(8)

def convert():
    together.wait()
    assert from_doc(module.C0, {"one": {"one": {"f3": 7}}}).one.one.f3 == 7

threads = [threading.Thread(target=convert) for _ in range(8)]
for each in threads:
    each.start()
for each in threads:
    each.join()
"""
"""Eight threads that meet classes which nobody has converted before."""


def test_threads_may_meet_a_class_for_the_first_time_together() -> None:
    """Without the care of `from_doc`, four of five such processes end with a segmentation fault."""
    for _ in range(5):
        ended = subprocess.run([sys.executable, "-c", _RACE], capture_output=True, text=True, check=False, timeout=60)
        assert (ended.returncode, ended.stderr) == (0, "")
