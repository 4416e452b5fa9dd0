"""Requests into values of the domain, and those into answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from google.protobuf.message import Message

from libs.chassis.codec import at_path, from_proto, to_proto
from libs.chassis.domain import InvalidArgument
from services.profiles.customers.domain.customers import Customer
from services.profiles.privacy.application.access import shown

M = TypeVar("M", bound=Message)
T = TypeVar("T")


def answer(value: object, message: type[M]) -> M:
    """The message of a value; a customer as the caller may see it."""
    return to_proto(shown(value) if isinstance(value, Customer) else value, message)


def answers(values: Iterable[object], message: type[M]) -> list[M]:
    """The messages of values, in their order."""
    return [answer(value, message) for value in values]


def read(cls: type[T], message: Message, field: str) -> T:
    """The value of a field of a request; complaints name the field."""
    try:
        return from_proto(cls, message)
    except InvalidArgument as error:
        raise at_path(field, error) from None
