"""Calls between services over real servers: who acts for whom, in what time, and what is refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import jwt
import pytest
from google.rpc import code_pb2
from kehu.common.v1 import envelope_pb2
from kehu.interactions.v1.timeline_pb2_grpc import add_TimelineServiceServicer_to_server
from kehu.profiles.v1 import customer360_pb2, customer_pb2
from kehu.profiles.v1 import customers_pb2 as pb
from kehu.profiles.v1 import events_pb2 as profiles

from libs.calls import CallNotDeclared, CallOutOfPlace, Calls, PeerUnknown
from libs.chassis import context
from libs.chassis.context import Command, Context
from libs.chassis.domain import DomainError, PermissionDenied
from libs.chassis.inbox import event_type
from libs.chassis.paging import Page
from libs.engine import access
from libs.engine.access import Speaker, Unauthenticated, Verifier
from libs.engine.inbox.decoding import decode
from libs.engine.rpc import deadline, onward
from libs.engine.rpc.errors import DeadlineExceeded, Unavailable
from libs.engine.store.memory import MemoryDatabase
from services.interactions.store import InteractionsStore
from services.interactions.subscriptions import subscriptions
from services.interactions.timeline.api import TimelineApi
from services.profiles.api import servicers
from services.profiles.store import ProfilesStore
from tests.support.contracts import ROOT
from tests.support.lab import serving
from tests.support.servicers import Methods

NOBODY = "127.0.0.1:1"
"""An address where nothing answers."""
VARIABLE = "KEHU_TARGET_INTERACTIONS"
ALICE = Context(tenant="acme", actor="alice", scopes=frozenset({"*"}), correlation_id="call-1")
CUSTOMER = "cus_01jd5w00000000000000000000"
WHAT = {
    "channel": "CHANNEL_VOICE",
    "direction": "DIRECTION_INBOUND",
    "customer_id": CUSTOMER,
    "occurred_time": datetime(2026, 5, 4, tzinfo=UTC),
}


class Timeline(TimelineApi):
    """The servicer of interactions, which notes on whose behalf and in what time it is called, and can hang."""

    def __init__(self, *rest: Any) -> None:
        super().__init__(*rest)
        self.contexts: list[Context] = []
        self.left: list[float] = []
        self.release: threading.Event | None = None

    def ListTimeline(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note()
        return super().ListTimeline(request, context)

    def IngestInteraction(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note()
        return super().IngestInteraction(request, context)

    def _note(self) -> None:
        self.contexts.append(context.current())
        self.left.append(deadline.remaining())
        if self.release is not None:
            self.release.wait(10)


@dataclass
class Peer:
    """The service of interactions at work."""

    database: MemoryDatabase
    store: InteractionsStore
    timeline: Timeline
    target: str
    keys: Path
    calls: Calls = field(init=False)

    def __post_init__(self) -> None:
        self.calls = Calls("profiles", {VARIABLE: self.target})

    def know(self, id: str) -> None:
        """Hears of a customer."""
        created = profiles.CustomerCreated(customer={"id": id, "display_name": "Ada"})
        envelope = envelope_pb2.Envelope(
            id=f"{id}:1:0", type=event_type(type(created)), tenant="acme", entity_id=id, revision=1
        )
        envelope.time.GetCurrentTime()
        envelope.data = created.SerializeToString()
        [attribution] = [each for each in subscriptions(self.store) if each.name == "attribution"]
        with self.database.transaction():
            attribution.handle([decode(attribution, envelope.SerializeToString())])


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    database = MemoryDatabase("interactions")
    store = InteractionsStore(database)
    timeline = Timeline(store.timeline)
    with serving([(add_TimelineServiceServicer_to_server, timeline)], keys=tmp_path) as running:
        yield Peer(database, store, timeline, running.target, running.keys)


@pytest.fixture
def speaking(peer: Peer) -> Iterator[None]:
    """This process may call, as the api of profiles."""
    with onward.speaking(Speaker(peer.keys, "profiles")):
        yield


# ------------------------------------------------------------------------------------------------ calls


@pytest.mark.usefixtures("speaking")
def test_a_call_is_made_on_behalf_of_the_caller(peer: Peer) -> None:
    scopes = frozenset({"interactions.interactions.write"})
    with context.enter(Context(tenant="acme", actor="alice", scopes=scopes, correlation_id="call-1")):
        peer.calls.to("interactions").ingest_interaction(interaction=WHAT)
    [seen] = peer.timeline.contexts
    assert (seen.tenant, seen.actor, seen.acting_service) == ("acme", "alice", "service:profiles")
    assert (seen.scopes, seen.correlation_id) == (scopes, "call-1")


@pytest.mark.usefixtures("speaking")
def test_what_the_caller_may_not_do_no_service_does_for_it(peer: Peer) -> None:
    here = Context(tenant="acme", actor="alice", scopes=frozenset({"profiles.*"}))
    with context.enter(here), pytest.raises(PermissionDenied) as refused:
        list(peer.calls.to("interactions").list_timeline(customer_id=CUSTOMER))
    assert refused.value.metadata == {"scope": "interactions.interactions.read"}
    assert peer.timeline.contexts == []


@pytest.mark.usefixtures("speaking")
def test_the_callee_gets_the_time_that_is_left(peer: Peer) -> None:
    with context.enter(ALICE), deadline.until(time.monotonic() + 1.5):
        peer.calls.to("interactions").ingest_interaction(interaction=WHAT)
    assert 0 < peer.timeline.left[0] <= 1.5
    with context.enter(ALICE), deadline.until(time.monotonic() - 1), pytest.raises(DeadlineExceeded):
        list(peer.calls.to("interactions").list_timeline(customer_id=CUSTOMER))
    assert len(peer.timeline.left) == 1


@pytest.mark.usefixtures("speaking")
def test_a_repeat_of_the_command_repeats_the_same_call_and_its_event_names_both(peer: Peer) -> None:
    def record(key: str) -> str:
        with context.enter(Context(tenant="acme", actor="alice", scopes=ALICE.scopes, command=Command(key, b""))):
            recorded = peer.calls.to("interactions").ingest_interaction(interaction=WHAT)
        return str(recorded.id)

    first = record("0b9c2f0c-5b7e-4a52-9f4e-0d4b3c8f7a11")
    assert record("0b9c2f0c-5b7e-4a52-9f4e-0d4b3c8f7a11") == first
    assert record("7c9c2f0c-5b7e-4a52-9f4e-0d4b3c8f7a12") != first
    events = [each for each in peer.database.events() if each.entity_id == first]
    assert {(each.actor, each.acting_service) for each in events} == {("alice", "service:profiles")}


def test_a_key_follows_from_the_command_its_caller_and_the_step() -> None:
    calls, made = Calls("profiles", {}), set()
    for actor in ("alice", "bob"):
        for command in ("1", "2"):
            with context.enter(Context(tenant="acme", actor=actor, command=Command(command, b""))):
                made |= {calls.key("m"), calls.key("m"), calls.key("m", "second"), calls.key("n")}
    assert len(made) == 2 * 2 * 3


# --------------------------------------------------------------------------------------------- refusals


def refusal(calls: Calls, callee: str) -> tuple[type[DomainError], dict[str, str]]:
    with pytest.raises(DomainError) as refused:
        calls.to(callee)
    return type(refused.value), dict(refused.value.metadata)


@pytest.mark.usefixtures("speaking")
def test_a_call_that_is_not_declared_is_refused(peer: Peer) -> None:
    calls = Calls("interactions", {"KEHU_TARGET_PROFILES": peer.target})
    assert refusal(calls, "profiles") == (CallNotDeclared, {"service": "interactions", "callee": "profiles"})
    assert refusal(Calls("profiles", {}), "interactions")[0] is PeerUnknown


def test_a_process_that_is_given_no_speaker_calls_nobody(peer: Peer) -> None:
    assert refusal(peer.calls, "interactions")[0] is CallOutOfPlace
    given = {path.stem for path in (ROOT / "libs").rglob("*.py") if "onward.speaking(" in path.read_text()}
    assert given == {"api", "start"}, "apis, and the children of operations, which run/start.py starts"


# ------------------------------------------------------------------------------------------------ tokens


def why(verifier: Verifier, token: str) -> str:
    with pytest.raises(Unauthenticated) as refused:
        verifier.verify(token)
    return str(refused.value)


def test_a_service_speaks_for_itself_with_the_key_of_the_suite_alone(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        access.make_keys(folder)
    said = {"subject": "alice", "tenant": "acme", "scopes": frozenset({"a.read"})}
    principal = Verifier(ours).verify(Speaker(ours, "profiles").token(**cast(Any, said)))
    assert (principal.subject, principal.acting_service) == ("alice", "service:profiles")
    assert principal.scopes == {"a.read"}
    assert principal.expires <= time.time() + access.SPEAKER_TOKEN_LIFETIME.total_seconds()
    assert "not acceptable" in why(Verifier(ours), Speaker(theirs, "profiles").token(**cast(Any, said)))
    assert "claim `act`" in why(Verifier(ours), Speaker(ours, "").token(**cast(Any, said)))


def test_nobody_else_claims_that_a_service_acts(tmp_path: Path) -> None:
    access.make_keys(tmp_path)
    token = access.issue(tmp_path, subject="eve", tenant="acme", scopes=["*"], lifetime=timedelta(minutes=1))
    claims = jwt.decode(token, options={"verify_signature": False}) | {"act": {"sub": "service:profiles"}}
    private = (tmp_path / access.PRIVATE_KEY).read_bytes()
    forged = jwt.encode(claims, private, algorithm=access.ALGORITHM, headers={"kid": "dev"})
    assert Verifier(tmp_path).verify(forged).acting_service == ""
    stolen = jwt.encode(claims, private, algorithm=access.ALGORITHM, headers={"kid": access.SERVICE_KEY_ID})
    assert "not acceptable" in why(Verifier(tmp_path), stolen)


# ---------------------------------------------------------------------------------------------- 360 view


def no_history(entity_id: str, *, size: int, token: str = "") -> Page[Any]:
    return Page([], "")


def view(calls: Calls, seconds: float = 5, *, before: Callable[[str], object] = lambda _: None) -> Any:
    """The whole view of a new customer, after something was done with its id."""
    with context.enter(ALICE):
        methods = Methods(servicers(ProfilesStore(MemoryDatabase("profiles")), no_history, calls))
        ada = customer_pb2.Customer(kind="KIND_PERSON", names=[customer_pb2.PersonName(given="Ada")])
        id = methods.CreateCustomer(pb.CreateCustomerRequest(customer=ada), None).id
        before(id)
        request = customer360_pb2.GetCustomer360Request(customer_id=id)
        request.section_timeout.FromMilliseconds(round(seconds * 1000))
        shown = methods.GetCustomer360(request, None)
    assert shown.customer.id == id
    return shown


def missing(shown: customer360_pb2.Customer360) -> dict[str, int]:
    names = customer360_pb2.Customer360.Section
    return {names.Name(each.section): each.error.code for each in shown.partial_sections}


@pytest.mark.usefixtures("speaking")
def test_a_view_shows_the_interactions_that_their_service_tells(peer: Peer) -> None:
    told = []

    def record(id: str) -> None:
        peer.know(id)
        recorded = peer.calls.to("interactions").ingest_interaction(interaction={**WHAT, "customer_id": id})
        told.append(recorded.id)

    shown = view(peer.calls, before=record)
    assert missing(shown) == {}
    assert [each.id for each in shown.interactions] == told
    assert [each.acting_service for each in peer.timeline.contexts] == ["service:profiles"] * 2
    assert peer.timeline.left[1] <= 5


@pytest.mark.usefixtures("speaking")
def test_whom_the_other_service_does_not_know_has_an_empty_section(peer: Peer) -> None:
    shown = view(peer.calls)
    assert (missing(shown), list(shown.interactions)) == ({}, [])
    assert len(peer.timeline.contexts) == 1


def test_a_section_that_nobody_answers_is_named_and_the_others_are_there(peer: Peer) -> None:
    with onward.speaking(Speaker(peer.keys, "profiles")):
        away = Calls("profiles", {VARIABLE: NOBODY})
        assert missing(view(away, 2)) == {"SECTION_INTERACTIONS": code_pb2.UNAVAILABLE}
        peer.timeline.release = threading.Event()
        started = time.monotonic()
        late = missing(view(peer.calls, 0.7))
        took = time.monotonic() - started
        peer.timeline.release.set()
    assert late == {"SECTION_INTERACTIONS": code_pb2.DEADLINE_EXCEEDED}
    assert took < 4
    assert missing(view(peer.calls)) == {"SECTION_INTERACTIONS": code_pb2.FAILED_PRECONDITION}


@pytest.mark.usefixtures("speaking")
def test_a_service_that_is_away_is_no_defect_of_ours(peer: Peer) -> None:
    away = Calls("profiles", {VARIABLE: NOBODY})
    with context.enter(ALICE), deadline.until(time.monotonic() + 1), pytest.raises(Unavailable) as refused:
        list(away.to("interactions").list_timeline(customer_id=CUSTOMER))
    assert "interactions does not answer" in str(refused.value)
