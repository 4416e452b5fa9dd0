"""The services and their contracts as the contract tests see them: found by listing, read from descriptors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodOptions,
    ServiceDescriptorProto,
)
from kehu.common.v1 import options_pb2

from libs.chassis.codec import is_output_only
from libs.registry import SERVICES

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "build" / "gen"
FOLDER = ROOT / "services"


@cache
def modules(service: str) -> tuple[Any, ...]:
    """The generated modules of messages of a service."""
    folder = GENERATED / "kehu" / service / "v1"
    return tuple(import_module(f"kehu.{service}.v1.{path.stem}") for path in sorted(folder.glob("*_pb2.py")))


def files(service: str) -> list[FileDescriptor]:
    """The proto files of a service."""
    return [module.DESCRIPTOR for module in modules(service)]


def messages(service: str) -> list[Descriptor]:
    """Every message of a service, nested ones too, but not the entries of maps."""

    def inside(descriptor: Descriptor) -> Iterator[Descriptor]:
        if not descriptor.GetOptions().map_entry:
            yield descriptor
        for nested in descriptor.nested_types:
            yield from inside(nested)

    return [one for file in files(service) for top in file.message_types_by_name.values() for one in inside(top)]


def enums(service: str) -> list[EnumDescriptor]:
    """Every enum of a service, nested ones too."""
    top = [enum for file in files(service) for enum in file.enum_types_by_name.values()]
    return [*top, *(enum for message in messages(service) for enum in message.enum_types)]


def methods(service: str) -> list[MethodDescriptor]:
    """Every method of a service."""
    return [m for file in files(service) for declared in file.services_by_name.values() for m in declared.methods]


def method_ids(services: tuple[str, ...] = SERVICES) -> list[Any]:
    """Every method of these services as a pytest parameter, named after it."""
    import pytest

    return [pytest.param(method, id=f"{service}.{method.name}") for service in services for method in methods(service)]


def event_messages(service: str) -> dict[str, Descriptor]:
    """Event type → message."""
    found = {m: m.GetOptions().Extensions[options_pb2.event].type for m in messages(service)}
    return {event_type: message for message, event_type in found.items() if event_type}


def reads(method: MethodDescriptor) -> bool:
    """Whether the method changes nothing."""
    return method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS


def streams(method: MethodDescriptor) -> bool:
    """Whether the method has a stream."""
    return method.client_streaming or method.server_streaming


def scope(method: MethodDescriptor) -> str:
    """The scope that the method asks for."""
    asked: str = method.GetOptions().Extensions[options_pb2.access].scope
    return asked


def http(method: MethodDescriptor) -> tuple[str, str, str]:
    """Verb, path and body of the HTTP form. Empty texts when there is none."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern") or ""
    return verb, getattr(rule, verb) if verb else "", rule.body


def rows(method: MethodDescriptor) -> bool:
    """Whether the method answers row by row."""
    return any(f.message_type is not None and f.message_type.name == "RowOutcome" for f in method.output_type.fields)


def is_input(field: FieldDescriptor) -> bool:
    """Whether callers may set the field."""
    behaviors = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return not is_output_only(field) or field_behavior_pb2.IDENTIFIER in behaviors


def reachable(descriptor: Descriptor) -> list[Descriptor]:
    """The message and every message of ours inside of fields that callers may set."""
    found: list[Descriptor] = []

    def visit(one: Descriptor) -> None:
        if one in found or not one.full_name.startswith("kehu."):
            return
        if not one.GetOptions().map_entry:
            found.append(one)
        for field in one.fields:
            if field.message_type is not None and is_input(field):
                visit(field.message_type)

    visit(descriptor)
    return found


_PARTS = {
    FileDescriptorProto: (4, 5, 6),  # messages, enums, services
    DescriptorProto: (2, 3, 4),  # fields, messages, enums
    EnumDescriptorProto: (2,),  # values
    ServiceDescriptorProto: (2,),  # methods
}
"""Kind of element → the numbers, in descriptor.proto, of the fields with the elements inside of it."""


@dataclass(frozen=True, slots=True)
class Element:
    """Something in a proto file that has to be explained."""

    name: str
    comment: str


@cache
def image() -> Mapping[str, FileDescriptorProto]:
    """File name → file, with comments."""
    found = FileDescriptorSet.FromString((GENERATED / "kehu.binpb").read_bytes())
    return {file.name: file for file in found.file}


def elements(file: FileDescriptorProto) -> list[Element]:
    """Everything in a file with the comment in front of it."""
    comments = {tuple(at.path): at.leading_comments.strip() for at in file.source_code_info.location}
    found: list[Element] = []

    def visit(one: Any, name: str, path: tuple[int, ...]) -> None:
        for number in _PARTS.get(type(one), ()):
            for place, part in enumerate(getattr(one, one.DESCRIPTOR.fields_by_number[number].name)):
                if not (isinstance(part, DescriptorProto) and part.options.map_entry):
                    at = (*path, number, place)
                    found.append(Element(f"{name}.{part.name}", comments.get(at, "")))
                    visit(part, f"{name}.{part.name}", at)

    visit(file, file.package, ())
    return found
