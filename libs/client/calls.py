"""One call over one channel: access token, deadline, retries and typed errors. Everything above speaks in messages."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from libs.client.errors import DeadlineExceeded, KehuError, from_rpc
from libs.client.retry import Budget, Retry, is_transient
from libs.client.streams import Stream, path

Token = str | Callable[[], str]
"""A bearer token, or a function that returns the one of the moment (they expire)."""

BULK_TIMEOUT = 30.0
"""Seconds for a call that answers row by row, with its retries: the longest deadline that a server takes."""

_SHARE, _ALL_BELOW = 2 / 3, 2.0
"""Of the time that is left, what one try may take. Should its answer never come, there is time for another one. Below
so many seconds, and in the last try, it takes all."""

_MAX_UNANSWERED = 8
"""Chunks of a stream that are on their way at once: enough to hide the network, few enough to send again."""


class Caller:
    """Makes the calls of one service. Thread safe."""

    def __init__(self, channel: grpc.Channel, *, token: Token, timeout: float, retry: Retry) -> None:
        self._channel = channel
        self._token = token
        self._timeout = timeout
        self._retry = retry
        self._budget = Budget(retry)
        self._stubs: dict[str, Any] = {}

    def unary(self, method: MethodDescriptor, request: Message, *, timeout: float | None = None) -> Message:
        """The response. Every attempt sends the same bytes, so a `request_id` stays the same."""
        stub = self._stub(method)
        call_id = _call_id(request)
        deadline = time.monotonic() + (self._seconds(method) if timeout is None else timeout)
        self._budget.earn()
        earlier: KehuError | None = None
        for attempt in count(1):
            begun = time.monotonic()
            left = max(0.0, deadline - begun)
            granted = left * _SHARE if left > _ALL_BELOW and attempt < self._retry.attempts else left
            try:
                return stub(  # type: ignore[no-any-return]
                    request,
                    timeout=granted,
                    metadata=self._metadata(call_id, attempt),
                    wait_for_ready=attempt > 1,
                )
            except grpc.RpcError as raised:
                error = from_rpc(raised, method=path(method), request_id=call_id)
                # A server that says so itself lives, and would be as slow again.
                late = isinstance(error, DeadlineExceeded) and time.monotonic() - begun >= granted
                pause = self._retry.pause(attempt, error)
                over = time.monotonic() + pause >= deadline
                if late and over and earlier is not None:
                    raise earlier from raised  # tells more than "too late": nobody answered, or the service was full
                if over or not self._may_repeat(error, attempt, late=late and _is_repeatable(method)):
                    raise error from raised
                earlier = earlier if late else error
                time.sleep(pause)
        raise AssertionError("unreachable: an endless count has ended")

    def new_request_id(self, method: MethodDescriptor) -> str:  # noqa: ARG002  (a service derives it from the method)
        """Returns the idempotency key of a request that was given none."""
        return str(uuid.uuid4())

    @property
    def retry(self) -> Retry:
        """The retry policy of the client."""
        return self._retry

    def server_stream(
        self, method: MethodDescriptor, request: Message, *, timeout: float | None = None, patient: bool = False
    ) -> Iterator[Message]:
        """The responses of one server stream, as they come. It is not opened again when it breaks.

        A patient one waits for a connection instead of failing when there is none.
        """
        stub = self._channel.unary_stream(
            path(method),
            request_serializer=type(request).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        call_id = _call_id(request)
        call = stub(request, timeout=timeout, metadata=self._metadata(call_id), wait_for_ready=patient)
        try:
            yield from call
        except grpc.RpcError as error:
            raise from_rpc(error, method=path(method), request_id=call_id) from error
        finally:
            call.cancel()

    def exchange(self, method: MethodDescriptor, requests: Iterable[Message]) -> Iterator[Message]:
        """One response per request, in order, over a stream in both directions that is opened again when it breaks.

        Requests without an answer are sent again then, so the service must recognise a repeated request by its content.
        No deadline spans the stream, but every answer must come within the timeout of the client.
        """
        source = iter(requests)
        unanswered: deque[Message] = deque()
        call_id = _call_id()
        failures = 0
        while True:
            stream = Stream(self._channel, method, self._metadata(call_id, failures + 1), patient=failures > 0)
            try:
                for request in unanswered:
                    stream.send(request)
                while True:
                    for request in islice(source, _MAX_UNANSWERED - len(unanswered)):
                        self._budget.earn()
                        unanswered.append(request)
                        stream.send(request)
                    if not unanswered:
                        stream.finish()
                        return
                    response = stream.receive(self._timeout)
                    unanswered.popleft()
                    failures = 0
                    yield response
            except KehuError as error:
                failures += 1
                if not self._may_repeat(error, failures):
                    raise
                time.sleep(self._retry.pause(failures, error))
            finally:
                stream.cancel()

    def _stub(self, method: MethodDescriptor) -> Any:
        """Returns the stub of a method, made once."""
        stub = self._stubs.get(method.name)
        if stub is None:
            stub = self._stubs[method.name] = self._channel.unary_unary(
                path(method),
                request_serializer=GetMessageClass(method.input_type).SerializeToString,
                response_deserializer=GetMessageClass(method.output_type).FromString,
            )
        return stub

    def _seconds(self, method: MethodDescriptor) -> float:
        """Returns the seconds that a call of this method may take when the caller does not say."""
        by_row = any(
            f.message_type is not None and f.message_type.name == "RowOutcome" for f in method.output_type.fields
        )
        return max(self._timeout, BULK_TIMEOUT) if by_row else self._timeout

    def _may_repeat(self, error: KehuError, attempts: int, *, late: bool = False) -> bool:
        return (late or is_transient(error)) and attempts < self._retry.attempts and self._budget.spend()

    def _metadata(self, call_id: str, attempt: int = 1) -> tuple[tuple[str, str], ...]:
        token = self._token if isinstance(self._token, str) else self._token()
        metadata = [("x-request-id", call_id)]
        if token:
            metadata.append(("authorization", f"Bearer {token}"))
        if attempt > 1:
            metadata.append(("x-previous-attempts", str(attempt - 1)))
        return tuple(metadata)


def _is_repeatable(method: MethodDescriptor) -> bool:
    """Returns whether a call may be repeated: it reads, or its key tells the repeat."""
    level = MethodOptions.IdempotencyLevel.Value("NO_SIDE_EFFECTS")
    return "request_id" in method.input_type.fields_by_name or method.GetOptions().idempotency_level == level


def _call_id(request: Message | None = None) -> str:
    """Returns the name of this call in the server's logs: the idempotency key if it has one."""
    return getattr(request, "request_id", "") or str(uuid.uuid4())
