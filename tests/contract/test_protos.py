"""The style of the protos: the AIP habits that make five services feel like one (buf checks the rest)."""

from __future__ import annotations

import re
from collections import Counter
from re import _constants
from re import _parser as parser
from typing import Any

import pytest
from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from kehu.common.v1 import rules_pb2

from libs.registry import SERVICES
from tests.support.contracts import (
    elements,
    enums,
    files,
    http,
    image,
    is_input,
    messages,
    method_ids,
    methods,
    reachable,
    reads,
    rows,
    scope,
    streams,
)

STANDARD_VERBS = {
    "Get": "get",
    "List": "get",
    "BatchGet": "get",
    "Create": "post",
    "Update": "patch",
    "Delete": "delete",
}
SUFFIXES = {"google.protobuf.Timestamp": ("_time", "_times"), "google.type.Date": ("_date", "_dates")}
"""Endings of names by type; `time` or `date` alone is enough where the message says of what."""
PARTICLES = {"in", "of", "for", "with", "by", "from", "to", "at"}
EVERY_FILE = sorted(name for name in image() if name.startswith("kehu/"))


def rules(field: FieldDescriptor) -> Any:
    """The validation rules of a field."""
    return field.GetOptions().Extensions[validate_pb2.field]


def verb_of(method: MethodDescriptor) -> str:
    """The standard verb of a method, or an empty text for a custom one."""
    return next((verb for verb in ("BatchGet", *STANDARD_VERBS) if re.match(rf"{verb}[A-Z]", method.name)), "")


# ------------------------------------------------------------------------------------------------ elements


@pytest.mark.parametrize("name", EVERY_FILE)
def test_every_element_is_explained(name: str) -> None:
    file = image()[name]
    assert [element.name for element in elements(file) if not element.comment] == []


@pytest.mark.parametrize("name", EVERY_FILE)
def test_comments_are_sentences(name: str) -> None:
    """Third person, no headings or tables: they become the documentation."""
    spoilt = [
        element.name
        for element in elements(image()[name])
        if element.comment
        and (not element.comment.endswith((".", ":", "…")) or re.search(r"^\s*(#|\|)", element.comment, re.MULTILINE))
    ]
    assert spoilt == []


@pytest.mark.parametrize("service", SERVICES)
def test_package_and_folder_agree(service: str) -> None:
    assert {file.package for file in files(service)} == {f"kehu.{service}.v1"}


@pytest.mark.parametrize("service", SERVICES)
def test_names_of_methods_are_unique_in_a_package(service: str) -> None:
    """The client offers the methods of all gRPC services of a package, and those that every service serves, flat."""
    names = Counter(method.name for method in (*methods(service), *methods("common")))
    assert {name for name, count in names.items() if count > 1} == set()


@pytest.mark.parametrize("service", SERVICES)
def test_enums_start_unspecified_and_wear_their_name(service: str) -> None:
    for enum in enums(service):
        prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", enum.name).upper()
        assert enum.values_by_number[0].name == f"{prefix}_UNSPECIFIED", enum.full_name
        assert [v.name for v in enum.values if not v.name.startswith(f"{prefix}_")] == [], enum.full_name


@pytest.mark.parametrize("service", SERVICES)
def test_times_and_dates_say_so(service: str) -> None:
    wrong = [
        field.full_name
        for message in messages(service)
        for field in message.fields
        if field.message_type is not None
        and not f"_{field.name}".endswith(SUFFIXES.get(field.message_type.full_name, ("",)))
    ]
    assert wrong == []


@pytest.mark.parametrize("service", SERVICES)
def test_money_is_never_a_floating_number(service: str) -> None:
    wrong = [
        field.full_name
        for message in messages(service)
        for field in message.fields
        if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT)
        and re.search("amount|price|cost|money|total|fee", field.name)
    ]
    assert wrong == []


