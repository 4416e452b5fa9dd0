"""One JSON line per call and per event, on standard output; the only place that sets up logging.

Credentials and personal data are replaced before a line is written, at any depth, because logs outlive the erasure of
the person they tell of. Keys decide, and values that look like a token or like a password inside a URI.
"""

from __future__ import annotations

import atexit
import logging
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

HIDDEN = "[hidden]"
"""What stands in the place of a value that may not be written."""

DELAY = 0.1
"""Seconds that a line of ordinary course may wait to be written."""

_HIDDEN_KEY = re.compile(
    r"(.*_)?(authorization|cookie|password|secret|token|credentials?|private_key|api_key)"
    r"|(.*_)?(display|given|family|person)_name|(.*_)?(email|phone|mobile|address|birth_date)"
    r"|raw|text|body|note|notes|comment|summary|transcript|request|response",
    re.IGNORECASE,
)
_HIDDEN_VALUE = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|(?<=://)[^/@\s:]*:[^/@\s]+(?=@)")

_to_json = msgspec.json.Encoder(enc_hook=str).encode


class Lines:
    """Writes whole lines to a stream, so that threads cannot mix theirs.

    Lines of ordinary course wait up to `DELAY` for company: a write per call would cost a server a tenth of its
    capacity. Warnings and errors go out at once, with what waits.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._writing = threading.Lock()
        self._some = threading.Event()
        threading.Thread(target=self._write_on, name="log", daemon=True).start()
        atexit.register(self.write)

    def later(self, line: str) -> None:
        """Takes a line to write within `DELAY`."""
        self._waiting.append(line)
        if not self._some.is_set():
            self._some.set()

    def now(self, line: str) -> None:
        """Writes what waits and the line."""
        self._waiting.append(line)
        self.write()

    debug = info = later
    warning = error = critical = exception = now

    def write(self) -> None:
        """Writes what waits."""
        with self._writing:
            while self._waiting:
                self._stream.write(self._waiting.popleft())
            self._stream.flush()

    def _write_on(self) -> None:
        while self._some.wait():
            time.sleep(DELAY)
            self._some.clear()
            self.write()


class _Forward(logging.Handler):
    """Hands the lines of libraries to our own output."""

    def emit(self, record: logging.LogRecord) -> None:
        get(record.name).log(record.levelno, record.getMessage(), exc_info=record.exc_info)


def configure(service: str, role: str, level: str = "info", *, stream: TextIO | None = None) -> None:
    """Sends our lines and those of libraries to `stream` (standard output) from `level` upwards."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    lines = Lines(stream or sys.stdout)
    structlog.configure(
        processors=[_stamp(service, role), structlog.processors.format_exc_info, redact, _render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: lines,
    )
    root = logging.getLogger()
    root.handlers = [_Forward()]
    # Drivers tell of every reconnect at INFO; what matters of it is in our own lines and metrics.
    root.setLevel(max(threshold, logging.WARNING))


def get(name: str) -> FilteringBoundLogger:
    """The logger of a module: `log = logs.get(__name__)`, then `log.info("what happened", key=value)`."""
    logger: FilteringBoundLogger = structlog.get_logger(source=name)
    return logger


def redact(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Replaces credentials and personal data in a line."""
    for key, value in event.items():
        event[key] = HIDDEN if _hides(key) else _cleaned(value)
    return event


@lru_cache(maxsize=1024)
def _hides(key: str) -> bool:
    return _HIDDEN_KEY.fullmatch(key) is not None


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return _HIDDEN_VALUE.sub(HIDDEN, value) if "eyJ" in value or "://" in value else value
    if isinstance(value, Mapping):
        return {key: HIDDEN if _hides(str(key)) else _cleaned(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned(part) for part in value]
    return value


def _stamp(service: str, role: str) -> Processor:
    def stamp(_logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        message = event.pop("event")
        return {"time": at, "level": method, "service": service, "role": role, "message": message, **event}

    return stamp


def _render(_logger: object, _method: str, event: EventDict) -> str:
    return _to_json(event).decode() + "\n"
