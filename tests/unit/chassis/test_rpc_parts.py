"""Answers of several reads: all that can be had in time, and the reason for everything else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from kehu.profiles.v1 import activity_pb2, customers_pb2
from pymongo.errors import AutoReconnect

from libs.calls.parts import THREADS, Part, gather
from libs.chassis import context
from libs.chassis.context import Context
from libs.chassis.domain import NotFound, PermissionDenied
from libs.engine.rpc.errors import DeadlineExceeded
from tests.support.ledger import Account

METHODS: dict[str, MethodDescriptor] = {
    method.name: method
    for file in (customers_pb2, activity_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


@pytest.fixture(autouse=True)
def acting() -> Iterator[None]:
    with context.enter(Context(tenant="acme", actor="ada", scopes=frozenset({"profiles.customers.*"}))):
        yield


def part(read: Callable[[], Any], method: str = "GetCustomer") -> Part:
    return Part(read, METHODS[method])


def fails(error: Exception) -> Callable[[], Any]:
    def read() -> Any:
        raise error

    return read


def test_parts_are_read_side_by_side_in_the_context_of_the_call() -> None:
    meet = threading.Barrier(3)

    def read() -> str:
        meet.wait(5)
        return context.current().tenant

    found, errors = gather({name: part(read) for name in "abc"}, 5)
    assert (found, errors) == ({"a": "acme", "b": "acme", "c": "acme"}, {})


def test_what_fails_leaves_the_others_alone() -> None:
    defect, outage, missing = ZeroDivisionError("0"), AutoReconnect("away"), NotFound(Account, "acc_1")
    parts = {"a": part(lambda: 1), "b": part(fails(defect)), "c": part(fails(outage)), "d": part(fails(missing))}
    found, errors = gather(parts, 5)
    assert (found, errors) == ({"a": 1}, {"b": defect, "c": outage, "d": missing})


def test_what_the_caller_may_not_read_alone_is_not_read() -> None:
    found, errors = gather({"a": part(lambda: 1), "b": part(lambda: 2, "ListFacts")}, 5)
    assert found == {"a": 1}
    assert isinstance(errors["b"], PermissionDenied)
    assert errors["b"].metadata == {"scope": "profiles.facts.read"}


def test_what_is_late_is_left_out_in_time() -> None:
    release = threading.Event()
    started = time.monotonic()
    found, errors = gather({"a": part(lambda: 1), "b": part(lambda: release.wait(5))}, 0.2)
    took = time.monotonic() - started
    release.set()
    assert found == {"a": 1}
    assert isinstance(errors["b"], DeadlineExceeded)
    assert took < 2


def test_the_threads_are_few_and_a_part_without_one_is_late() -> None:
    release = threading.Event()
    running, most, lock = 0, 0, threading.Lock()

    def read() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        release.wait(5)
        with lock:
            running -= 1

    found, errors = gather({n: part(read) for n in range(THREADS * 2)}, 0.2)
    release.set()
    assert not found
    assert {type(error) for error in errors.values()} == {DeadlineExceeded}
    assert most == THREADS
    assert gather({"a": part(lambda: 1)}, 5) == ({"a": 1}, {})
