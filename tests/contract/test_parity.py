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
from google.protobuf.descriptor import Descriptor

from libs.chassis import codec
from libs.chassis.domain import Entity, Event, OpenEnum, upper_snake
from libs.registry import SERVICES
from tests.support.contracts import enums, event_messages, messages

WORKTIME = "libs.worktime"
"""The library whose dataclasses are those of the service that counts with it."""


@cache
def classes(service: str) -> tuple[type[Any], ...]:
    """Every class that the domain of a service defines, in whatever area."""
    root = import_module(f"services.{service}")
    names = [found.name for found in pkgutil.walk_packages(root.__path__, f"{root.__name__}.")]
    modules = [import_module(name) for name in names if "domain" in name.split(".")]
    if any(
        getattr(value, "__module__", "").startswith(WORKTIME) for module in modules for value in vars(module).values()
    ):
        modules += [
            import_module(found.name)
            for found in pkgutil.iter_modules(import_module(WORKTIME).__path__, f"{WORKTIME}.")
        ]
    return tuple(
        value
        for module in modules
        for _, value in inspect.getmembers(module, inspect.isclass)
        if value.__module__ == module.__name__
    )


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


@pytest.mark.parametrize("service", SERVICES)
def test_the_codec_converts_every_pair_both_ways(service: str) -> None:
    """Types that cannot be converted show when the walk over a pair is worked out."""
    for cls, message in pairs(service):
        codec._writer(cls, message)
        codec._reader(cls, message)


@pytest.mark.parametrize("service", SERVICES)
def test_every_entity_has_a_message(service: str) -> None:
    """What the store keeps of an entity that callers see, they see; projections have `source_revision` instead."""
    named = {message.name for message in messages(service)}
    entities = {cls for cls in classes(service) if issubclass(cls, Entity) and "source_revision" not in fields(cls)}
    told = {cls.__name__ for cls in entities if cls.__name__ in named}
    assert told, "a service without any entity that callers see"


@pytest.mark.parametrize("service", SERVICES)
def test_an_enum_has_the_values_of_its_proto(service: str) -> None:
    """By value without prefix; the unspecified one is the absence of a value."""
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
