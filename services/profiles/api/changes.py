"""What changed in a customer, told from the events that the journal keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol, cast

from google.protobuf.json_format import MessageToDict
from kehu.common.v1.envelope_pb2 import Envelope
from kehu.profiles.v1 import events_pb2
from kehu.profiles.v1.customer_pb2 import Customer
from kehu.profiles.v1.profiles_pb2 import CustomerChange

from libs.chassis.inbox import Received
from libs.chassis.inbox.subscription import event_type
from libs.chassis.paging import Page

_EVENTS = {
    event_type(message): message
    for message in (
        events_pb2.CustomerCreated,
        events_pb2.CustomerUpdated,
        events_pb2.CustomerDeleted,
        events_pb2.CustomerUndeleted,
        events_pb2.ConsentChanged,
        events_pb2.CustomerErasureRequested,
        events_pb2.CustomerErased,
        events_pb2.CustomersMerged,
        events_pb2.CustomersUnmerged,
    )
}
"""The events of the customer entity; each carries the customer after the change."""
_UNTOLD = frozenset({"id", "revision", "create_time", "update_time"})


class History(Protocol):
    """The events of one entity, the latest first; the message of each is its envelope."""

    def __call__(self, entity_id: str, *, size: int, token: str = "") -> Page[Received]: ...


def list_changes(
    history: History, customer_id: str, *, size: int, token: str, show: Callable[[str], str]
) -> Page[CustomerChange]:
    """A page of changes, the latest first; `show` gives what a caller may see of the value of a contact point."""
    page = history(customer_id, size=size, token=token)
    older = history(customer_id, size=1, token=page.next_page_token).items if page.next_page_token else []
    states = [customer_of(event) for event in (*page.items, *older)]
    for state in states:
        for point in state.contact_points:
            point.raw, point.canonical = show(point.raw), show(point.canonical)
        for decision in state.consent.decisions:
            decision.contact_point = show(decision.contact_point)
    if not older:
        states.append(Customer())  # Before the first change there was nothing.
    changes = [
        _change(event, after, before) for event, after, before in zip(page.items, states[:-1], states[1:], strict=True)
    ]
    return Page(changes, page.next_page_token)


def customer_of(event: Received) -> Customer:
    """The customer after a change; a skeleton where it was erased."""
    return _EVENTS[event.type].FromString(cast(Envelope, event.message).data).customer


def _change(event: Received, after: Customer, before: Customer) -> CustomerChange:
    old, new = _fields(before), _fields(after)
    change = CustomerChange(
        revision=event.revision,
        actor=event.actor,
        event_type=event.type,
        correlation_id=event.correlation_id,
        fields=[
            CustomerChange.Field(field=name, before=old.get(name, ""), after=new.get(name, ""))
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        ],
    )
    change.change_time.FromDatetime(event.time)
    return change


def _fields(customer: Customer) -> dict[str, str]:
    """Field → JSON, for the fields that are set and say something about the customer."""
    told = MessageToDict(customer, preserving_proto_field_name=True)
    return {
        name: json.dumps(value, ensure_ascii=False, sort_keys=True)
        for name, value in told.items()
        if name not in _UNTOLD
    }
