"""The way of a call through the server: its stages in a fixed order, the same for every method of every service.

    observe → authenticate → rate       on arrival, on the thread that receives: a refusal costs no other thread
    receive → limit                     there too, once the request is complete
    (authenticate → rate → limit        on a thread of their own then, when the bearer token is seen for the first time)
    deadline → validate → answer        on a thread of the pool, around the servicer; every error becomes a status

grpc's interceptors are not used, because they run where a call already has a thread. A `GenericRpcHandler` is asked for
each call which handler serves it, which is the place to say no. What a method needs is worked out before the server
starts; per call there is no reflection. The four kinds of methods come down to two handlers: one for unary calls, and
one for streams, in which a single request or response is a stream of one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import Message

from libs.chassis import context as acting
from libs.chassis import serving
from libs.engine.access import NOBODY, Verifier
from libs.engine.rpc import answer, authenticate, deadline, errors, observe, validate
from libs.engine.rpc.call import Call, Method, current_call
from libs.engine.rpc.errors import Unavailable
from libs.engine.rpc.limit import Limiter, refusal
from libs.engine.rpc.pools import Pool
from libs.engine.rpc.receive import Reception, Refusal, Then, Work
from libs.engine.rpc.streams import OpenStreams, Send, Stream

VERIFYING = 256
"""Calls that wait until their bearer token, which is seen for the first time, is verified."""


class Chain(grpc.GenericRpcHandler):
    """Admits calls and hands them to their handler."""

    def __init__(
        self,
        methods: Iterable[Method],
        *,
        verifier: Verifier,
        unary: Pool,
        streams: Pool,
        limiter: Limiter,
        certified: bool = False,
    ) -> None:
        self._verifier = verifier
        self._certified = certified
        self._limiter = limiter
        self._pools = {False: unary, True: streams}
        self._verifying = Pool("verifying", 1, lambda _: None)
        self._open = OpenStreams()
        self.reception = Reception(self._complete)
        """The place of calls until their request is complete."""
        self.closed: str | None = None
        """The reason why no call is served at present."""
        self._entries: dict[str, tuple[Method, grpc.RpcMethodHandler[Any, Any], Then]]
        self._entries = {method.path: (method, self._handler(method), self._begin) for method in methods}

    def publish(self, methods: Iterable[tuple[Method, Then]]) -> None:
        """Adds methods that anybody may call, each with what takes its calls."""
        handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(self.reception.handler)
        self._entries.update({method.path: (method, handler, then) for method, then in methods})

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler of a call that has just arrived: its method's, one that refuses, or None when it is unknown."""
        entry = self._entries.get(details.method)
        if entry is None:
            return None
        method, handler, _ = entry
        call = observe.arrive(method, details.invocation_metadata)
        if method.scope and authenticate.knows(call, self._verifier):
            try:
                self._welcome(call)
            except Exception as error:  # noqa: BLE001  (every error becomes a status)
                return grpc.stream_unary_rpc_method_handler(Refusal(call, error))
        current_call.set(call)
        self.reception.expect(call)
        return handler

    def _complete(self, work: Work) -> None:
        """Hands a call whose request is complete to who serves it, or refuses it."""
        _, _, then = self._entries[work.call.method.path]
        try:
            then(work)
        except Exception as error:  # noqa: BLE001  (every error becomes a status)
            work.refuse(error)

    def _welcome(self, call: Call) -> None:
        authenticate.check(call, self._verifier)
        observe.known(call)
        self._check_open()
        self._limiter.welcome(call)

    def _begin(self, work: Work) -> None:
        """Hands a call to the threads of its kind, once its bearer token is known."""
        if work.call.principal is not NOBODY:
            self._admit(work)
        elif self._verifying.in_flight < VERIFYING:
            self._verifying.take(_Unverified(work, self._verify))
        else:
            raise refusal("verifying", "too many unknown tokens come in")

    def _verify(self, work: Work) -> None:
        try:
            work.inside(self._welcome)
            self._admit(work)
        except Exception as error:  # noqa: BLE001  (every error becomes a status)
            work.refuse(error)

    def _admit(self, work: Work) -> None:
        self._limiter.admit(work.call)
        self._pools[work.call.method.streams].take(work)

    def close(self) -> None:
        """Lets the threads end."""
        self.reception.shutdown()
        self._verifying.shutdown()

    def _check_open(self) -> None:
        if self.closed:
            raise Unavailable(self.closed)

    def end_streams(self) -> None:
        """Ends every open stream with UNAVAILABLE, so that its caller resumes elsewhere."""
        self._open.end(errors.status_of(Unavailable("this server is about to stop; open the stream again")))

    def _handler(self, method: Method) -> grpc.RpcMethodHandler[Any, Any]:
        if method.streams:
            return grpc.stream_stream_rpc_method_handler(
                _Streaming(method, self.reception, self._open, self._certified)
            )
        return grpc.unary_unary_rpc_method_handler(_Unary(method, self.reception, self._limiter, self._certified))


