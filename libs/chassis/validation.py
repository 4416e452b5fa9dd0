"""The rules that the protos carry (`buf.validate`), checked on every request before a service sees it."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message
from protovalidate import Validator, Violation

from libs.chassis.domain import FieldViolation, InvalidArgument

_validator = Validator()


def warm(message_classes: Iterable[type[Message]]) -> None:
    """Compiles the rules of these types now (tens of milliseconds each), so that no caller waits for it."""
    for message_class in message_classes:
        _validator.collect_violations(message_class())


def validate(message: Message) -> None:
    """Raises InvalidArgument that names every wrong field and what is allowed there."""
    violations = _validator.collect_violations(message)
    if violations:
        wrong = [_translate(violation) for violation in violations]
        # A rule about several fields together has no path.
        text = "; ".join(f"{v.field}: {v.description}" if v.field else v.description for v in wrong)
        raise InvalidArgument(text, violations=wrong)


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
