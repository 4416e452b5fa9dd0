"""Lines of the log, and what must never be in them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from libs.chassis.domain import AlreadyExists
from libs.engine import logs
from tests.support.lab import lab
from tests.support.ledger import Account
from tests.support.logged import logged


@pytest.fixture
def output() -> Iterator[io.BytesIO]:
    """What is written."""
    with logged("profiles", "api") as stream:
        yield stream


def lines(output: io.BytesIO) -> list[dict[str, Any]]:
    """Everything written. A warning makes sure that nothing waits."""
    logs.get("test").warning("last")
    return [json.loads(line) for line in output.getvalue().splitlines()][:-1]


def fail(error: Exception) -> None:
    """Writes a line about the error."""
    try:
        raise error
    except type(error):
        logs.get("x").exception("failed")


def test_a_line_is_one_json_object(output: io.BytesIO) -> None:
    logs.get("libs.x").info("two\nlines", count=2, name="王小明")
    (line,) = lines(output)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "service": "profiles",
        "role": "api",
        "message": "two\nlines",
        "source": "libs.x",
        "count": 2,
        "name": "王小明",
    }


def test_lines_below_the_level_are_dropped(output: io.BytesIO) -> None:
    logs.get("x").debug("quiet")
    assert lines(output) == []


def test_warnings_are_written_at_once(output: io.BytesIO) -> None:
    logs.get("x").info("first")
    logs.get("x").error("second")
    assert [json.loads(line)["message"] for line in output.getvalue().splitlines()] == ["first", "second"]


def test_ordinary_lines_are_written_within_moments(output: io.BytesIO) -> None:
    logs.get("x").info("soon")
    assert logs._output.lines is not None
    logs._output.lines.write()
    assert json.loads(output.getvalue())["message"] == "soon"


def test_only_warnings_are_written_before_a_log_is_set_up(capsys: pytest.CaptureFixture[str]) -> None:
    logs.get("x").info("quiet")
    logs.get("x").warning("loud")
    written = capsys.readouterr()
    assert (written.out, json.loads(written.err)["message"]) == ("", "loud")


def test_lines_of_libraries_take_the_same_way(output: io.BytesIO) -> None:
    logging.getLogger("pymongo.pool").warning("lost %s", "a connection")
    (line,) = lines(output)
    assert (line["level"], line["message"], line["source"]) == ("warning", "lost a connection", "pymongo.pool")


def test_an_exception_comes_with_its_stack(output: io.BytesIO) -> None:
    fail(ValueError("odd"))
    line = json.loads(output.getvalue())
    assert line["level"] == "error"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: odd")


def test_credentials_and_personal_data_are_hidden_at_any_depth(output: io.BytesIO) -> None:
    token = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJjYW5hcnkifQ.canary"
    logs.get("x").info(
        "call",
        authorization="canary",
        customer={"display_name": "canary", "contact_points": [{"raw": "canary", "kind": "EMAIL"}]},
        error=f"cannot use {token}",
        target="amqp://kehu:canary@mq:5672/",
        phone="canary",
    )
    (line,) = lines(output)
    assert "canary" not in json.dumps(line)
    assert line["customer"]["contact_points"][0]["kind"] == "EMAIL"
    assert line["target"] == "amqp://[hidden]@mq:5672/"


def test_a_stack_is_searched_for_credentials_too(output: io.BytesIO) -> None:
    fail(ConnectionError("mongodb://kehu:canary@db:27017 does not answer"))
    assert b"canary" not in output.getvalue()


def test_of_messages_and_entities_nothing_personal_is_told(output: io.BytesIO) -> None:
    inner = lab().Person(id="child", name="canary", town="canary")
    person = lab().Person(id="p", name="canary", children=[inner], friends={"ann": inner}, feature=2)
    person.packed.Pack(inner)
    logs.get("x").info("call", person=person, people=[person], account=Account(id="acc_1", name="x", holder="canary"))
    (line,) = lines(output)
    child = {"id": "child", "name": "[hidden]", "town": "[hidden]"}
    shown = {"id": "p", "name": "[hidden]", "children": [child], "friends": {"ann": child}, "feature": 2}
    assert line["person"] == {**shown, "packed": "[hidden]"}
    assert line["people"] == [line["person"]]
    assert line["account"] == "Account acc_1"


def test_a_refusal_is_named_without_what_it_refuses(output: io.BytesIO) -> None:
    error = RuntimeError("odd")
    error.__cause__ = AlreadyExists("canary@example.com is taken", address="canary")
    fail(error)
    stack = json.loads(output.getvalue())["exception"]
    assert "canary@" not in stack
    assert "AlreadyExists: [hidden]" in stack
    assert "RuntimeError: odd" in stack


def test_words_that_merely_contain_a_hidden_one_are_shown(output: io.BytesIO) -> None:
    logs.get("x").info("call", context="shown", tokens_left=3, method="GetContactPoint")
    (line,) = lines(output)
    assert (line["context"], line["tokens_left"], line["method"]) == ("shown", 3, "GetContactPoint")