@pytest.mark.parametrize("service", SERVICES)
def test_an_update_cannot_write_a_state(service: str) -> None:
    """States are moved by methods of their own (AIP-216)."""
    resources = {method.output_type for method in methods(service) if verb_of(method) == "Update"}
    assert [
        field.full_name
        for resource in resources
        for field in resource.fields
        if field.enum_type is not None and field.enum_type.name == "State" and is_input(field)
    ] == []


# ------------------------------------------------------------------------------------------------- methods


@pytest.mark.parametrize("method", method_ids())
def test_a_method_says_who_may_call_it_and_how(method: MethodDescriptor) -> None:
    service = method.containing_service.file.package.split(".")[1]
    assert re.fullmatch(rf"{service}\.[a-z_]+\.[a-z_]+", scope(method)), scope(method)
    assert scope(method).endswith(".read") == reads(method)
    verb, path, body = http(method)
    assert verb, "google.api.http is missing"
    assert path.startswith("/v1/")
    if standard := verb_of(method):
        assert verb == STANDARD_VERBS[standard]
    assert not (verb in ("get", "delete") and body)
    if verb == "get":
        assert reads(method)
    for name in re.findall(r"\{([\w.]+)", path):
        assert leads_to_a_field(method.input_type, name), f"{path}: no field {name}"


def leads_to_a_field(message: Descriptor | None, path: str) -> bool:
    """Whether a path of fields exists."""
    for name in path.split("."):
        if message is None or name not in message.fields_by_name:
            return False
        message = message.fields_by_name[name].message_type
    return True


@pytest.mark.parametrize("method", method_ids())
def test_a_method_has_a_request_of_its_own(method: MethodDescriptor) -> None:
    assert method.input_type.name == f"{method.name}Request"
    assert not set(re.findall(r"[A-Z][a-z]+", method.name)) & {word.capitalize() for word in PARTICLES}


@pytest.mark.parametrize("method", method_ids())
def test_a_mutation_can_be_repeated(method: MethodDescriptor) -> None:
    """By `request_id`, or, where rows stand alone, by the key of each row."""
    if reads(method) or rows(method):
        return
    field = method.input_type.fields_by_name.get("request_id")
    assert field is not None, "a mutation needs request_id"
    assert rules(field).string.Extensions[rules_pb2.request_id], "say (kehu.common.v1.request_id) = true"


@pytest.mark.parametrize("method", method_ids())
def test_a_list_has_pages(method: MethodDescriptor) -> None:
    if verb_of(method) != "List":
        return
    asked, answered = method.input_type.fields_by_name, method.output_type.fields_by_name
    assert rules(asked["page_size"]).int32.Extensions[rules_pb2.page_size], "say (kehu.common.v1.page_size) = true"
    assert rules(asked["page_token"]).string.Extensions[rules_pb2.page_token], "say (kehu.common.v1.page_token) = true"
    assert "next_page_token" in answered
    assert len([field for field in answered.values() if field.is_repeated]) == 1
    assert not {"total_size", "skip", "offset"} & {*asked, *answered}


@pytest.mark.parametrize("method", method_ids())
def test_standard_methods_have_their_shape(method: MethodDescriptor) -> None:
    asked = method.input_type.fields_by_name
    match verb_of(method):
        case "Update":
            assert asked["update_mask"].message_type.full_name == "google.protobuf.FieldMask"
            resource = next(f for f in asked.values() if f.message_type is method.output_type)
            assert rules(resource).ignore == validate_pb2.IGNORE_ALWAYS, (
                "the merged resource is validated, in the domain"
            )
        case "Create" | "Delete":
            assert not method.output_type.name.endswith("Response"), "return the resource itself"
        case "BatchGet":
            (ids,) = [field for field in asked.values() if field.is_repeated]
            assert rules(ids).repeated.max_items, "say how many at most"


# ------------------------------------------------------------------------------------------------ the caps


