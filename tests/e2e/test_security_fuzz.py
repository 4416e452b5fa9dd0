"""Garbage in, status out: whatever bytes come, a documented status goes, and the process lives on."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import MethodDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.registry import SERVICES
from tests.support.contracts import method_ids, streams
from tests.support.examples import anything, request
from tests.support.security import Door, sow
from tests.support.stack import System

FULL = os.environ.get("KEHU_TEST_FUZZ") == "full"
RAW = 2000 if FULL else 40
STRUCTURED = 300 if FULL else 20
SEED = int(os.environ.get("KEHU_TEST_SEED", "20261122"))
LONGEST = 5.0
"""Seconds that an answer may take."""


@pytest.fixture(scope="module")
def door(stack: System) -> Iterator[Door]:
    """A caller that may do everything in a tenant of its own."""
    made = Door(stack, stack.token("t-fuzz"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def ids(door: Door) -> dict[str, str]:
    """Ids of things that exist, so that fuzz gets past the first lookup."""
    return sow(door)


@pytest.fixture(scope="module", autouse=True)
def nothing_dies(stack: System) -> Iterator[None]:
    """The same processes serve before and after."""
    before = {service: stack.pid(f"{service}-api") for service in SERVICES}
    yield
    assert {service: stack.pid(f"{service}-api") for service in SERVICES} == before


def raw(method: MethodDescriptor, ids: dict[str, str]) -> Iterator[bytes]:
    """Random bytes, and acceptable requests with a few bytes changed, cut or repeated."""
    dice = random.Random(f"{SEED} {method.full_name}")
    good = request(method, ids).SerializeToString() or b"\n\x00"
    for number in range(RAW):
        if number % 2:
            yield dice.randbytes(dice.randrange(64))
        else:
            spoilt = bytearray(good)
            for _ in range(dice.randrange(1, 4)):
                spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
            cut = dice.randrange(len(spoilt) + 1)
            yield bytes(spoilt[:cut] if dice.random() < 0.3 else spoilt + spoilt[cut:])


@pytest.mark.parametrize("method", method_ids())
def test_raw_bytes(door: Door, ids: dict[str, str], method: MethodDescriptor) -> None:
    wrong = []
    count = RAW // 10 if streams(method) else RAW
    for _, data in zip(range(count), raw(method, ids), strict=False):
        start = time.perf_counter()
        wrong += [f"{data.hex()}: {complaint}" for complaint in door.call(method, data).complaints()]
        assert time.perf_counter() - start < LONGEST, data.hex()
    assert wrong == []


@pytest.mark.parametrize("method", method_ids())
def test_well_formed_nonsense(door: Door, ids: dict[str, str], method: MethodDescriptor) -> None:
    @settings(
        max_examples=STRUCTURED // 10 if streams(method) else STRUCTURED,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(anything(method.input_type, ids), st.builds(lambda: request(method, ids))))
    def answered(sent: object) -> None:
        assert list(door.call(method, sent).complaints()) == []

    answered()
