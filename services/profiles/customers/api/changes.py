"""Changes of a customer, told from the events that the journal keeps."""

from __future__ import annotations

from typing import Any, Protocol, cast

from kehu.common.v1.envelope_pb2 import Envelope
from kehu.profiles.v1 import events_pb2
from kehu.profiles.v1.customer_pb2 import Customer
from kehu.profiles.v1.customers_pb2 import CustomerChange
from kehu.profiles.v1.identity_pb2 import FieldOrigin

from libs.chassis.inbox import Received, event_type
from libs.chassis.paging import Page

_EVENTS = {
    event_type(message): message
    for message in (
        events_pb2.CustomerCreated,
        events_pb2.CustomerUpdated,
        events_pb2.CustomerDeleted,
        events_pb2.CustomerUndeleted,
        events_pb2.CustomerLifecycleChanged,
        events_pb2.ConsentChanged,
        events_pb2.CustomerErasureRequested,
        events_pb2.CustomerErased,
        events_pb2.CustomersMerged,
        events_pb2.CustomersUnmerged,
    )
}
"""The events of the customer entity. Each carries the customer after the change."""
_PAGE, _MOST_PAGES = 500, 4
_UNTOLD = frozenset({"id", "revision", "create_time", "update_time"})


class History(Protocol):
    """The events of one entity, the latest first. The message of each is its envelope."""

    def __call__(self, entity_id: str, *, size: int, token: str = "") -> Page[Received]: ...


def list_changes(history: History, customer_id: str, *, size: int, token: str) -> Page[CustomerChange]:
    """A page of changes, the latest first."""
    page = _told(history, customer_id, size=size, token=token)
    return Page([change for _, change in page.items], page.next_page_token)


def trace_fields(history: History, customer: Customer) -> list[FieldOrigin]:
    """Origin of the present value of every field, by name. Without those that were not changed lately."""
    untraced, token, origins = _told_fields(customer), "", list[FieldOrigin]()
    for _ in range(_MOST_PAGES):
        page = _told(history, customer.id, size=_PAGE, token=token)
        for event, change in page.items:
            for name in sorted({each.field for each in change.fields} & untraced):
                untraced.remove(name)
                origins.append(_origin(name, event, change))
        token = page.next_page_token
        if not (untraced and token):
            break
    return sorted(origins, key=lambda origin: origin.field)


def _told(history: History, customer_id: str, *, size: int, token: str) -> Page[tuple[Received, CustomerChange]]:
    """A page of events and the changes that they tell, the latest first."""
    page = history(customer_id, size=size, token=token)
    older = history(customer_id, size=1, token=page.next_page_token).items if page.next_page_token else []
    states = [customer_of(event) for event in (*page.items, *older)]
    if not older:
        states.append(Customer())  # Before the first change there was nothing.
    changes = [
        _change(event, after, before) for event, after, before in zip(page.items, states[:-1], states[1:], strict=True)
    ]
    return Page(list(zip(page.items, changes, strict=True)), page.next_page_token)


def _origin(field: str, event: Received, change: CustomerChange) -> FieldOrigin:
    origin = FieldOrigin(
        field=field,
        change_time=change.change_time,
        actor=change.actor,
        event_type=change.event_type,
        revision=change.revision,
    )
    if _EVENTS[event.type] is events_pb2.CustomersMerged:
        merged = events_pb2.CustomersMerged.FromString(cast(Envelope, event.message).data)
        for decision in merged.merge.field_decisions:
            if decision.field == field:
                origin.rule, origin.customer_id = decision.rule, decision.customer_id
    return origin


def customer_of(event: Received) -> Customer:
    """The customer after a change. A skeleton where it was erased."""
    return _EVENTS[event.type].FromString(cast(Envelope, event.message).data).customer


def _change(event: Received, after: Customer, before: Customer) -> CustomerChange:
    change = CustomerChange(
        revision=event.revision,
        actor=event.actor,
        event_type=event.type,
        correlation_id=event.correlation_id,
        fields=[
            CustomerChange.Field(field=name, before=_only(name, before), after=_only(name, after))
            for name in sorted(_told_fields(before) | _told_fields(after))
            if getattr(before, name) != getattr(after, name)
        ],
    )
    change.change_time.FromDatetime(event.time)
    return change


def _told_fields(customer: Customer) -> set[str]:
    """Names of the fields that are set and say something about the customer."""
    return {field.name for field, _ in customer.ListFields()} - _UNTOLD


def _only(name: str, customer: Customer) -> Customer | None:
    """The customer with one of its fields alone. None when it is not set."""
    if name not in _told_fields(customer):
        return None
    copy = Customer()
    copy.CopyFrom(customer)
    for field, _ in customer.ListFields():
        if field.name != name:
            copy.ClearField(cast(Any, field.name))
    return copy
