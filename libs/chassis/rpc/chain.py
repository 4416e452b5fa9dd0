"""The way of a call through the server: six stages in a fixed order, the same for every method of every service.

    observe → authenticate → limit      on arrival, on the thread that receives: a refusal costs no other thread
    deadline → validate → errors        on a thread of the pool, around the servicer

grpc's interceptors are not used, because they run where a call already has a thread. A `GenericRpcHandler` is asked for
each call which handler serves it, which is the place to say no. What a method needs is worked out before the server
starts; per call there is no reflection. The four kinds of methods come down to two handlers: one for unary calls, and
one for streams, in which a single request or response is a stream of one.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2

from libs.chassis import context as acting
from libs.chassis.access import Verifier
from libs.chassis.rpc import authenticate, deadline, errors, observe, validate
from libs.chassis.rpc.call import Call, Method, current_call
from libs.chassis.rpc.errors import Metadata, Unavailable
from libs.chassis.rpc.limit import Limiter
from libs.chassis.rpc.pools import Inline, Pool
from libs.chassis.rpc.streams import OpenStreams, Send, Stream, current_stream


class Chain(grpc.GenericRpcHandler):
    """Admits calls and hands them to their handler."""

    def __init__(
        self, methods: Iterable[Method], *, verifier: Verifier, unary: Pool, streams: Pool, limiter: Limiter
    ) -> None:
        self._verifier = verifier
        self._limiter = limiter
        self._open = OpenStreams()
        self.closed: str | None = None
        """Why no call is served at present."""
        self._entries: dict[str, tuple[Method, Pool, grpc.RpcMethodHandler[Any, Any]]] = {}
        for method in methods:
            pool = streams if method.streams else unary
            self._entries[method.path] = (method, pool, self._handler(method, pool))

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler of a call that has just arrived: its method's or one that refuses; None for an unknown method."""
        entry = self._entries.get(details.method)
        if entry is None:
            return None
        method, pool, handler = entry
        call = observe.arrive(method, details.invocation_metadata)
        try:
            authenticate.check(call, self._verifier)
            self._check_open()
            self._limiter.admit(call)
        except Exception as error:  # noqa: BLE001  (every error becomes a status)
            return grpc.stream_unary_rpc_method_handler(_Refusal(call, error))
        current_call.set(call)
        pool.expect(call)
        return handler

    def _check_open(self) -> None:
        if self.closed:
            raise Unavailable(self.closed)

    def end_streams(self) -> None:
        """Ends every open stream with UNAVAILABLE, so that its caller resumes elsewhere."""
        self._open.end(errors.status_of(Unavailable("this server is about to stop; open the stream again")))

    def _handler(self, method: Method, pool: Pool) -> grpc.RpcMethodHandler[Any, Any]:
        if method.streams:
            return grpc.stream_stream_rpc_method_handler(_Streaming(method, pool, self._open))
        return grpc.unary_unary_rpc_method_handler(_Unary(method, pool, self._limiter))


class _Refusal:
    """Answers a call without a thread and without reading its request."""

    experimental_thread_pool = Inline(max_workers=1)

    def __init__(self, call: Call, error: Exception) -> None:
        self._call = call
        self._error = error

    def __call__(self, _requests: object, context: grpc.ServicerContext) -> None:
        status = _conclude(self._call, self._error)
        observe.end(self._call)
        errors.abort(context, status, _named(self._call))


class _Unary:
    """Serves the calls of a method with one request and one response."""

    def __init__(self, method: Method, pool: Pool, limiter: Limiter) -> None:
        self.experimental_thread_pool = pool
        self._method = method
        self._limiter = limiter

    def __call__(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        call = current_call.get()
        observe.taken_up(call)
        started = time.monotonic()
        try:
            deadline.begin(call, context)
            request = validate.read(self._method, data)
            with acting.enter(_context(call, request)), deadline.database(call):
                response: Message = self._method.serve(request, context)
            answer = self._method.shown(response, call.principal.scopes, request).SerializeToString()
        except Exception as error:  # noqa: BLE001  (every error becomes a status)
            errors.abort(context, _conclude(call, deadline.passed(call, error, started)), _named(call))
        finally:
            self._learn(call, time.monotonic() - started)
        context.set_trailing_metadata(_named(call))
        call.code = "OK"
        return answer

    def _learn(self, call: Call, seconds: float) -> None:
        if call.reason != "OVERLOADED":
            self._limiter.in_flight.learn(seconds)
            deadline.learn(call, seconds)


class _Streaming:
    """Serves the calls of a method with many requests, many responses or both."""

    experimental_non_blocking = True

    def __init__(self, method: Method, pool: Pool, open_streams: OpenStreams) -> None:
        self.experimental_thread_pool = pool
        self._method = method
        self._open = open_streams

    def __call__(self, messages: Iterator[bytes], context: grpc.ServicerContext, send: Send) -> None:
        call = current_call.get()
        observe.taken_up(call)
        stream = Stream(call, context, send)
        current_stream.set(stream)
        self._open.add(stream)
        try:
            context.send_initial_metadata(_named(call))
            deadline.begin(call, context)
            with acting.enter(_context(call)), closing(self._responses(messages, context)) as responses:
                for response in responses:
                    stream.send(self._method.shown(response, call.principal.scopes).SerializeToString())
                    if stream.over.is_set():
                        break
            stream.end()
        except Exception as error:  # noqa: BLE001  (every error becomes a status)
            if context.is_active():  # else the caller is gone or was told, and what went wrong follows from that
                stream.end(_conclude(call, error))
        finally:
            self._open.discard(stream)

    def _responses(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> Generator[Message]:
        method = self._method
        requests = (validate.read(method, data) for data in messages)
        argument = requests if method.kind in ("CLIENT_STREAMING", "BIDI_STREAMING") else next(requests, None)
        if argument is None:
            raise validate.malformed(method)
        result = method.serve(argument, context)
        if method.kind == "CLIENT_STREAMING":
            yield result
        else:
            yield from result


def _named(call: Call) -> Metadata:
    """The id of the call, for its caller: at the start of a stream, but at the end of a unary call, where it comes with
    the answer; by itself it would be one message more, and five hundredths of the server's capacity."""
    return ((observe.REQUEST_ID, call.request_id),)


def _context(call: Call, request: Message | None = None) -> acting.Context:
    return acting.Context(
        tenant=call.principal.tenant,
        actor=call.principal.subject,
        scopes=call.principal.scopes,
        command=None if request is None else validate.command(call.method, request),
        correlation_id=call.request_id,
    )


def _conclude(call: Call, error: BaseException) -> status_pb2.Status:
    status = errors.status_of(error, request_id=call.request_id)
    call.code = errors.grpc_code(status).name
    call.reason = errors.reason_of(status)
    if call.code == "INTERNAL" or errors.is_outage(error):
        call.error = error
    return status
