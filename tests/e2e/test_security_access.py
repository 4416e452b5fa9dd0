"""Who gets in, how far, and what of others can be learned: nothing, not even whether it exists."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from statistics import median
from typing import Any

import grpc
import jwt
import pytest
from google.protobuf.descriptor import MethodDescriptor

from libs.chassis import identity
from libs.registry import SERVICES
from tests.support.contracts import http, method_ids, methods, reads, scope, streams
from tests.support.examples import names_a_thing, request
from tests.support.security import OK, Door, Outcome, gets_one, needs_one, sow
from tests.support.stack import System

CATALOGUES = {"ListMeasures"}
"""Lists of what the product itself brings, the same for everybody."""
SCOPES = sorted({scope(method) for service in SERVICES for method in methods(service)})


@pytest.fixture(scope="module")
def owner(stack: System) -> Iterator[Door]:
    """A tenant that has something."""
    made = Door(stack, stack.token("t-owner"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def stranger(stack: System) -> Iterator[Door]:
    """A tenant that has nothing."""
    made = Door(stack, stack.token("t-stranger"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def owned(owner: Door) -> dict[str, str]:
    """What the owner has."""
    ids = sow(owner)
    assert {"cus", "conv", "pro", "cal", "fact", "rel"} <= ids.keys()
    return ids


def invented(ids: dict[str, str]) -> dict[str, str]:
    """As many ids of the same kinds, which nothing has."""
    return {name: identity.new_id(known.partition("_")[0]) for name, known in ids.items()}


def without(outcome: Outcome, ids: dict[str, str]) -> tuple[Any, ...]:
    """What an outcome tells apart from the ids that were asked for and from the time of day."""
    text = f"{outcome.text} {outcome.response}"
    for known in set(ids.values()):
        text = text.replace(known, "<id>")
    text = re.sub(r"[a-z]{2,8}_[0-9a-z]{26}|[0-9a-f]{12,}|seconds: \d+|nanos: \d+|\d{4}-\d\d-\d\dT\S+", "<…>", text)
    return outcome.code, outcome.reason, " ".join(text.split())


@pytest.mark.parametrize("method", [each for each in method_ids() if names_a_thing(each.values[0])])
def test_things_of_another_tenant_are_like_things_that_do_not_exist(
    stranger: Door, owned: dict[str, str], method: MethodDescriptor
) -> None:
    nothing = invented(owned)
    foreign = without(stranger.call(method, request(method, owned)), owned)
    absent = without(stranger.call(method, request(method, nothing)), nothing)
    assert foreign == absent
    if re.match("Get|Update|Delete|Undelete|Remove|Redact|End|Close|Keep|Break", method.name) and needs_one(method):
        assert foreign[0] is grpc.StatusCode.NOT_FOUND


def test_the_owner_sees_what_the_stranger_does_not(owner: Door, owned: dict[str, str]) -> None:
    """Else the test above would prove nothing. And what the stranger tried has changed nothing."""
    for service in SERVICES:
        for method in methods(service):
            if gets_one(method):
                seen = owner.call(method, request(method, owned))
                assert seen.code is OK, f"{method.name}: {seen.text}"


def test_lists_of_a_stranger_are_empty(stack: System, owned: dict[str, str]) -> None:
    """For a tenant that never made anything."""
    newcomer = Door(stack, stack.token("t-newcomer"))
    for service in SERVICES:
        for method in methods(service):
            if re.match("List|Search|Lookup", method.name) and method.name not in CATALOGUES:
                listed = newcomer.call(method, request(method, owned))
                repeated = [field.name for field in method.output_type.fields if field.is_repeated]
                # Of a thing of another, a list says what it says of a thing that does not exist.
                expected = (OK, grpc.StatusCode.NOT_FOUND) if "{" in http(method)[1] or names_a_thing(method) else (OK,)
                assert listed.code in expected, f"{method.name}: {listed.code.name} {listed.text}"
                if listed.code is OK:
                    assert [name for name in repeated if len(getattr(listed.response, name))] == [], method.name
    newcomer.close()


# -------------------------------------------------------------------------------------------------- scopes


@pytest.fixture(scope="module")
def doors(stack: System) -> Iterator[dict[str, Door]]:
    """Scope → a caller that has only this one, `-scope` → one that has all others."""
    made = {name: Door(stack, stack.token("t-scopes", [name])) for name in SCOPES}
    made |= {f"-{name}": Door(stack, stack.token("t-scopes", [s for s in SCOPES if s != name])) for name in SCOPES}
    made |= {f"{name}.*": Door(stack, stack.token("t-scopes", [f"{name}.*"])) for name in SERVICES}
    made[""] = Door(stack, "")
    yield made
    for door in made.values():
        door.close()


@pytest.mark.parametrize("method", method_ids())
def test_a_method_opens_to_its_scope_and_to_no_other(doors: dict[str, Door], method: MethodDescriptor) -> None:
    service = method.containing_service.file.package.split(".")[1]
    closed = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}
    assert doors[""].call(method, b"").code is grpc.StatusCode.UNAUTHENTICATED
    refused = doors[f"-{scope(method)}"].call(method, b"")
    assert refused.code is grpc.StatusCode.PERMISSION_DENIED
    assert scope(method) in refused.text
    for name in (scope(method), f"{service}.*"):
        assert doors[name].call(method, b"").code not in closed, name


# -------------------------------------------------------------------------------------------------- tokens


def test_tokens_that_are_not_ours_are_refused_at_once(stack: System) -> None:
    good = stack.token("t-tokens")
    claims = jwt.decode(good, options={"verify_signature": False})
    kid = jwt.get_unverified_header(good)["kid"]
    tokens = {
        "no algorithm": jwt.encode(claims, "", algorithm="none", headers={"kid": kid}),
        "a shared secret": jwt.encode(claims, "x" * 64, algorithm="HS256", headers={"kid": kid}),
        "expired": stack.token("t-tokens", life=timedelta(hours=-1)),
        "another tenant pasted in": _pasted(good, tenant="t-owner"),
        "cut": good[:-4],
    }
    method = next(method for method in methods(SERVICES[0]) if reads(method) and not streams(method))
    accepted = Door(stack, good)
    for name, token in tokens.items():
        door = Door(stack, token)
        refusals, answers = [], []
        for _ in range(20):  # in turns, so that what the machine does meanwhile is the same for both
            start = time.perf_counter()
            assert door.call(method, b"").code is grpc.StatusCode.UNAUTHENTICATED, name
            refusals.append(time.perf_counter() - start)
            start = time.perf_counter()
            assert accepted.call(method, b"").code is not grpc.StatusCode.UNAUTHENTICATED
            answers.append(time.perf_counter() - start)
        assert median(refusals) < 3 * median(answers), name
        door.close()
    accepted.close()


def _pasted(token: str, **changed: str) -> str:
    """The token with other claims under the same signature."""
    header, _, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False}) | changed
    return ".".join([header, jwt.encode(claims, "x" * 32, algorithm="HS256").split(".")[1], signature])
