"""Receiving: a call takes a thread when its request is complete, and not before.

grpc itself would have a thread of the pool wait for the request, for as long as the caller likes. Here the thread that
receives everything starts to receive and goes on; it hears of it when the request is there, and only then hands the
call on. A call whose request is on its way costs a little memory, and of that there is a share for each tenant: past
it, the tenant's own oldest half-sent call makes room, so that nobody is locked out by what never ends.

This module is the only one that knows what grpc keeps to itself: the arguments that it submits, and how it receives.
"""

# ruff: noqa: SLF001  (grpc has no public way to receive without a thread)

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import Any

import grpc
from grpc import _server
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from libs.engine.rpc import errors, observe
from libs.engine.rpc.call import Call
from libs.engine.rpc.errors import Incomplete
from libs.engine.rpc.limit import refusal
from libs.engine.rpc.validate import malformed

RECEIVE_SECONDS = 2.0
"""Time from the arrival of a call to the end of its request, or to the end of the first one of a stream."""

RECEIVING = 256
"""Calls whose request is on its way, each with up to `RECEIVE_LIMIT` bytes of it."""

RECEIVING_SHARE = RECEIVING // 2
"""Those of them that may be of one tenant, or of callers that are not known."""

_LOOK_EVERY = 0.25
_SENDING = frozenset({_server._SEND_MESSAGE_TOKEN, _server._SEND_INITIAL_METADATA_AND_SEND_MESSAGE_TOKEN})


Then = Callable[["Work"], None]
"""Takes a call whose request is complete, on the receiving thread: it must not block."""


class Work:
    """One call, with what grpc would have a thread do for it."""

    __slots__ = (
        "_behavior",
        "_event",
        "_requests",
        "_rest",
        "_run",
        "_serve",
        "_state",
        "begun",
        "call",
        "data",
        "empty",
    )

    def __init__(  # noqa: PLR0917  (as grpc submits them)
        self,
        call: Call,
        run: Callable[..., None],
        serve: Callable[..., None],
        event: Any,
        state: Any,
        behavior: Callable[..., Any],
        requests: Callable[[], Iterator[bytes]],
        *rest: Any,
    ) -> None:
        self.call = call
        self.begun = time.monotonic()
        self.data: bytes | None = None
        """The request, or the first one of a stream, or None while it is not there."""
        self.empty = False
        """No request came, though one has to."""
        self._run = run
        self._serve = serve
        self._event = event
        self._state = state
        self._behavior = behavior
        self._requests = requests
        self._rest = rest

    def receive(self, then: Then) -> None:
        """Starts to receive a request, and calls `then` on the receiving thread when it is there or will not come."""
        told = _server._receive_message(self._state, self._event.call, None)

        def received(event: Any) -> Any:
            outcome = told(event)
            with self._state.condition:
                self.data, self._state.request = self._state.request, None
            then(self)
            return outcome

        with self._state.condition:
            if not _server._is_rpc_state_active(self._state):
                self.empty = True
                return
            self._event.call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), received)
            self._state.due.add(_server._RECEIVE_MESSAGE_TOKEN)

    @property
    def abandoned(self) -> bool:
        """The caller went away."""
        return self._state.client is _server._CANCELLED

    @property
    def peer(self) -> bytes:
        """The connection that the call came by."""
        address: bytes = self._event.call.peer()
        return address

    def when_over(self, then: Callable[[], None]) -> bool:
        """Calls `then` once the call has ended, however it does, or returns False when it has already."""
        with self._state.condition:
            if self._state.callbacks is None:
                return False
            self._state.callbacks.append(then)
            return True

    @property
    def sending(self) -> bool:
        """Something is sent that the caller has not taken yet."""
        return not _SENDING.isdisjoint(self._state.due)

    def send(self, message: bytes, then: Callable[[], None] | None = None) -> bool:
        """Sends a message without waiting, and calls `then` on the receiving thread when the caller has taken it.

        Returns False when the call is over, or the message before this one is not taken yet.
        """
        state = self._state
        with state.condition:
            if self.sending or not _server._is_rpc_state_active(state):
                return False
            operations, token = [cygrpc.SendMessageOperation(message, 0)], _server._SEND_MESSAGE_TOKEN
            if state.initial_metadata_allowed:
                operations.insert(0, _server._get_initial_metadata_operation(state, None))
                state.initial_metadata_allowed = False
                token = _server._SEND_INITIAL_METADATA_AND_SEND_MESSAGE_TOKEN
            told = _server._send_message(state, token)

            def sent(event: Any) -> Any:
                outcome = told(event)
                if then is not None:
                    then()
                return outcome

            self._event.call.start_server_batch(tuple(operations), sent)
            state.due.add(token)
        return True

    def end(self, answer: bytes | None = None) -> None:
        """Ends the call well, with an answer if it still needs one, without blocking the thread."""
        _server._status(self._event, self._state, answer)

    def cancel(self) -> None:
        """Drops the call, also one whose caller takes nothing any more."""
        self._event.call.cancel()

    def inside(self, step: Callable[[Call], None]) -> None:
        """Takes a step of the call in its own context, as all others are."""
        self._run(step, self.call)

    def do(self) -> None:
        """Serves the call on this thread, where grpc drops it when there is no argument."""
        self._run(self._serve, self._event, self._state, self._behavior, self._argument, *self._rest)

    def refuse(self, error: Exception) -> None:
        """Answers with the error on this thread, without blocking it."""
        refused = Refusal(self.call, error)
        self._run(self._serve, self._event, self._state, refused, lambda: b"", *self._rest)

    def _argument(self) -> Any:
        if self.abandoned:
            return None
        if not self.call.method.streams:
            return self.data
        first = () if self.data is None else (self.data,)
        return chain(first, self._requests())


