"""The lines of RabbitMQ that tests run on: the installed one, and the one after it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import pytest

from libs.localstack.rabbit import Line, installed, next_line

LINES: Final[dict[str, Callable[[], Line]]] = {"installed": installed, "next": next_line}

on_both_lines = pytest.mark.parametrize(
    "amqp_uri",
    # A broker that is given is the only one: whoever gives it tests that one.
    ["given"] if os.environ.get("KEHU_TEST_AMQP_URI") else list(LINES),
    indirect=True,
    scope="session",
)
"""Runs each test of a module once on every line."""
