"""One name per field in proto, dataclass and document: what lets one codec serve every service."""

from __future__ import annotations

import dataclasses
import inspect
import pkgutil
from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any, get_args

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from libs.chassis import codec
from libs.chassis.domain import Entity, Event, InvalidArgument, OpenEnum, upper_snake
from libs.registry import SERVICES
from tests.support.contracts import enums, event_messages, messages, methods

LIBRARIES = ("libs.almanac", "libs.statistics", "libs.worktime")
"""Libraries whose dataclasses and enums are those of a service that uses them."""


@cache
def classes(service: str) -> tuple[type[Any], ...]:
    """Every class that the domain of a service defines, in whatever area."""
    root = import_module(f"services.{service}")
    names = [found.name for found in pkgutil.walk_packages(root.__path__, f"{root.__name__}.")]
    modules = [import_module(name) for name in names if "domain" in name.split(".")]
    used = {getattr(value, "__module__", "") for module in modules for value in vars(module).values()}
    for library in LIBRARIES:
        if any(name.startswith(library) for name in used):
            parts = pkgutil.iter_modules(import_module(library).__path__, f"{library}.")
            modules += [import_module(each.name) for each in parts]
    found = [
        value
        for module in modules
        for _, value in inspect.getmembers(module, inspect.isclass)
        if value.__module__ == module.__name__
    ]
    own = {each.__name__ for each in found if each.__module__.startswith(root.__name__)}
    return tuple(each for each in found if each.__name__ not in own or each.__module__.startswith(root.__name__))


def pairs(service: str) -> list[tuple[type[Any], Descriptor]]:
    """Dataclasses and the messages of the same name."""
    by_name = {message.name: message for message in messages(service)}
    return [
        (cls, by_name[cls.__name__])
        for cls in classes(service)
        if dataclasses.is_dataclass(cls) and cls.__name__ in by_name
    ]