class Refusal:
    """Answers a call without a thread and without reading its request."""

    def __init__(self, call: Call, error: Exception) -> None:
        self._call = call
        self._error = error
        self.experimental_thread_pool = _INLINE

    def __call__(self, _requests: object, context: grpc.ServicerContext) -> None:
        status = errors.conclude(self._call, self._error)
        observe.end(self._call)
        errors.abort(context, status, observe.named(self._call))


class Inline(ThreadPoolExecutor):
    """Runs work at once on the thread that brings it: only for what never blocks."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs the work, and returns a future that is done."""
        work(*args, **kwargs)
        return _DONE


class Reception(ThreadPoolExecutor):
    """Takes what grpc submits and hands it on when its request is complete.

    grpc submits a call on the thread that received it, right after the chain admitted it and before anything else
    arrives, so `expect` can say which call the next `submit` is for. grpc insists on the type, but takes no interest in
    results.
    """

    def __init__(self, complete: Then) -> None:
        super().__init__(max_workers=1)
        self._complete = complete
        self.handler = _Handler(self)
        """The handler of methods whose calls are answered by what `complete` does with them."""
        self._expected: Call | None = None
        self._lock = threading.Lock()
        self._waiting: dict[str, dict[int, Work]] = {}
        """Tenant → its calls in the order of their arrival."""
        self.waiting = 0
        """Calls whose request is on its way."""
        self._over = threading.Event()

    def start(self) -> None:
        """Begins to refuse what takes too long."""
        threading.Thread(target=self._look, name="reception", daemon=True).start()

    def expect(self, call: Call) -> None:
        """The next work submitted is this call's."""
        self._expected = call

    def submit(self, run: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Starts to receive, and returns a future that says nothing and is done at once."""
        call, self._expected = self._expected, None
        if call is None or kwargs:
            raise RuntimeError("work came without a call that was admitted")
        work = Work(call, run, *args)
        self._add(work)
        work.receive(self._received)
        return _DONE

    def resume(self, work: Work, message: bytes) -> None:
        """Sends a message, and then receives the next request of the call, in the time of a first one."""
        work.begun = time.monotonic()
        self._add(work)
        if not work.send(message, then=partial(work.receive, self._received)):
            self._remove(work)
            work.cancel()

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Refuses nothing any more."""
        self._over.set()

    def _add(self, work: Work) -> None:
        """Notes that the call waits, and refuses the one that has to make room for it, if one has to."""
        tenant = work.call.principal.tenant
        with self._lock:
            calls = self._waiting.setdefault(tenant, {})
            crowded = None
            if len(calls) >= RECEIVING_SHARE:
                crowded = next(iter(calls.values()))
            elif self.waiting >= RECEIVING:
                crowded = min((next(iter(of.values())) for of in self._waiting.values() if of), key=lambda w: w.begun)
            calls[id(work)] = work
            self.waiting += 1
        if crowded is not None:
            text = "too many requests of this tenant are on their way; send them faster"
            self._refuse(crowded, refusal("receiving", text))

    def _refuse(self, work: Work, error: Exception) -> None:
        """Refuses a call that still waits."""
        if not self._remove(work):
            return
        if work.abandoned:
            observe.end(work.call)
        elif work.sending:
            work.cancel()
        else:
            work.refuse(error)

    def _remove(self, work: Work) -> bool:
        """Takes out a call that still waits: only who does so decides what becomes of it."""
        tenant = work.call.principal.tenant
        with self._lock:
            calls = self._waiting.get(tenant, {})
            if calls.pop(id(work), None) is None:
                return False
            if not calls:
                del self._waiting[tenant]
            self.waiting -= 1
            return True

    def _received(self, work: Work) -> None:
        if work.data is None and not work.call.method.takes_many:
            # The caller ended its side without a request, or it went away and grpc does not know yet: `_look` will.
            work.empty = True
        elif self._remove(work):
            self._complete(work)

    def _look(self) -> None:
        while not self._over.wait(_LOOK_EVERY):
            self.expire(time.monotonic() - RECEIVE_SECONDS)

    def expire(self, begun_before: float) -> None:
        """Refuses the calls that came without a request, and those that began before and have none yet."""
        with self._lock:
            waiting = [work for calls in self._waiting.values() for work in calls.values()]
        for work in waiting:
            if work.empty:
                self._refuse(work, malformed(work.call.method))
            elif work.begun < begun_before:
                text = f"the request was not complete within {RECEIVE_SECONDS:.0f} s; nothing was done"
                self._refuse(work, Incomplete(text))


class _Handler:
    """Brings calls to the reception, which never hands them back."""

    def __init__(self, reception: Reception) -> None:
        self.experimental_thread_pool = reception

    def __call__(self, *_: object) -> None:
        raise AssertionError("no thread serves this method")


_DONE: Future[Any] = Future()
_DONE.set_result(None)
_INLINE = Inline(max_workers=1)
