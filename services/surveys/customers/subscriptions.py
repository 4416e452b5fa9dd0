"""Events of customers: who was merged, who is erased, who agreed to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from kehu.common.v1 import types_pb2
from kehu.profiles.v1 import consent_pb2, customer_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis.enums import enum_word
from libs.chassis.projection import CustomerEvents, Customers
from services.surveys.customers.domain import ANY_CHANNEL, REFUSALS, CustomerProjection

ADULT_AGE = 18
_RECEIPT = consent_pb2.ConsentReceipt


def customer_events(store: Customers[CustomerProjection]) -> CustomerEvents[CustomerProjection]:
    """Events that keep the projection current."""
    fields = {"consents": _consents, "employee": _is_employee, "adult_date": _adult_date}
    return CustomerEvents(store, profiles, fields)


def _consents(customer: customer_pb2.Customer) -> Mapping[str, str]:
    """Channel → decision about being asked. Of several about one channel a refusal wins."""
    found: dict[str, str] = {}
    for each in customer.consent.decisions:
        if each.purpose == _RECEIPT.PURPOSE_SURVEY and each.state in _RECEIPT.State.values():
            channel = enum_word(types_pb2.Channel.DESCRIPTOR, each.channel) or ANY_CHANNEL
            state = enum_word(_RECEIPT.State.DESCRIPTOR, each.state)
            found[channel] = found[channel] if found.get(channel) in REFUSALS else state
    return found


def _is_employee(customer: customer_pb2.Customer) -> bool:
    return customer.labels.get("employee", "").lower() in ("true", "yes", "1")


def _adult_date(customer: customer_pb2.Customer) -> date | None:
    """The day of the 18th birthday. Of a birthday in the Chinese calendar the end of that year is taken."""
    for each in customer.dates:
        if each.kind == customer_pb2.TypedDate.KIND_BIRTH and each.HasField("year"):
            year = each.year + ADULT_AGE
            if each.calendar == customer_pb2.TypedDate.CALENDAR_CHINESE_LUNISOLAR:
                return _day(year + 1, 3, 1)
            return _day(year, each.month, each.day)
    return None


def _day(year: int, month: int, day: int) -> date | None:
    """A date, the first of March for a 29 February that the year lacks. None for one that no calendar has."""
    try:
        return date(year, month, day)
    except ValueError:
        return date(year, 3, 1) if (month, day) == (2, 29) and 1 <= year <= 9999 else None
