"""Customers and what belongs to them, with everything filled in that a test does not care about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from services.profiles.activity.domain.transactions import Money, Transaction, TransactionType
from services.profiles.customers.domain.consents import Capture, ConsentReceipt, ConsentState, Purpose
from services.profiles.customers.domain.contact_points import ContactPoint, ContactPointType, VerificationMethod
from services.profiles.customers.domain.customers import Customer, CustomerKind
from services.profiles.customers.domain.names import PersonName

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def person(**fields: Any) -> Customer:
    """A person as created, Ada Lovelace unless told otherwise."""
    return customer(kind=CustomerKind.PERSON, **{"names": (PersonName(given="Ada", family="Lovelace"),), **fields})


def organisation(name: str = "Analytical Engines", **fields: Any) -> Customer:
    """An organisation as created."""
    return customer(kind=CustomerKind.ORGANISATION, display_name=name, **fields)


def customer(**fields: Any) -> Customer:
    """A customer as created."""
    return Customer(**{"id": "cus_1", **fields}).create()[0]


def phone(raw: str = "+86 131 2345 6789", **fields: Any) -> ContactPoint:
    """A telephone number as a caller writes it."""
    return ContactPoint(type=ContactPointType.PHONE, raw=raw, **fields)


def email(raw: str = "ada@example.com", **fields: Any) -> ContactPoint:
    """A mailbox as a caller writes it."""
    return ContactPoint(type=ContactPointType.EMAIL, raw=raw, **fields)


def reachable(**fields: Any) -> Customer:
    """A person with a verified mailbox and a verified mobile number."""
    ada = person(contact_points=(email(), phone()), **fields)
    for point in ada.contact_points:
        ada = ada.with_changed_contact_point(point, point.verified(VerificationMethod.CODE, NOW, NOW))[0]
    return ada


def decision(state: ConsentState = ConsentState.GRANTED, **fields: Any) -> ConsentReceipt:
    """What a customer decided, marketing on every channel by a form unless told otherwise."""
    return ConsentReceipt(
        **{
            "id": "rcp_1",
            "purpose": Purpose.MARKETING,
            "state": state,
            "capture": Capture.CUSTOMER_ACTION,
            "capture_time": NOW - timedelta(days=10),
            "proof_ref": "form/1",
            **fields,
        }
    )


def decided(ada: Customer, *decisions: ConsentReceipt) -> Customer:
    """The customer after some decisions."""
    for each in decisions:
        ada = ada.with_consent(each, NOW, "receipt")[0]
    return ada


def transaction(key: str = "1", units: int = 1999, **fields: Any) -> Transaction:
    """A sale of 19.99 euros."""
    return Transaction(
        **{
            "id": "",
            "customer_id": "cus_1",
            "occurred_time": NOW - timedelta(days=1),
            "type": TransactionType.SALE,
            "amount": Money(currency_code="EUR", minor_units=units),
            "source": "shop",
            "source_key": key,
            **fields,
        }
    )