@dataclass(frozen=True, slots=True)
class _Unverified:
    """A call whose bearer token is to be verified, for a thread."""

    work: Work
    verify: Callable[[Work], None]

    @property
    def call(self) -> Call:
        """The call."""
        return self.work.call

    def do(self) -> None:
        """Verifies the bearer token."""
        self.verify(self.work)


class _Unary:
    """Serves the calls of a method with one request and one response."""

    def __init__(self, method: Method, reception: Reception, limiter: Limiter, certified: bool) -> None:
        self.experimental_thread_pool = reception
        self._certified = certified
        self._method = method
        self._limiter = limiter

    def __call__(self, sent: bytes, context: grpc.ServicerContext) -> bytes:
        call = current_call.get()
        observe.taken_up(call)
        started = time.monotonic()
        try:
            deadline.begin(call, context)
            call.certificate = _certificate(context) if self._certified else ""
            request = validate.read(self._method, sent)
            self._limiter.compute(call, request)
            with acting.enter(_context(call, request)), deadline.database(call):
                data = answer.fitting(self._method, request, partial(self._answer, call, context))
        except Exception as error:  # noqa: BLE001  (every error becomes a status)
            errors.abort(context, errors.conclude(call, deadline.passed(call, error, started)), observe.named(call))
        finally:
            self._learn(call, time.monotonic() - started)
        context.set_trailing_metadata(observe.named(call))
        call.code = "OK"
        return data

    def _answer(self, call: Call, context: grpc.ServicerContext, request: Message) -> Message:
        response: Message = self._method.serve(request, context)
        return self._method.shown(response, call.principal.scopes, request)

    def _learn(self, call: Call, seconds: float) -> None:
        if call.reason != "OVERLOADED":
            self._limiter.in_flight.learn(seconds)
            deadline.learn(call, seconds)


class _Streaming:
    """Serves the calls of a method with many requests, many responses or both."""

    experimental_non_blocking = True

    def __init__(self, method: Method, reception: Reception, open_streams: OpenStreams, certified: bool) -> None:
        self.experimental_thread_pool = reception
        self._certified = certified
        self._method = method
        self._open = open_streams

    def __call__(self, messages: Iterator[bytes], context: grpc.ServicerContext, send: Send) -> None:
        call = current_call.get()
        observe.taken_up(call)
        stream = Stream(call, context, send)
        self._open.add(stream)
        try:
            context.send_initial_metadata(observe.named(call))
            deadline.begin(call, context)
            call.certificate = _certificate(context) if self._certified else ""
            with (
                acting.enter(_context(call)),
                serving.streaming(stream.over.wait),
                closing(self._responses(messages, context)) as responses,
            ):
                for response in responses:
                    stream.send(answer.part(self._method.shown(response, call.principal.scopes)))
                    if stream.over.is_set():
                        break
            stream.end()
        except Exception as error:  # noqa: BLE001  (every error becomes a status)
            if context.is_active():  # else the caller is gone or was told, and what went wrong follows from that
                stream.end(errors.conclude(call, error))
        finally:
            self._open.discard(stream)

    def _responses(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> Generator[Message]:
        method = self._method
        requests = (validate.read(method, data) for data in messages)
        argument = requests if method.takes_many else next(requests)
        result = method.serve(argument, context)
        if method.kind == "CLIENT_STREAMING":
            yield result
        else:
            yield from result


def _certificate(context: grpc.ServicerContext) -> str:
    """Returns the name in the certificate of the client: its first alternative name, or else its common name."""
    names = context.peer_identities() or ()
    return next(iter(names), b"").decode("utf-8", "replace")


def _context(call: Call, request: Message | None = None) -> acting.Context:
    return acting.Context(
        tenant=call.principal.tenant,
        actor=call.principal.subject,
        acting_service=call.principal.acting_service,
        client_certificate=call.certificate,
        scopes=call.principal.scopes,
        command=None if request is None else validate.command(call.method, request),
        correlation_id=call.request_id,
    )
