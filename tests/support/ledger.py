"""A little service, `ledger`, with one entity and two events: enough to state the laws of the chassis on it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import datetime
from types import ModuleType
from typing import ClassVar

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2  # noqa: F401  (registers Timestamp)
from kehu.common.v1 import options_pb2

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, OpenEnum

_File = descriptor_pb2.FileDescriptorProto
_Field = descriptor_pb2.FieldDescriptorProto


class State(OpenEnum):
    OPEN = "OPEN"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    system: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Entity):
    """Something with a balance, so that a lost or doubled change shows."""

    ID_PREFIX: ClassVar[str] = "acc"

    name: str
    state: State = State.OPEN
    balance: int = 0
    labels: tuple[Label, ...] = ()
    due: datetime | None = None
    holder: str = ""
    """The only personal field."""
    customer_id: str = ""

    def open(self) -> Change[Account]:
        return self, [AccountOpened(account=self)]

    def deposit(self, amount: int) -> Change[Account]:
        if self.state is State.CLOSED:
            raise FailedPrecondition(f"{self.id} is closed")
        changed = replace(self, balance=self.balance + amount)
        return changed, [AccountChanged(account=changed)]

    def empty(self) -> Change[Account]:
        """Without its holder."""
        emptied = replace(self, holder="")
        return emptied, [AccountChanged(account=emptied)]

    def rename(self, name: str) -> Change[Account]:
        if name == self.name:
            return self, []
        changed = replace(self, name=name)
        return changed, [AccountChanged(account=changed)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOpened(Event):
    account: Account


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanged(Event):
    account: Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally(Entity):
    """A projection: it publishes nothing."""

    ID_PREFIX: ClassVar[str] = "tal"

    count: int = 0

    def plus(self, number: int) -> Change[Tally]:
        return replace(self, count=self.count + number), []


def _messages() -> ModuleType:
    """`kehu.ledger.v1.events_pb2`, made here because generated code belongs to real services."""
    file = _File(
        name="kehu/ledger/v1/events.proto",
        package="kehu.ledger.v1",
        syntax="proto3",
        dependency=["google/protobuf/timestamp.proto", "kehu/common/v1/options.proto"],
    )
    label = file.message_type.add(name="Label")
    for number, name in enumerate(("system", "id"), 1):
        label.field.add(name=name, number=number, type=_Field.TYPE_STRING, label=_Field.LABEL_OPTIONAL)
    account = file.message_type.add(name="Account")
    state = account.enum_type.add(name="State")
    for number, name in enumerate(("STATE_UNSPECIFIED", "STATE_OPEN", "STATE_CLOSED")):
        state.value.add(name=name, number=number)
    columns = [
        ("id", _Field.TYPE_STRING, ""),
        ("revision", _Field.TYPE_INT64, ""),
        ("create_time", _Field.TYPE_MESSAGE, ".google.protobuf.Timestamp"),
        ("update_time", _Field.TYPE_MESSAGE, ".google.protobuf.Timestamp"),
        ("name", _Field.TYPE_STRING, ""),
        ("state", _Field.TYPE_ENUM, ".kehu.ledger.v1.Account.State"),
        ("balance", _Field.TYPE_INT64, ""),
        ("labels", _Field.TYPE_MESSAGE, ".kehu.ledger.v1.Label"),
        ("due", _Field.TYPE_MESSAGE, ".google.protobuf.Timestamp"),
        ("holder", _Field.TYPE_STRING, ""),
        ("customer_id", _Field.TYPE_STRING, ""),
    ]
    for number, (name, kind, type_name) in enumerate(columns, 1):
        repeated = _Field.LABEL_REPEATED if name == "labels" else _Field.LABEL_OPTIONAL
        account.field.add(name=name, number=number, type=kind, type_name=type_name or None, label=repeated)
    setattr(account.field[-2].options.Extensions[options_pb2.personal], "class", options_pb2.Personal.NAMES)
    for name, type_ in (("AccountOpened", "account.opened"), ("AccountChanged", "account.changed")):
        event = file.message_type.add(name=name)
        event.field.add(
            name="account",
            number=1,
            type=_Field.TYPE_MESSAGE,
            type_name=".kehu.ledger.v1.Account",
            label=_Field.LABEL_OPTIONAL,
        )
        event.options.Extensions[options_pb2.event].type = f"kehu.ledger.{type_}.v1"
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    module = ModuleType("kehu.ledger.v1.events_pb2")
    module.DESCRIPTOR = pool.FindFileByName(file.name)  # type: ignore[attr-defined]
    for name in ("Label", "Account", "AccountOpened", "AccountChanged"):
        found = pool.FindMessageTypeByName(f"kehu.ledger.v1.{name}")
        setattr(module, name, message_factory.GetMessageClass(found))
    return module


events_pb2 = _messages()
sys.modules["kehu.ledger.v1.events_pb2"] = events_pb2
