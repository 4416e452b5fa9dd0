"""What callers rely on does not change unseen: the last release's descriptors, and a readable list of the rest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from buf.validate import validate_pb2
from google.protobuf import text_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet

from libs.registry import SERVICES
from tests.support.contracts import ROOT, files, http, image, messages, methods, scope

BASELINE = ROOT / "protos" / "baseline.binpb"
SNAPSHOT = Path(__file__).with_name("snapshot.txt")
REWRITE = "KEHU_TEST_SNAPSHOT"


def facts(source: Iterable[FileDescriptorProto]) -> dict[str, str]:
    """Name → everything that a caller may rely on, of every element of our files."""
    found: dict[str, str] = {}
    for file in source:
        if file.name.startswith("kehu/"):
            for one in file.message_type:
                found |= message_facts(one, f"{file.package}.")
            for enum in file.enum_type:
                found |= enum_facts(enum, f"{file.package}.")
            for service in file.service:
                for method in service.method:
                    found[f"{file.package}.{service.name}.{method.name}"] = (
                        f"method {method.input_type} {method.client_streaming} "
                        f"{method.output_type} {method.server_streaming}"
                    )
    return found


def message_facts(one: DescriptorProto, prefix: str) -> dict[str, str]:
    """The same of a message and of all inside of it."""
    name = prefix + one.name
    found = {name: "message"}
    for field in one.field:
        one_of = one.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
        found[f"{name}.{field.name}"] = (
            f"field {field.number} {field.type} {field.label} {field.type_name} {field.json_name} "
            f"{one_of} {field.proto3_optional}"
        )
    for nested in one.nested_type:
        found |= message_facts(nested, f"{name}.")
    for enum in one.enum_type:
        found |= enum_facts(enum, f"{name}.")
    return found


def enum_facts(one: EnumDescriptorProto, prefix: str) -> dict[str, str]:
    """The same of an enum."""
    return {f"{prefix}{one.name}.{value.name}": f"value {value.number}" for value in one.value}


def test_nothing_of_the_last_release_is_gone_or_different() -> None:
    before = facts(FileDescriptorSet.FromString(BASELINE.read_bytes()).file)
    now = facts(image().values())
    assert {name: f"{fact} → {now.get(name, 'gone')}" for name, fact in before.items() if now.get(name) != fact} == {}


def test_a_field_never_takes_the_number_of_a_removed_one() -> None:
    """Reserved numbers and names are what is left of a field."""
    before = facts(FileDescriptorSet.FromString(BASELINE.read_bytes()).file)
    now = facts(image().values())
    gone = {key for key, name in numbered(before).items() if name not in now}
    taken = {key: name for key, name in numbered(now).items() if name not in before}
    assert {taken[key] for key in gone & taken.keys()} == set()


def numbered(found: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """(message, number) → field."""
    return {
        (name.rpartition(".")[0], fact.split()[1]): name for name, fact in found.items() if fact.startswith("field ")
    }


def lines() -> Iterator[str]:
    """What `buf breaking` does not compare: ways in over HTTP, scopes, and rules for fields."""
    for service in ("common", *sorted(SERVICES)):
        for method in methods(service):
            yield describe(method)
        for message in sorted(messages(service), key=lambda one: one.full_name):
            for field in message.fields:
                rules = field.GetOptions().Extensions[validate_pb2.field]
                if rules.ByteSize():
                    yield f"{field.full_name}  {text_format.MessageToString(rules, as_one_line=True)}"


def describe(method: MethodDescriptor) -> str:
    """A method in one line."""
    verb, path, body = http(method)
    return f"{method.full_name}  {verb.upper()} {path}{f' body={body}' if body else ''}  {scope(method)}"


def test_changes_of_ways_in_scopes_and_rules_are_seen() -> None:
    """A diff of `snapshot.txt` is for a reviewer: is a rule tighter, did a path move? Write it anew with
    `KEHU_TEST_SNAPSHOT=write`."""
    text = "\n".join(lines()) + "\n"
    if os.environ.get(REWRITE) == "write":
        SNAPSHOT.write_text(text)
    assert SNAPSHOT.read_text() == text


def test_every_file_of_a_service_is_generated() -> None:
    for service in ("common", *SERVICES):
        sources = {str(path.relative_to(ROOT / "protos")) for path in (ROOT / "protos/kehu" / service).rglob("*.proto")}
        assert {file.name for file in files(service)} == sources
