"""A service and everything around it, in one process and without a server."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from kehu.common.v1.envelope_pb2 import Envelope

from libs.chassis import context, identity
from libs.chassis.context import Command, Context
from libs.chassis.inbox import event_type
from libs.chassis.operations import Operation
from libs.chassis.service import Service
from libs.engine.inbox.decoding import decode
from libs.engine.run.claims import Claims
from libs.engine.store.memory import MemoryDatabase
from libs.engine.timers import Round

S = TypeVar("S")
M = TypeVar("M", bound=Message)


class World(Generic[S]):
    """A service over the store in memory. Nothing happens by itself: time, events, timers and long work wait."""

    def __init__(
        self,
        service: Service[S],
        *,
        at: datetime,
        tenant: str = "acme",
        actor: str = "ada",
        scopes: Collection[str] = (),
    ) -> None:
        self.service = service
        self.clock = identity.FixedClock(at)
        self.database = MemoryDatabase(service.name)
        self.store = service.store(self.database)
        self._caller = Context(tenant=tenant, actor=actor, scopes=frozenset(scopes))
        self._delivered: set[str] = set()

    @contextmanager
    def entered(self) -> Iterator[World[S]]:
        """Inside the block its time is now and its caller acts."""
        with identity.clock(self.clock), context.enter(self._caller):
            yield self

    def acting(
        self,
        actor: str = "",
        *,
        tenant: str = "",
        scopes: Collection[str] | None = None,
        request_id: str = "",
        of: bytes = b"",
    ) -> AbstractContextManager[Context]:
        """Inside the block somebody acts, perhaps on a command with this fingerprint."""
        return context.enter(
            Context(
                tenant=tenant or self._caller.tenant,
                actor=actor or self._caller.actor,
                scopes=self._caller.scopes if scopes is None else frozenset(scopes),
                command=Command(request_id, of) if request_id else None,
            )
        )

    # --------------------------------------------------------------------------------------------------- calls

    def call(self, request: Message, answers: type[M], **caller: Any) -> M:
        """The answer to a request, which passes the rules of its proto and is masked as for any caller.

        What is refused is raised as the domain raises it.
        """
        [answer] = self.stream(request, answers, **caller)
        return answer

    def stream(self, request: Message, answers: type[M], **caller: Any) -> list[M]:
        """The same of a method that answers with a stream."""
        from libs.engine.rpc import validate

        method = self._methods[type(request)]
        with ExitStack() as stack:
            here = stack.enter_context(self.acting(**caller))
            read = validate.read(method, request.SerializeToString())
            stack.enter_context(context.enter(_commanded(here, validate.command(method, read))))
            served = method.serve(read, cast(Any, None))
            found = list(served) if method.kind == "SERVER_STREAMING" else [served]
            return [answers.FromString(method.shown(each, here.scopes, read).SerializeToString()) for each in found]

    @cached_property
    def _methods(self) -> dict[type[Message], Any]:
        registered = _Registered(self.service.name)
        for add, servicer in self.service.servicers(self.store):
            add(servicer, registered)
        return registered.methods

    # -------------------------------------------------------------------------------------------------- events

    def events(self) -> list[str]:
        """The types of all events so far, without their common beginning and end, for example `customer.created`."""
        start = f"kehu.{self.service.name}."
        return [each.type.removeprefix(start).removesuffix(".v1") for each in self.database.events()]

    def deliver(self) -> int:
        """Hands the service its own events until they cause no more. How many there were."""
        count = 0
        while fresh := [each for each in self.database.events() if each.id not in self._delivered]:
            self._delivered |= {each.id for each in fresh}
            self._hand_over(fresh)
            count += len(fresh)
        return count

    def hear(self, *messages: Message, entity_id: str, revision: int = 1) -> None:
        """Hands the service events of another one about one entity, then what they cause."""
        for message in messages:
            envelope = Envelope(
                id=f"{entity_id}:{revision}:0",
                type=event_type(type(message)),
                tenant=context.current().tenant,
                entity_id=entity_id,
                revision=revision,
                time=cast(Any, identity.now()),
                data=message.SerializeToString(),
            )
            self._hand_over([envelope])
        self.deliver()

    def _hand_over(self, envelopes: list[Envelope]) -> None:
        actor = f"service:{self.service.name}"
        for subscription in self.service.subscriptions(self.store):
            for tenant in dict.fromkeys(each.tenant for each in envelopes):
                theirs = [each for each in envelopes if each.tenant == tenant and each.type in subscription.types]
                if theirs:
                    with context.enter(Context(tenant=tenant, actor=actor)), self.database.transaction():
                        subscription.handle([decode(subscription, each.SerializeToString()) for each in theirs])

    # ------------------------------------------------------------------------------------- timers and long work

    def tick(self, name: str) -> int:
        """Runs a timer until nothing is due. How much was."""
        [timer] = [each for each in self.service.timers(self.store) if each.name == name]
        look, count = Round(self.database, timer), 0
        while done := look.run():
            count += done
        return count

    def operate(self, operation_id: str) -> Operation:
        """Does the work of an operation that waits, as its child process would. The operation at its end."""
        from libs.engine.run.operate import operate

        operations = Claims(self.database)
        kinds = self.service.operations(self.store) if self.service.operations is not None else ()
        operate(operations, {each.name: each for each in kinds}, context.current().tenant, operation_id, _NEVER)
        return operations.get(operation_id)


_NEVER = threading.Event()


class _Registered:
    """Takes what a generated `add_XServicer_to_server` registers."""

    def __init__(self, service: str) -> None:
        self._service = service
        self.methods: dict[type[Message], Any] = {}

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Not needed: the same handlers come by name."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """Keeps each method under the message that it is called with."""
        from libs.engine.rpc.call import describe

        declared = descriptor_pool.Default().FindServiceByName(service)
        for name, handler in handlers.items():
            behavior = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
            method = describe(declared.methods_by_name[name], behavior, self._service)
            self.methods[method.request] = method


def _commanded(here: Context, command: Command | None) -> Context:
    from dataclasses import replace

    return replace(here, command=command or here.command)
