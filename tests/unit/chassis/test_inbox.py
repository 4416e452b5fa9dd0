"""What becomes of an event that fails, and what counts as an event at all: pure decisions."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta

import amqp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kehu.common.v1 import envelope_pb2
from pymongo.errors import (
    AutoReconnect,
    DuplicateKeyError,
    NetworkTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
    WTimeoutError,
)

from libs.chassis.domain import Conflict, FailedPrecondition, InvalidArgument, NotFound
from libs.chassis.inbox import Permanent, Received, Retryable, Subscription, Transient
from libs.chassis.store import Contention, RelayBehind
from libs.engine.inbox.decoding import decode, route_of
from libs.engine.inbox.fates import GIVE_UP_AFTER, Schedule, Trouble, fate_of
from tests.support.ledger import Account, events_pb2

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUBSCRIPTION = Subscription(name="copies", listens=[events_pb2.AccountOpened], handle=lambda _: None)


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (Transient("down"), "hold"),
        (Contention("busy"), "hold"),
        (RelayBehind("full"), "hold"),
        (ConnectionResetError(), "hold"),
        (TimeoutError(), "hold"),
        (ssl.SSLError("handshake"), "hold"),
        (socket.gaierror("no such name"), "hold"),
        (IsADirectoryError("Asia"), "retry"),
        (amqp.ConnectionForced("bye"), "hold"),
        (AutoReconnect("gone"), "hold"),
        (NetworkTimeout("slow"), "hold"),
        (ServerSelectionTimeoutError("nobody"), "hold"),
        (WTimeoutError("late"), "hold"),
        (OperationFailure("x", 112, {"errorLabels": ["TransientTransactionError"]}), "hold"),
        (OperationFailure("bad statement", 2), "retry"),
        (DuplicateKeyError("twice"), "retry"),
        (Conflict("stale"), "retry"),
        (Retryable("later"), "retry"),
        (KeyError("a defect"), "retry"),
        (Permanent("never"), "park"),
        (InvalidArgument("wrong"), "park"),
        (NotFound(Account, "acc_1"), "park"),
        (FailedPrecondition("closed"), "park"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_error_decides_the_fate(error: Exception, fate: str) -> None:
    assert fate_of(error) == fate


def test_a_retryable_event_waits_longer_and_longer_and_is_parked_after_a_day() -> None:
    schedule, headers, at, delays = Schedule(), {}, NOW, []
    while True:
        trouble = Trouble.of(headers, Retryable("no"), "interactions.customers.0", at)
        delay = schedule.delay(trouble, at)
        if delay is None:
            break
        delays.append(delay)
        headers, at = trouble.headers(), at + delay
    seconds = [int(delay.total_seconds()) for delay in delays]
    assert seconds[:10] == [5, 5, 30, 30, 120, 120, 600, 600, 3600, 3600]
    assert set(seconds[10:]) == {3600}
    assert GIVE_UP_AFTER <= at - NOW < GIVE_UP_AFTER + timedelta(hours=1)


def test_the_first_error_is_kept_and_the_last_one_told() -> None:
    first = Trouble.of({}, ValueError("a"), "q.0", NOW)
    second = Trouble.of(first.headers(), KeyError("b"), "q.0", NOW + timedelta(seconds=5))
    assert (second.attempts, second.first_error, second.last_error) == (2, "ValueError: a", "KeyError: 'b'")
    assert second.first_at == NOW


@given(
    headers=st.dictionaries(
        st.sampled_from(["x-attempt", "x-first-at", "x-first-error", "x-last-error"]),
        st.none() | st.text(max_size=20) | st.integers() | st.binary(max_size=5),
    )
)
def test_headers_of_any_kind_never_stop_the_consumer(headers: dict[str, object]) -> None:
    trouble = Trouble.of(headers, Retryable("no"), "q.0", NOW)
    Schedule().delay(trouble, NOW)


@given(text=st.text(max_size=2000))
def test_an_error_text_fits_a_header(text: str) -> None:
    assert len(Trouble.of({}, Retryable(text), "q.0", NOW).last_error) <= 500


class TestDecoding:
    """Bytes to events."""

    @staticmethod
    def envelope(**changes: object) -> envelope_pb2.Envelope:
        known: dict[str, object] = {
            "id": "acc_1:3:0",
            "source": "ledger",
            "type": "kehu.ledger.account.opened.v1",
            "time": NOW,
            "tenant": "acme",
            "entity_id": "acc_1",
            "revision": 3,
            "actor": "ann",
            "correlation_id": "r1",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "changed_fields": ["balance"],
            "data": events_pb2.AccountOpened(account={"name": "a"}).SerializeToString(),
        }
        return envelope_pb2.Envelope(**{**known, **changes})  # type: ignore[arg-type]

    def test_an_event_arrives_as_it_was_sent(self) -> None:
        assert decode(SUBSCRIPTION, self.envelope().SerializeToString()) == Received(
            id="acc_1:3:0",
            type="kehu.ledger.account.opened.v1",
            tenant="acme",
            entity_id="acc_1",
            revision=3,
            time=NOW,
            actor="ann",
            correlation_id="r1",
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            changed_fields=("balance",),
            message=events_pb2.AccountOpened(account={"name": "a"}),
        )

    def test_fields_of_a_newer_publisher_do_no_harm(self) -> None:
        body = self.envelope().SerializeToString() + b"\xfa\x07\x03new"
        assert decode(SUBSCRIPTION, body).id == "acc_1:3:0"

    @pytest.mark.parametrize(
        "change",
        [
            {"id": ""},
            {"type": ""},
            {"tenant": ""},
            {"entity_id": ""},
            {"revision": 0},
            {"type": "kehu.ledger.account.closed.v1"},
            {"data": b"\xff"},
        ],
        ids=str,
    )
    def test_what_is_not_for_us_is_refused_for_good(self, change: dict[str, object]) -> None:
        with pytest.raises(Permanent):
            decode(SUBSCRIPTION, self.envelope(**change).SerializeToString())

    @given(body=st.binary(max_size=300))
    def test_any_bytes_are_an_event_or_refused_for_good(self, body: bytes) -> None:
        try:
            decode(SUBSCRIPTION, body)
        except Permanent:
            return


def test_a_subscription_asks_each_publisher_for_its_types() -> None:
    route = route_of(
        Subscription(
            name="copies", listens=[events_pb2.AccountOpened, events_pb2.AccountChanged], handle=lambda _: None
        )
    )
    assert route.keys == {"ledger": ["kehu.ledger.account.opened.v1", "kehu.ledger.account.changed.v1"]}
    assert route.queues("care") == [f"care.copies.{n}" for n in range(4)]


def test_only_events_can_be_listened_to() -> None:
    with pytest.raises(TypeError, match=r"kehu\.common\.v1\.event"):
        route_of(Subscription(name="copies", listens=[events_pb2.Account], handle=lambda _: None))
