"""A stream in both directions as a plain object: send, receive with a time limit, finish."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from libs.client.errors import DeadlineExceeded, Unavailable, from_rpc


class Stream:
    """One call of a method that streams both ways. Used by one thread."""

    def __init__(
        self,
        channel: grpc.Channel,
        method: MethodDescriptor,
        metadata: tuple[tuple[str, str], ...],
        *,
        patient: bool,
    ) -> None:
        self._method = path(method)
        self._outgoing: deque[Message] = deque()
        self._changed = threading.Condition()
        self._finished = False
        self._late = False
        stub = channel.stream_stream(
            self._method,
            request_serializer=GetMessageClass(method.input_type).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        self._call = stub(self._requests(), metadata=metadata, wait_for_ready=patient)

    def send(self, request: Message) -> None:
        """Queues a request. Grpc's own thread takes it from there."""
        with self._changed:
            self._outgoing.append(request)
            self._changed.notify()

    def receive(self, seconds: float) -> Message:
        """The next response. DeadlineExceeded when none comes in time, Unavailable when the server ends the stream."""
        timer = threading.Timer(seconds, self._give_up)
        timer.daemon = True
        timer.start()
        try:
            response: Message = next(self._call)
        except StopIteration:
            raise Unavailable(
                "the server ended the stream before it had answered everything",
                code=grpc.StatusCode.UNAVAILABLE,
                method=self._method,
            ) from None
        except grpc.RpcError as error:
            if self._late:
                raise DeadlineExceeded(
                    f"no answer within {seconds:g} s", code=grpc.StatusCode.DEADLINE_EXCEEDED, method=self._method
                ) from error
            raise from_rpc(error, method=self._method) from error
        finally:
            timer.cancel()
        return response

    def finish(self) -> None:
        """Tells the server that everything is sent, and waits until it has closed its side."""
        self._stop_sending()
        try:
            for _unexpected in self._call:
                break
        except grpc.RpcError as error:
            raise from_rpc(error, method=self._method) from error

    def cancel(self) -> None:
        """Ends the call if it has not ended."""
        self._stop_sending()
        self._call.cancel()

    def _give_up(self) -> None:
        self._late = True
        self._call.cancel()

    def _stop_sending(self) -> None:
        with self._changed:
            self._finished = True
            self._changed.notify()

    def _requests(self) -> Iterator[Message]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._outgoing or self._finished)
                if not self._outgoing:
                    return
                request = self._outgoing.popleft()
            yield request


def path(method: MethodDescriptor) -> str:
    """The name of the method on the wire."""
    return f"/{method.containing_service.full_name}/{method.name}"
