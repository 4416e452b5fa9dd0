"""The law of idempotency over every method that changes something: a repeat changes nothing, and a key is used once.

Each service runs in memory, with one thing of each kind. Every method is asked for an example (A), for another one (B)
and for A again, and its key is sent with other requests.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from kehu.common.v1 import options_pb2

from libs.chassis.domain import DomainError
from libs.chassis.testing import World
from libs.engine.rpc.errors import grpc_code, status_of
from libs.registry import SERVICES
from tests.support.contracts import methods, reads, rows, scope, streams
from tests.support.examples import request
from tests.support.security import OK, Outcome, gets_one, sow

AT = datetime(2026, 5, 4, 9, tzinfo=UTC)
TRIED_AT_LEAST = 0.5
"""Share of the methods whose examples have to be accepted, or the law would hold of nothing."""


def commands(service: str) -> list[MethodDescriptor]:
    """The methods that change something and can be repeated by their request id."""
    return [m for m in methods(service) if not (reads(m) or rows(m) or streams(m))]


class Worlds:
    """Every service in memory, called like a server by somebody with every scope."""

    def __init__(self) -> None:
        classes = options_pb2.Personal.DESCRIPTOR.enum_types_by_name["Class"].values
        scopes = {each.GetOptions().Extensions[options_pb2.opened_by] for each in classes}
        scopes |= {scope(m) for service in SERVICES for m in methods(service)}
        self.sowing = True
        self._delivered: set[str] = set()
        self.worlds = {
            service: World(import_module(f"services.{service}.__main__").SERVICE, at=AT, actor="ann", scopes=scopes)
            for service in SERVICES
        }

    def call(self, method: MethodDescriptor, sent: Any, *, timeout: float = 0) -> Outcome:
        """The outcome of a call."""
        if self.sowing and (method.name == "RequestErasure" or method.output_type.name == "Operation"):
            return Outcome(grpc.StatusCode.CANCELLED)  # it would be in the way of the others
        world = self.worlds[method.containing_service.file.package.split(".")[1]]
        with world.entered():
            try:
                made = world.call(sent, GetMessageClass(method.output_type))
            except DomainError as error:
                return Outcome(grpc_code(status_of(error)), refusal=error)  # type: ignore[arg-type]
            if self.sowing:
                self._deliver()
            return Outcome(OK, made)

    def _deliver(self) -> None:
        """Tells every service what happened in all of them."""
        while fresh := [
            each for world in self.worlds.values() for each in world.database.events() if each.id not in self._delivered
        ]:
            self._delivered |= {each.id for each in fresh}
            for world in self.worlds.values():
                world._hand_over(fresh)

    def state(self) -> dict[str, Mapping[str, Any]]:
        """Everything that is stored, but for the notes of commands."""
        return {
            f"{service}.{name}": copy.deepcopy(collection.documents)
            for service, world in self.worlds.items()
            for name, collection in world.database._kept()
        }

    def restore(self, state: Mapping[str, Mapping[str, Any]], notes: Mapping[str, dict[bytes, bytes]]) -> None:
        """Puts back what was stored."""
        for service, world in self.worlds.items():
            world.database.notes = dict(notes[service])
            for name, collection in world.database._kept():
                collection.documents = copy.deepcopy(dict(state[f"{service}.{name}"]))


@cache
def sown() -> tuple[Worlds, dict[str, str]]:
    """The services with one thing of each kind, and the ids of those."""
    worlds = Worlds()
    ids = sow(worlds)  # type: ignore[arg-type]  (it calls, and that is all a door does)
    worlds.sowing = False
    return worlds, ids


@pytest.fixture
def worlds() -> Iterator[Worlds]:
    found, _ = sown()
    state, notes = found.state(), {name: dict(world.database.notes) for name, world in found.worlds.items()}
    yield found
    found.restore(state, notes)


def asked(method: MethodDescriptor, request_id: str) -> Any:
    """An example with this key."""
    sent = request(method, sown()[1])
    sent.request_id = request_id
    return sent


def reason(outcome: Outcome) -> str:
    return outcome.refusal.reason_code if outcome.refusal is not None else ""


METHODS = [pytest.param(method, id=f"{service}.{method.name}") for service in SERVICES for method in commands(service)]


@pytest.mark.parametrize("method", METHODS)
def test_a_repeat_changes_nothing_and_a_key_is_used_once(worlds: Worlds, method: MethodDescriptor) -> None:
    key = str(uuid.uuid4())
    first = asked(method, key)
    start = worlds.state()
    if worlds.call(method, first).code is not OK:
        assert worlds.state() == start, "what was refused changed something"
        return
    for other in commands(method.containing_service.file.package.split(".")[1]):
        if other.name in ("UpdateCustomer", "CreateCustomer", "UpdateCalendar", method.name):
            worlds.call(other, asked(other, str(uuid.uuid4())))
    before = worlds.state()
    again = worlds.call(method, first)
    assert worlds.state() == before, "the repeat changed something"
    assert again.code is OK or again.code is grpc.StatusCode.FAILED_PRECONDITION, again.refusal
    taken: list[str] = []
    for other in commands(method.containing_service.file.package.split(".")[1]):
        sent = asked(other, key)
        if sent.SerializeToString(deterministic=True) == first.SerializeToString(deterministic=True):
            continue
        answer = worlds.call(other, sent)
        assert worlds.state() == before, f"{other.name} was applied with the key of {method.name}"
        taken.extend([other.name] if answer.code is OK else [])
    assert taken == [], f"took the key of {method.name}"


@pytest.mark.parametrize("service", SERVICES)
def test_examples_make_a_thing_of_every_kind_that_is_got_by_its_id(worlds: Worlds, service: str) -> None:
    """Where this fails, HINTS of tests/support/examples.py says what a request of a new kind needs."""
    got = [method for method in methods(service) if gets_one(method)]
    answers = {method.name: worlds.call(method, request(method, sown()[1])) for method in got}
    assert {name: str(each.refusal) for name, each in answers.items() if each.code is not OK} == {}


def test_the_law_is_tried_on_most_methods() -> None:
    found, _ = sown()
    state, notes = found.state(), {name: dict(world.database.notes) for name, world in found.worlds.items()}
    tried, refused = 0, []
    for service in SERVICES:
        for method in commands(service):
            outcome = found.call(method, asked(method, str(uuid.uuid4())))
            tried += outcome.code is OK
            if outcome.code is not OK:
                refused.append(f"{method.name}: {reason(outcome)}")
            found.restore(state, notes)
    assert tried >= TRIED_AT_LEAST * (tried + len(refused)), refused