def enums_in(hint: Any) -> set[type[Enum]]:
    """The enums that a type hint names."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {hint}
    return {enum for part in get_args(hint) for enum in enums_in(part)}


def fields(cls: type[Any]) -> set[str]:
    """The fields of a dataclass."""
    return {field.name for field in dataclasses.fields(cls)}


@pytest.mark.parametrize("service", SERVICES)
def test_a_dataclass_has_every_field_of_its_message(service: str) -> None:
    missing = {
        cls.__name__: sorted({field.name for field in message.fields} - fields(cls)) for cls, message in pairs(service)
    }
    assert {name: names for name, names in missing.items() if names} == {}


def sample(descriptor: Descriptor, depth: int = 0) -> Any:
    """A message with every field set, five messages deep."""
    message: Any = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if field.containing_oneof is not None and message.WhichOneof(field.containing_oneof.name):
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            worth = field.message_type.fields_by_name["value"]
            if worth.message_type is None:
                getattr(message, field.name)["key"] = example_of(worth, depth)
            continue
        value = example_of(field, depth)
        if value is None:
            continue
        if field.is_repeated:
            getattr(message, field.name).append(value)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(value)
        else:
            setattr(message, field.name, value)
    return message


def example_of(field: FieldDescriptor, depth: int) -> Any:
    """A value of a field. None where messages become too deep."""
    if field.enum_type is not None:
        return field.enum_type.values[1].number
    if field.message_type is not None:
        known = {
            "google.protobuf.Timestamp": Timestamp(seconds=1_750_000_000, nanos=123_000_000),
            "google.protobuf.Duration": Duration(seconds=61),
            "google.type.Date": Date(year=2026, month=2, day=28),
        }.get(field.message_type.full_name)
        return known if known is not None or depth > 5 else sample(field.message_type, depth + 1)
    if field.type == FieldDescriptor.TYPE_STRING:
        return f"{field.name}-1"
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"\1"
    return field.type == FieldDescriptor.TYPE_BOOL or 7


@pytest.mark.parametrize("service", SERVICES)
def test_the_codec_converts_every_pair_both_ways(service: str) -> None:
    """A message with every field set is the same after a walk through its dataclass."""
    converted = 0
    for cls, message in pairs(service):
        told = sample(message)
        try:
            back = codec.to_proto(codec.from_proto(cls, told), type(told))
        except (InvalidArgument, TypeError):
            continue  # values that do not fit together, or an answer that is never read
        for field in message.fields:
            assert getattr(back, field.name) == getattr(told, field.name), f"{cls.__name__}.{field.name}"
        converted += 1
    assert converted >= 0.8 * len(pairs(service))


KEPT_INSIDE = {
    "care": {
        "CareCell",
        "ConsentSign",
        "EntitlementTerm",
        "Outflow",
        "ProgramVersion",
        "SurveyScales",
        "Sweep",
    },
    "profiles": {
        "BlockingKeys",
        "ConsentPulse",
        "ContactRecord",
        "MergeForest",
        "Negotiation",
        "OwnerTally",
        "ReportingLines",
        "Standing",
    },
    "interactions": {"CalendarRevision", "ChannelDay", "GoodwillTurn", "PresenceSpan"},
    "opportunities": {
        "CalendarProjection",
        "DealPosition",
        "Engagement",
        "PipelineVersion",
        "SnapshotPlan",
        "Total",
        "TotalsHead",
    },
    "surveys": {"Coding", "ScoreCell", "UsedLink"},
}
"""Entities that no caller sees: what others are found by, counted with or worked out from."""
PUT_TOGETHER = {
    "care": {"ExportedRecord", "Violation"},
    "profiles": {
        "CanonicalId", "Customer360", "CustomerChange", "Duplicate", "ExportedChange", "ExportedRecord", "Field",
        "FieldOrigin", "Partial", "PoolEntry", "Version",
    },
    "interactions": {"ComplaintStory", "ExportedRecord"},
    "opportunities": {"ExportedRecord", "Violation"},
    "surveys": {"ExportedRecord", "Invited", "Violation"},
}  # fmt: skip
"""Messages without a dataclass of their name, which an api puts together of several."""


@pytest.mark.parametrize("service", SERVICES)
def test_every_entity_has_a_message(service: str) -> None:
    named = {message.name for message in messages(service)}
    own = {cls.__name__ for cls in classes(service) if issubclass(cls, Entity) and not cls.__subclasses__()}
    untold = own - named
    assert untold == KEPT_INSIDE.get(service, set())


@pytest.mark.parametrize("service", SERVICES)
def test_every_message_that_is_told_has_a_dataclass(service: str) -> None:
    """Nothing is skipped because two names differ."""
    told = {message.name for method in methods(service) for message in answered(method.output_type, service)}
    own = {cls.__name__ for cls in classes(service) if dataclasses.is_dataclass(cls)}
    strange = {name for name in told - own if not name.endswith("Response")}
    assert strange == PUT_TOGETHER.get(service, set())


def answered(descriptor: Descriptor, service: str) -> list[Descriptor]:
    """The messages of the service inside of an answer, itself among them."""
    found: dict[str, Descriptor] = {}

    def visit(one: Descriptor) -> None:
        if one.full_name not in found and one.full_name.startswith(f"kehu.{service}."):
            found[one.full_name] = one
            for field in one.fields:
                if field.message_type is not None:
                    visit(field.message_type)

    visit(descriptor)
    return [one for one in found.values() if not one.GetOptions().map_entry]


@pytest.mark.parametrize("service", SERVICES)
def test_an_enum_has_the_values_of_its_proto(service: str) -> None:
    """By value without prefix. The unspecified one is the absence of a value."""
    words: dict[str, set[str]] = {}
    for enum in enums(service):
        prefix = upper_snake(enum.name) + "_"
        words[enum.full_name] = {value.name.removeprefix(prefix) for value in enum.values if value.number}
    own = {cls: {str(member.value) for member in cls} for cls in classes(service) if issubclass(cls, Enum)}
    uncovered = {name for name, values in words.items() if not any(values <= members for members in own.values())}
    assert uncovered == set(), "no enum of the domain has all of these values"


@pytest.mark.parametrize("service", SERVICES)
def test_an_enum_that_messages_carry_has_no_value_that_its_proto_lacks(service: str) -> None:
    """Callers would see such a value as an unspecified one."""
    strange = {
        f"{cls.__name__}.{field.name}": sorted(set(enum) - set(codec._members(field.enum_type, enum).values()))
        for cls, message in pairs(service)
        for field in message.fields
        if field.enum_type is not None
        for enum in enums_in(codec._hints(cls)[field.name])
    }
    assert strange, "no message of the service carries an enum"
    assert {where: values for where, values in strange.items() if values} == {}


@pytest.mark.parametrize("service", SERVICES)
def test_every_enum_of_the_domain_is_open_to_values_of_a_newer_release(service: str) -> None:
    closed = {cls.__name__ for cls in classes(service) if issubclass(cls, Enum) and not issubclass(cls, OpenEnum)}
    assert closed == set()


@pytest.mark.parametrize("service", SERVICES)
def test_every_event_of_the_domain_has_its_message_and_every_message_its_event(service: str) -> None:
    told = {message.name: message for message in event_messages(service).values()}
    own = {cls.__name__: cls for cls in classes(service) if issubclass(cls, Event) and not cls.__subclasses__()}
    assert own.keys() == told.keys()
    for name, cls in own.items():
        assert fields(cls) == {field.name for field in told[name].fields}, name


@pytest.mark.parametrize("service", SERVICES)
def test_types_of_events_are_well_formed_and_live_in_one_file(service: str) -> None:
    for event_type, message in event_messages(service).items():
        product, owner, entity, verb, version = event_type.split(".")
        assert (product, owner, version) == ("kehu", service, "v1"), event_type
        assert entity.replace("_", "").isalpha(), event_type
        assert verb.replace("_", "").isalpha(), event_type
        assert message.file.name == f"kehu/{service}/v1/events.proto", event_type
