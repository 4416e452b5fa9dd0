"""Every text, bytes and date of an entity, an event or a response says whether it is personal: silence fails."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache
from importlib import import_module
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from kehu.common.v1 import options_pb2

from libs.chassis import privacy
from libs.chassis.domain import OPEN, SEALED, Entity
from libs.engine.sealing.personal import messages_of
from libs.engine.store.memory import MemoryDatabase
from tests.support.contracts import SERVICES, event_messages, messages, method_ids, methods

ANSWER = (
    'declare it in the proto: [(kehu.common.v1.personal) = {class: …}], or [(kehu.common.v1.open) = "why not"], or for '
    'a whole message option (kehu.common.v1.open_fields) = "why not"'
)
ANSWER_OF_A_TYPE = "declare it by its type: Sealed[…] when it is personal, Open[…] and a docstring that says why not"
KEPT_BY_THE_STORE = {"id", "revision", "create_time", "update_time"}
OPENED = {"RevealFields": "read_classes", "RevealContactPoints": "CONTACTS"}
"""Method → what it shows whatever the scopes of its caller. Each keeps a record of the look."""


@cache
def entities(service: str) -> tuple[type[Entity], ...]:
    """The entities that a service stores."""
    database = MemoryDatabase(service)
    import_module(f"services.{service}.__main__").SERVICE.store(database)
    return tuple(dict.fromkeys(collection.entity for collection in database.collections.values()))


def roots(service: str) -> Iterator[Descriptor]:
    """The messages of entities and events, and the responses."""
    named = messages_of(service)
    yield from (named[entity.__name__] for entity in entities(service) if entity.__name__ in named)
    yield from event_messages(service).values()
    yield from (method.output_type for method in methods(service))


def is_id(name: str) -> bool:
    """Tells that a field of this name holds an opaque id, or a position in a list."""
    return name == "next_page_token" or name.endswith(("_id", "_ids"))


def silent(starts: Iterable[Descriptor]) -> set[str]:
    """Names of the fields within these messages that say nothing."""
    found, seen, waiting = set[str](), set[str](), list(starts)
    while waiting:
        message = waiting.pop()
        if message.full_name in seen or not message.full_name.startswith("kehu."):
            continue
        seen.add(message.full_name)
        for field in message.fields:
            if privacy.personal(field) is not None:
                continue  # with all that is inside
            found |= {field.full_name} if keeps_silent(field) else set()
            held = privacy.inside(field)
            waiting += [held] if held is not None else []
    return found


def keeps_silent(field: FieldDescriptor) -> bool:
    """Tells that a field that is not personal has to say why."""
    value = field.message_type.fields_by_name["value"] if privacy.is_map(field) and field.message_type else field
    texts = value.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
    dates = value.message_type is not None and value.message_type.full_name == "google.type.Date"
    if not (texts or dates) or is_id(field.name) or (field.name == "id" and is_identified(field)):
        return False
    whole = field.containing_type.GetOptions() if field.containing_type is not None else None
    said = field.GetOptions().Extensions[options_pb2.open]
    return not (said or (whole is not None and whole.Extensions[options_pb2.open_fields]))


def is_identified(field: FieldDescriptor) -> bool:
    """Tells that the message is an entity, whose id this is."""
    return field.containing_type is not None and "revision" in field.containing_type.fields_by_name


@pytest.mark.parametrize("service", SERVICES)
def test_every_text_and_date_of_a_message_says_whether_it_is_personal(service: str) -> None:
    assert silent(roots(service)) == set(), ANSWER


@pytest.mark.parametrize("service", SERVICES)
def test_every_text_and_date_without_a_proto_says_whether_it_is_personal(service: str) -> None:
    assert set(untold(service)) == set(), ANSWER_OF_A_TYPE


def untold(service: str) -> Iterator[str]:
    """Fields of stored dataclasses that neither a proto nor their type declares."""
    named, seen, waiting = messages_of(service), set[Any](), list[tuple[type, Descriptor | None]]()
    waiting += [(entity, named.get(entity.__name__)) for entity in entities(service)]
    while waiting:
        cls, message = waiting.pop()
        if cls in seen:
            continue
        seen.add(cls)
        hints = typing.get_type_hints(cls, include_extras=True)
        for each in dataclasses.fields(cls):
            said = {mark for part in parts(hints[each.name]) for mark in getattr(part, "__metadata__", ())}
            told = message.fields_by_name.get(each.name) if message is not None else None
            if each.name in KEPT_BY_THE_STORE or is_id(each.name) or said & {SEALED, OPEN}:
                continue
            for part in parts(hints[each.name]):
                if dataclasses.is_dataclass(part) and isinstance(part, type):
                    waiting.append((part, privacy.inside(told) if told is not None else named.get(part.__name__)))
                elif told is None and part in (str, bytes, date):
                    yield f"{cls.__name__}.{each.name}"


def parts(hint: Any) -> Iterator[Any]:
    """A type and all those inside of it."""
    yield hint
    for part in typing.get_args(hint):
        yield from parts(part)


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_said_can_be_followed(service: str) -> None:
    for message in messages(service):
        for field in message.fields:
            declared = privacy.personal(field)
            if declared is None:
                continue
            beside = declared.shown_as or declared.class_by
            assert not beside or beside in message.fields_by_name, f"{field.full_name}: no field {beside!r} beside it"
            assert bool(declared.class_by) != bool(getattr(declared, "class")), f"{field.full_name}: say one class"
            both = field.GetOptions().HasExtension(options_pb2.open)
            assert not both, f"{field.full_name} is personal and open"


@pytest.mark.parametrize("method", method_ids())
def test_only_a_recorded_look_shows_more_than_scopes_open(method: MethodDescriptor) -> None:
    access = method.GetOptions().Extensions[options_pb2.access]
    opened = [privacy.Personal.Class.Name(each) for each in access.opens]
    assert [*opened, *filter(None, [access.opens_named_by])] == [*filter(None, [OPENED.get(method.name)])]


def test_silence_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule itself: a text of an entity that says nothing fails, wherever the entity is embedded."""
    customer, personal = messages_of("profiles")["Customer"], privacy.personal
    assert silent([customer]) == set()
    monkeypatch.setattr(privacy, "personal", lambda field: None if field.name == "family" else personal(field))
    assert silent([customer]) == {"kehu.profiles.v1.PersonName.family"}
