"""What is logged inside a block, with logging as before at its end."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

from libs.engine import logs


@contextmanager
def logged(service: str = "lab", role: str = "api") -> Iterator[io.BytesIO]:
    """The lines from level info up."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    before = {each.name: getattr(logs._output, each.name) for each in fields(logs._output)}
    stream = io.BytesIO()
    logs.configure(service, role, "info", stream=stream)
    try:
        yield stream
    finally:
        root.handlers, root.level = handlers, level
        for name, value in before.items():
            setattr(logs._output, name, value)