@pytest.mark.parametrize("service", SERVICES)
def test_everything_that_a_caller_can_fill_has_a_cap(service: str) -> None:
    inputs = {message for method in methods(service) for message in reachable(method.input_type)}
    assert sorted(uncapped(field) for message in inputs for field in message.fields if uncapped(field)) == []


def uncapped(field: FieldDescriptor) -> str:
    """What is boundless in a field that callers may set. Empty when nothing is."""
    if not is_input(field) or (field.message_type is not None and field.message_type.name == "FieldMask"):
        return ""
    own = rules(field)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
        bounded = own.map.max_pairs and text_is_bounded(key, own.map.keys) and text_is_bounded(value, own.map.values)
        return "" if bounded else f"{field.full_name} (map)"
    if field.is_repeated:
        bounded = own.repeated.max_items and text_is_bounded(field, own.repeated.items)
        return "" if bounded else f"{field.full_name} (repeated)"
    return "" if text_is_bounded(field, own) else field.full_name


def text_is_bounded(field: FieldDescriptor, own: Any) -> bool:
    """Whether a text or bytes field has a bound by length or by form."""
    if field.type == FieldDescriptor.TYPE_BYTES:
        return bool(own.bytes.max_len or own.bytes.len)
    if field.type != FieldDescriptor.TYPE_STRING:
        return True
    text = own.string
    lengths = text.max_len or text.len or text.max_bytes or text.len_bytes
    listed = text.const or getattr(text, "in")
    ours = [text.Extensions[each] for each in (rules_pb2.id, rules_pb2.request_id, rules_pb2.page_token)]
    shaped = text.pattern and longest(text.pattern) < _constants.MAXREPEAT
    return bool(lengths or text.uuid or listed or any(ours) or shaped)


def longest(pattern: str) -> int:
    """The length of the longest text that a pattern accepts, MAXREPEAT when there is none."""
    if not (pattern.startswith("^") and pattern.endswith("$")):
        return int(_constants.MAXREPEAT)  # without anchors it accepts any text that contains a match
    return int(parser.parse(pattern).getwidth()[1])


def test_streams_are_only_where_they_are_needed() -> None:
    """A watch follows what happens, an export is longer than a page and is stored nowhere. A stream in both directions
    carries more rows than one request may hold."""
    for service in SERVICES:
        for method in methods(service):
            if streams(method):
                assert method.server_streaming, f"{method.full_name}: rows are answered as they are taken"
                assert method.client_streaming or method.name.startswith(("Watch", "Export")), method.full_name


def test_what_is_said_once_is_not_said_again() -> None:
    """Ids, idempotency keys and page tokens have rules of their own, in `rules.proto`."""
    for service in SERVICES:
        for message in messages(service):
            for field in message.fields:
                text = rules(field).repeated.items.string if field.is_repeated else rules(field).string
                assert "hjkmnp" not in text.pattern, f"{field.full_name}: say (kehu.common.v1.id)"
                assert not text.uuid, f"{field.full_name}: say (kehu.common.v1.request_id)"


@pytest.mark.parametrize("service", SERVICES)
def test_a_time_that_callers_give_is_one_that_people_mean(service: str) -> None:
    """An empty date of .NET is 0001-01-01, the "no end" of an ERP 9999-12-31: arithmetic on either fails later."""
    asked = {message for method in methods(service) for message in reachable(method.input_type)}
    free = [
        field.full_name
        for message in asked
        for field in message.fields
        if field.message_type is not None and is_input(field) and not is_bounded(field)
    ]
    assert sorted(free) == [], "say (kehu.common.v1.meant) = true, or the same by cel for a date"


def is_bounded(field: FieldDescriptor) -> bool:
    """Whether a time or a date is one of the years 1900 to 2199. Other messages are theirs to say."""
    own = rules(field)
    match field.message_type.full_name:
        case "google.protobuf.Timestamp":
            return bool(own.timestamp.Extensions[rules_pb2.meant])
        case "google.type.Date":
            return [each.id for each in own.cel] == ["date.meant"]
    return True
