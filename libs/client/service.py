"""The methods of one service, made from its descriptors: a new RPC is here as soon as the protos are generated.

A service has a gRPC service for each of its areas; here their methods stand side by side.

`GetCustomer` is `get_customer(…)`. It takes the fields of its request as keyword arguments, or the request itself:

    unary             returns the response message
    list (paged)      returns a Pager of items
    server stream     returns an iterator; one whose messages carry a `cursor` goes on by itself after it broke
    chunk stream      takes an iterable of requests and returns an iterator of responses, one for each, in order

Two more come free for every entity that has a Get and an Update:

    update(customer, fields=["display_name"])            builds the update mask
    edit_customer(id, change)                            reads, changes, saves; again when somebody was faster
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from libs.chassis.contention import attempts
from libs.client.calls import Caller
from libs.client.errors import Conflict, KehuError
from libs.client.pages import Pager, items_field
from libs.client.retry import is_transient
from libs.client.values import fill

EDITS = 8
"""Attempts of `edit_…` on a busy entity."""
EDIT_PAUSE = 0.02
"""Upper bound in seconds of the first pause between two of them."""
_CURSOR = "cursor"


class Service:
    """One service. The methods of all its gRPC services are attributes. `dir(service)` lists them."""

    def __init__(self, name: str, descriptors: Sequence[ServiceDescriptor], caller: Caller) -> None:
        self._name = name
        self._caller = caller
        self._methods = {snake_case(method.name): method for each in descriptors for method in each.methods}
        self._updates = dict(_update(m) for name, m in self._methods.items() if name.startswith("update_"))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call: Callable[..., Any]
        if name.startswith("edit_") and f"get_{name[5:]}" in self._methods and f"update_{name[5:]}" in self._methods:
            call = self._editor(name[5:])
        elif name in self._methods:
            call = self._method(self._methods[name])
        else:
            near = ", ".join(get_close_matches(name, self._methods)) or "nothing like it"
            raise AttributeError(f"{self._name} has no method {name!r}; it has {near}")
        call.__name__ = name
        call.__doc__ = self._describe(name)
        self.__dict__[name] = call
        return call

    def __dir__(self) -> list[str]:
        edits = [f"edit_{name[4:]}" for name in self._methods if name.startswith("get_")]
        return [*super().__dir__(), *self._methods, *(name for name in edits if f"update_{name[5:]}" in self._methods)]

    def update(self, entity: Message, *, fields: Sequence[str], timeout: float | None = None) -> Any:
        """Saves the named fields of `entity` and returns it as saved. Conflict when its revision is not current."""
        found = self._updates.get(entity.DESCRIPTOR.full_name)
        if found is None:
            raise TypeError(f"{self._name} cannot update a {entity.DESCRIPTOR.name}")
        method, field = found
        request = GetMessageClass(method.input_type)()
        fill(request, {field: entity, "update_mask": FieldMask(paths=list(fields))})
        if "revision" in method.input_type.fields_by_name:
            fill(request, {"revision": getattr(entity, "revision", 0)})
        return self._caller.unary(method, self._keyed(method, request), timeout=timeout)

    def _keyed(self, method: MethodDescriptor, request: Message) -> Message:
        """The request with an idempotency key, if its message has a place for one and the caller gave none."""
        if "request_id" in request.DESCRIPTOR.fields_by_name and not getattr(request, "request_id"):  # noqa: B009
            fill(request, {"request_id": self._caller.new_request_id(method)})
        return request

    def _describe(self, name: str) -> str:
        """Returns the text of `help(client.profiles.get_customer)`. The protos tell what the fields mean."""
        method = self._methods.get(name)
        if method is None:
            return f"Read a {name[5:]} by its id, let a function alter it in place, save what differs."
        fields = ", ".join(field.name for field in method.input_type.fields)
        return f"{method.full_name}({fields}) → {method.output_type.name}"

    def _method(self, method: MethodDescriptor) -> Callable[..., Any]:
        request_class = GetMessageClass(method.input_type)

        def build(request: Message | None, fields: dict[str, object]) -> Message:
            built = request_class()
            if request is not None:
                if not isinstance(request, request_class):
                    raise TypeError(f"{method.name} takes a {method.input_type.name}, not a {type(request).__name__}")
                built.CopyFrom(request)
            return self._keyed(method, fill(built, fields))

        if method.client_streaming:

            def chunks(requests: Iterable[Message | dict[str, object]]) -> Iterator[Message]:
                messages = (r if isinstance(r, Message) else fill(request_class(), r) for r in requests)
                return self._caller.exchange(method, (self._keyed(method, message) for message in messages))

            return chunks

        if method.server_streaming:
            resumable = _CURSOR in method.input_type.fields_by_name and _CURSOR in method.output_type.fields_by_name

            def stream(request: Message | None = None, *, timeout: float | None = None, **fields: Any) -> Any:
                open_with = self._resuming if resumable else self._caller.server_stream
                return open_with(method, build(request, fields), timeout=timeout)

            return stream

        items = items_field(method)

        def call(request: Message | None = None, *, timeout: float | None = None, **fields: Any) -> Any:
            built = build(request, fields)

            def fetch(page: Message) -> Message:
                return self._caller.unary(method, page, timeout=timeout)

            return Pager(fetch, built, items) if items else fetch(built)

        return call

    def _resuming(self, method: MethodDescriptor, request: Message, *, timeout: float | None) -> Iterator[Message]:
        """A stream without an end: when the server ends it or the connection breaks, it goes on after the last one."""
        policy = self._caller.retry
        failures = 0
        while True:
            error: KehuError | None = None
            try:
                for message in self._caller.server_stream(method, request, timeout=timeout, patient=failures > 0):
                    failures = 0
                    fill(request, {_CURSOR: getattr(message, _CURSOR)})
                    yield message
            except KehuError as raised:
                error = raised
            failures += 1
            if error is not None and (not is_transient(error) or failures >= policy.attempts):
                raise error
            time.sleep(policy.pause(failures, error))

    def _editor(self, noun: str) -> Callable[..., Any]:
        get = self._methods[f"get_{noun}"]

        def edit(id: str, change: Callable[[Any], None], *, timeout: float | None = None) -> Any:
            """Reads the entity, lets `change` alter it in place, saves what differs. Starts again when it is stale."""
            for attempt in attempts(EDITS, EDIT_PAUSE):
                request = fill(GetMessageClass(get.input_type)(), {f"{noun}_id": id})
                before = self._caller.unary(get, request, timeout=timeout)
                after = type(before)()
                after.CopyFrom(before)
                change(after)
                fields = changed_fields(before, after)
                if not fields:
                    return before
                try:
                    return self.update(after, fields=fields, timeout=timeout)
                except Conflict:
                    if attempt == EDITS:
                        raise
            raise AssertionError("unreachable: the last attempt returns or raises")

        return edit


def changed_fields(before: Message, after: Message) -> list[str]:
    """The names of the top-level fields that differ, in the order of the message."""
    names = []
    for field in before.DESCRIPTOR.fields:
        presence = field.has_presence and before.HasField(field.name) != after.HasField(field.name)
        if presence or getattr(before, field.name) != getattr(after, field.name):
            names.append(field.name)
    return names


def snake_case(name: str) -> str:
    """`BatchGetCustomers` → `batch_get_customers`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _update(method: MethodDescriptor) -> tuple[str, tuple[MethodDescriptor, str]]:
    """Full name of the message that an update method changes → the method, and the field that carries the message."""
    for field in method.input_type.fields:
        if field.message_type is not None and field.message_type.full_name != "google.protobuf.FieldMask":
            return field.message_type.full_name, (method, field.name)
    raise TypeError(f"{method.full_name} has no field for what it changes")
