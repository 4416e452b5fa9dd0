"""A server that answers by script, so that a test can decide what goes wrong and look at what was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import grpc
import pytest
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from libs.client import Client, Retry
from libs.client.client import descriptors
from libs.registry import SERVICES

Answer = Message | status_pb2.Status | Sequence[Message | status_pb2.Status]
"""A response, a refusal, or for a server stream several of them. A stream may end in a refusal."""

QUICK = Retry(first_pause=0.01, longest_pause=0.02)


def refusal(code: grpc.StatusCode, *details: Message, message: str = "no") -> status_pb2.Status:
    """A status with details."""
    packed = []
    for detail in details:
        wrapper = any_pb2.Any()
        wrapper.Pack(detail)
        packed.append(wrapper)
    return status_pb2.Status(code=code.value[0], message=message, details=packed)


def retry_info(seconds: float) -> error_details_pb2.RetryInfo:
    """The server's wish to be left alone for a while."""
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromTimedelta(timedelta(seconds=seconds))
    return info


@dataclass
class Script:
    """What the server will answer, and what it was asked."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    """Method → answers, used in turn. The last one is used again and again."""
    answer_unary: Callable[[Message], Message | status_pb2.Status] | None = None
    """For unary calls whose answer depends on the request; goes before `answers`."""
    chunks: Callable[[Message], Message | status_pb2.Status | None] = lambda request: None
    """For streams in both directions: request → response, refusal, or None to end the stream."""
    requests: list[Message] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)

    def next_answer(self, method: str) -> Answer:
        """The answer to this call of the method."""
        remaining = self.answers[method]
        return remaining.pop(0) if len(remaining) > 1 else remaining[0]


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, script: Script) -> None:
        self._script = script
        self._methods = {
            f"/{each.full_name}/{method.name}": method
            for name in SERVICES
            for each in descriptors(name)
            for method in each.methods
        }

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method = self._methods[details.method]
        self._script.metadata.append(dict(details.invocation_metadata))
        codec = GetMessageClass(method.input_type).FromString, _bytes
        if method.client_streaming:
            return grpc.stream_stream_rpc_method_handler(self._exchange, *codec)
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(partial(self._stream, method.name), *codec)
        return grpc.unary_unary_rpc_method_handler(partial(self._unary, method.name), *codec)

    def _unary(self, method: str, request: Message, context: grpc.ServicerContext) -> Message:
        self._script.requests.append(request)
        answer = self._script.answer_unary(request) if self._script.answer_unary else self._script.next_answer(method)
        return _or_refuse(answer, context)

    def _stream(self, method: str, request: Message, context: grpc.ServicerContext) -> Iterator[Message]:
        self._script.requests.append(request)
        for part in self._script.next_answer(method):  # type: ignore[union-attr]
            yield _or_refuse(part, context)

    def _exchange(self, requests: Iterator[Message], context: grpc.ServicerContext) -> Iterator[Message]:
        for request in requests:
            self._script.requests.append(request)
            answer = self._script.chunks(request)
            if answer is None:
                return
            yield _or_refuse(answer, context)


def _or_refuse(answer: Answer, context: grpc.ServicerContext) -> Message:
    if isinstance(answer, status_pb2.Status):
        context.set_trailing_metadata((("grpc-status-details-bin", answer.SerializeToString()),))
        context.abort(next(code for code in grpc.StatusCode if code.value[0] == answer.code), answer.message)
    return answer  # type: ignore[return-value]


def _bytes(message: Message) -> bytes:
    return message.SerializeToString()


@pytest.fixture
def script() -> Script:
    """What the server of this test does."""
    return Script()


@pytest.fixture
def client(script: Script, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of that server."""
    address = f"unix:{tmp_path_factory.mktemp('s')}/kehu"
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((_Handler(script),))
    server.add_insecure_port(address)
    server.start()
    with Client(dict.fromkeys(SERVICES, address), token="t0ken", timeout=5, retry=QUICK) as connected:
        yield connected
    server.stop(None).wait()
