"""Commands call what there is: every call of a service in them, with its fields, is one of the protos."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import Default

import libs.command.commands
from libs.registry import SERVICES

FOLDER = Path(libs.command.commands.__file__).parent
PROTOS = FOLDER.parents[2] / "protos" / "kehu"
COMMANDS = sorted(FOLDER.glob("*.py"))


@cache
def methods(service: str) -> dict[str, MethodDescriptor]:
    """The calls of a service under the names that the client gives them."""
    pool, found = Default(), dict[str, MethodDescriptor]()
    for package in ("common", service):
        for path in sorted((PROTOS / package / "v1").glob("*.proto")):
            import_module(f"kehu.{package}.v1.{path.stem}_pb2")
            file = pool.FindFileByName(f"kehu/{package}/v1/{path.name}")
            for each in file.services_by_name.values():
                found |= {_snake(method.name): method for method in each.methods}
    return found


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def called(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """(service, call) of every `connected.<service>.<call>(…)`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Attribute) and isinstance(owner.value, ast.Name) and owner.attr in SERVICES:
                yield owner.attr, node


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_every_call_of_a_command_is_one_of_its_service_with_its_fields(path: Path) -> None:
    wrong = []
    for service, call in called(path):
        assert isinstance(call.func, ast.Attribute)
        method = methods(service).get(call.func.attr)
        known = set(method.input_type.fields_by_name) if method is not None else set()
        fields = {each.arg for each in call.keywords if each.arg is not None} - {"timeout"}
        if method is None or fields - known:
            wrong.append(f"line {call.lineno}: {service}.{call.func.attr}({', '.join(sorted(fields - known))})")
    assert wrong == []
