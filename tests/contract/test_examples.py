"""What documents, docstrings and messages say of commands, subscriptions, scopes, calls, targets and paths exists."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
import typer
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass
from typer.core import TyperGroup
from typer.exceptions import TyperException

from libs.client.client import descriptors
from libs.client.service import snake_case
from libs.client.values import fill
from libs.command.app import app
from libs.engine.settings import Role
from libs.engine.store.memory import MemoryDatabase
from libs.registry import SERVICES
from libs.suite import composition, routes
from tests.support.claims import GAP, calls, commands, texts, tracked
from tests.support.contracts import ROOT, event_messages, files, methods, scope

ANY = "|".join(SERVICES)
ROLES = {
    *Role.__args__,
    *(
        "|".join(role for role in Role.__args__ if role not in without)
        for without in ({"operation"}, {"operation", "web"})
    ),
}
"""Each, those that people run, and those of them that every service has."""
GROUPS = {each.name for each in app.registered_groups}
"""Names of commands. A service may share one, and the word behind it decides."""
OPEN = re.compile(rf".*({GAP}|\.\.\.).*|[A-Z_.]+")
"""A word that stands for a value: `cus_…`, `SERVICE.SUBSCRIPTION`."""


def wrong(command: str) -> Iterator[str]:
    """Yields what is wrong with the words behind `kehu`."""
    words = shlex.split(re.sub(r"<[^>]*>|{{.*?}}", GAP, command.partition(" | ")[0]).replace(r"\|", "|"))
    runs = bool(words) and words[0] in SERVICES and not (words[0] in GROUPS and words[1:] and words[1] not in ROLES)
    if not words or OPEN.fullmatch(words[0]) or runs:
        if len(words) > 1 and words[1] not in {*ROLES, "--help"} and not OPEN.fullmatch(words[1]):
            yield f"no service has {words[1]!r}"
        return
    at: Any = typer.main.get_command(app)
    while isinstance(at, TyperGroup) and words and not words[0].startswith("-"):
        name = words.pop(0)
        if OPEN.fullmatch(name):
            return
        if "|" in name and set(name.split("|")) <= at.commands.keys():
            return
        if name not in at.commands:
            yield f"{at.name} has no {name!r}, it has {', '.join(at.commands)}"
            return
        at = at.commands[name]
    if not words or isinstance(at, TyperGroup) or "--help" in words:
        return
    yield from _arguments(at, words)


def _arguments(leaf: Any, words: list[str]) -> Iterator[str]:
    """Yields what is wrong with the arguments of a command."""
    try:
        with leaf.make_context(leaf.name, [word.strip("[]") for word in words]) as context:
            service = str(context.params.get("service") or GAP)
    except typer.BadParameter as error:
        if not any(OPEN.fullmatch(word) for word in words) and "exist" not in str(error):
            yield str(error)
        return
    except TyperException as error:
        yield str(error)
        return
    if service not in SERVICES and not OPEN.fullmatch(service):
        yield f"{service} is no service"


def test_commands_in_examples_parse() -> None:
    told = [f"{text.place}: kehu {each}: {why}" for text in texts() for each in commands(text) for why in wrong(each)]
    assert told == []


@pytest.mark.parametrize(
    "lie", ["parked lst interactions", "events replay profiles --sinc 2024", "profiles serve", "costumer find"]
)
def test_a_lie_about_a_command_is_seen(lie: str) -> None:
    assert list(wrong(lie))


def test_queues_and_timers_in_examples_exist() -> None:
    known = {f"{service}.{role}" for service in SERVICES for role in ("api", "worker", "relay")}
    for service in SERVICES:
        timers = composition(service).timers(composition(service).store(MemoryDatabase(service)))
        known |= {f"{service}.{each.name}" for each in (*routes(service), *timers)}
    pattern = re.compile(rf"(?<![\w./])({ANY})\.([a-z_]+)(?![\w.(/*])")
    told = [
        f"{text.place}: {found[0]} is neither subscription nor timer; there are {', '.join(sorted(known))}"
        for text in texts()
        for found in pattern.finditer(text.content)
        if found[0] not in known
    ]
    assert told == []


def test_scopes_in_examples_are_asked_for_somewhere() -> None:
    known = {scope(method) for service in (*SERVICES, "common") for method in methods(service)}
    pattern = re.compile(rf"(?<![\w.])({ANY})\.([a-z0-9_]+\.)?([a-z0-9_]+|\*)(?![\w.*(=])")
    told = [
        f"{text.place}: no call asks for {found[0]}"
        for text in texts()
        for found in pattern.finditer(text.content)
        if (found[2] or found[3] == "*")
        and found[3] in {"*", "read", "write", "admin"}
        and not any(fnmatchcase(each, found[0]) for each in known)
    ]
    assert told == []


def test_events_in_examples_are_published() -> None:
    known = {event for service in SERVICES for event in event_messages(service)}
    pattern = re.compile(rf"kehu\.(?:{ANY})\.[a-z_.*]+\.v[0-9*]+(?!\w)")
    told = [
        f"{text.place}: {found[0]} is no event"
        for text in texts()
        for found in pattern.finditer(text.content)
        if not any(fnmatchcase(each, found[0]) for each in known)
    ]
    assert told == []


def test_messages_and_calls_of_the_contracts_exist() -> None:
    loaded = [file.package for service in (*SERVICES, "common") for file in files(service)]
    assert loaded
    pattern = re.compile(rf"\bkehu\.(?:{ANY}|common)\.v1\.[A-Z]\w+(?:[./][A-Z]\w+)?")
    told = [
        f"{text.place}: {found[0]} is in no proto"
        for text in texts()
        for found in pattern.finditer(text.content)
        if not _symbol(found[0].replace("/", "."))
    ]
    assert told == []


def _symbol(name: str) -> bool:
    try:
        Default().FindFileContainingSymbol(name)
    except KeyError:
        service, _, method = name.rpartition(".")
        try:
            return method in Default().FindServiceByName(service).methods_by_name
        except KeyError:
            return False
    return True


def test_calls_of_the_client_take_what_examples_give_them() -> None:
    known = {
        (service, snake_case(method.name)): method
        for service in SERVICES
        for area in descriptors(service)
        for method in area.methods
    }
    told = []
    for text in texts():
        for call in calls(text):
            name = ast.unparse(call.func)
            _, service, attribute = name.split(".")
            if attribute == "update" or attribute.startswith("edit_"):
                continue
            method = known.get((service, attribute))
            if method is None:
                told.append(f"{text.place}: there is no {name}")
                continue
            try:
                request = GetMessageClass(method.input_type)()
                for keyword in call.keywords:
                    if keyword.arg not in {None, "timeout"} | set(method.input_type.fields_by_name):
                        told.append(f"{text.place}: {name} takes no {keyword.arg}")
                    elif (given := _literal(keyword.value)) is not None and keyword.arg != "timeout":
                        fill(request, {keyword.arg: given})
            except (TypeError, ValueError) as error:
                told.append(f"{text.place}: {name}: {error}")
    assert told == []


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z0-9 -]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    known = {name for line in targets for name in line.split()}
    told = [
        f"{text.place}: make {name}"
        for text in texts()
        for name in re.findall(r"(?:`|^(?=\S+ \S+(?:$|\s+#| [A-Z]+=)))make ([a-z][a-z-]*)", text.content, re.MULTILINE)
        if name not in known
    ]
    assert told == []


def test_paths_exist() -> None:
    folders = {name.partition("/")[0] for name in tracked() if "/" in name}
    pattern = re.compile(rf"`((?:{'|'.join(map(re.escape, folders))})/[\w./<>*-]+)`|\]\(([\w./-]+?)(?:#[\w-]+)?\)")
    told = []
    for text in texts():
        base = (ROOT / text.place).parent if text.document else ROOT
        for inline, link in pattern.findall(text.content):
            path = re.sub(r"<\w+>", "*", inline) or link
            if path.startswith(("build/", "http")):
                continue
            root = base if link else ROOT
            if not (any(root.glob(path.rstrip("/"))) if "*" in path else (root / path).exists()):
                told.append(f"{text.place}: {path}")
    assert told == []
