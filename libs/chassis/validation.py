"""The rules that the protos carry (`buf.validate`), checked on every request before a service sees it.

An enum value that the proto does not declare breaks the rules too. Events may carry one of a newer release; a request
may not, because nobody would act upon it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from protovalidate import Validator, Violation

from libs.chassis.codec import at_path
from libs.chassis.domain import FieldViolation, InvalidArgument

_validator = Validator()


def warm(message_classes: Iterable[type[Message]]) -> None:
    """Compiles the rules of these types now (tens of milliseconds each), so that no caller waits for it."""
    for message_class in message_classes:
        _validator.collect_violations(message_class())


def validate(message: Message) -> None:
    """Raises InvalidArgument that names every wrong field and what is allowed there."""
    wrong = [_translate(violation) for violation in _validator.collect_violations(message)]
    if _has_enums(message.DESCRIPTOR):
        wrong += _undeclared(message, "")
    if wrong:
        # A rule about several fields together has no path.
        text = "; ".join(f"{v.field}: {v.description}" if v.field else v.description for v in wrong)
        raise InvalidArgument(text, violations=wrong)


@contextmanager
def inside(path: str) -> Iterator[None]:
    """Puts the field of a request that is read in front of the fields found wrong in it."""
    try:
        yield
    except InvalidArgument as error:
        if not error.violations and error.reason_code != InvalidArgument.reason:
            raise  # about the request as a whole, such as REQUEST_ID_REUSED
        raise at_path(path, error) from None


@cache
def _has_enums(descriptor: Descriptor) -> bool:
    """True when an enum is anywhere inside a message."""
    reached, ahead = {descriptor.full_name}, [descriptor]
    while ahead:
        for field in ahead.pop().fields:
            if field.enum_type is not None:
                return True
            inner = field.message_type
            if inner is not None and inner.full_name not in reached:
                reached.add(inner.full_name)
                ahead.append(inner)
    return False


def _undeclared(message: Message, path: str) -> Iterator[FieldViolation]:
    """The enum values in a message that its proto does not declare."""
    for field, value in message.ListFields():
        at = f"{path}.{field.name}" if path else field.name
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            entry = inner.fields_by_name["value"]
            for key, each in value.items():
                yield from _undeclared_in(entry, each, f"{at}[{key}]")
        elif field.is_repeated:
            for i, each in enumerate(value):
                yield from _undeclared_in(field, each, f"{at}[{i}]")
        else:
            yield from _undeclared_in(field, value, at)


def _undeclared_in(field: FieldDescriptor, value: object, at: str) -> Iterator[FieldViolation]:
    if isinstance(value, Message):
        if _has_enums(value.DESCRIPTOR):
            yield from _undeclared(value, at)
    elif field.enum_type is not None and value not in field.enum_type.values_by_number:
        allowed = ", ".join(sorted(each.name for each in field.enum_type.values if each.number))
        yield FieldViolation(at, f"{value} is not one of {allowed}", "ENUM_DEFINED_ONLY")


def _translate(violation: Violation) -> FieldViolation:
    rule = violation.proto
    subject = "key " if rule.for_key else ""
    reason = (rule.rule_id or "custom").upper().replace(".", "_").replace("-", "_")
    return FieldViolation(_path(violation), f"{subject}{rule.message or rule.rule_id}", reason)


def _path(violation: Violation) -> str:
    """The path in the form `customer.contact_points[0].raw`, map keys in quotes."""
    path = ""
    field = violation.proto.field
    for element in field.elements if field else ():
        path += f".{element.field_name}" if path else (element.field_name or "")
        if element.subscript is not None:
            at = element.subscript.value
            path += f'["{at}"]' if isinstance(at, str) else f"[{at}]"
    return path
