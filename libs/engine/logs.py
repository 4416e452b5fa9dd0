"""One JSON line per call and per event, on standard output. The only place that sets up logging.

Credentials and personal data are replaced before a line is written, at any depth, because logs outlive the erasure of
the person they tell of. Keys decide, and values that look like an access token or like a password inside a URI. Of a
message only those fields are written that its proto does not declare personal, of an entity its id.
"""

from __future__ import annotations

import atexit
import logging
import re
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, BinaryIO

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from libs.chassis.domain import DomainError
from libs.chassis.privacy import inside, is_map, personal

HIDDEN = "[hidden]"
"""Stands for a value that may not be written."""

DELAY = 0.1
"""Seconds that a line of ordinary course may wait to be written."""

_HIDDEN_KEY = re.compile(
    r"(.*_)?(authorization|cookie|password|secret|token|credentials?|private_key|api_key)"
    r"|(.*_)?(display|given|family|person)_name|(.*_)?(email|phone|mobile|address|birth_date)"
    r"|raw|text|body|note|notes|comment|summary|transcript|request|response",
    re.IGNORECASE,
)
_HIDDEN_VALUE = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|(?<=://)[^/@\s:]*:[^/@\s]+(?=@)")

_LEVELS = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "critical",
}
_PLAIN = frozenset({str, int, float, bool, type(None)})

_to_json = msgspec.json.Encoder(enc_hook=str).encode


class Lines:
    """Writes whole lines to a stream, so that threads cannot mix theirs.

    Lines of ordinary course wait up to `DELAY` for company: a write per call would cost a server a tenth of its
    capacity. Warnings and errors go out at once, with what waits.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: deque[bytes] = deque()
        self._writing = threading.Lock()
        self._some = threading.Event()
        threading.Thread(target=self._write_on, name="log", daemon=True).start()
        atexit.register(self.write)

    def later(self, line: bytes) -> None:
        """Takes a line to write within `DELAY`."""
        self._waiting.append(line)
        if not self._some.is_set():
            self._some.set()

    def now(self, line: bytes) -> None:
        """Writes what waits and the line."""
        self._waiting.append(line)
        self.write()

    def write(self) -> None:
        """Writes what waits."""
        with self._writing:
            self._stream.write(b"".join([self._waiting.popleft() for _ in range(len(self._waiting))]))
            self._stream.flush()

    def _write_on(self) -> None:
        while self._some.wait():
            time.sleep(DELAY)
            self._some.clear()
            self.write()


@dataclass(slots=True)
class _Output:
    """The stream of lines and what each says of its process. Only warnings, to standard error, until a log is set
    up."""

    lines: Lines | None = None
    level: int = logging.WARNING
    process: Mapping[str, str] = field(default_factory=dict)


_output = _Output()


class Logger:
    """Writes the lines of one module: a message that is always the same, and facts that differ."""

    __slots__ = ("_source",)

    def __init__(self, source: str) -> None:
        self._source = source

    def debug(self, message: str, **facts: object) -> None:
        """Tells what only a developer wants to know."""
        self.log(logging.DEBUG, message, facts)

    def info(self, message: str, **facts: object) -> None:
        """Tells what happened."""
        self.log(logging.INFO, message, facts)

    def warning(self, message: str, **facts: object) -> None:
        """Tells what may need attention."""
        self.log(logging.WARNING, message, facts)

    def error(self, message: str, *, cause: BaseException | None = None, **facts: object) -> None:
        """Tells what failed, with the whole stack of its cause."""
        self.log(logging.ERROR, message, facts, cause)

    def exception(self, message: str, **facts: object) -> None:
        """Tells what failed, with the stack of the exception that is being handled."""
        self.log(logging.ERROR, message, facts, sys.exc_info()[1])

    def log(self, level: int, message: str, facts: Mapping[str, object], cause: BaseException | None = None) -> None:
        """Writes one line of a level of the standard library."""
        if level < _output.level:
            return
        line: dict[str, object] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": _LEVELS.get(level) or logging.getLevelName(level).lower(),
            **_output.process,
            "message": message,
            "source": self._source,
            **facts,
        }
        if cause is not None:
            line["exception"] = _stack(cause)
        text = _encode(line)
        if _output.lines is None:
            sys.stderr.write(text.decode())
        elif level >= logging.WARNING:
            _output.lines.now(text)
        else:
            _output.lines.later(text)


def _encode(line: dict[str, object]) -> bytes:
    """The line without what may not be written. Nearly every line is plain and clean, and is walked through once."""
    for key, value in line.items():
        if type(value) not in _PLAIN or _hides(key):
            line[key] = HIDDEN if _hides(key) else _cleaned(value)
    text = _to_json(line)
    if b"eyJ" in text or b"://" in text:
        text = _to_json({key: _cleaned(value) for key, value in line.items()})
    return text + b"\n"


class _Forward(logging.Handler):
    """Hands the lines of libraries to our own output."""

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.exc_info[1] if record.exc_info else None
        get(record.name).log(record.levelno, record.getMessage(), {}, cause)


def configure(service: str, role: str, level: str = "info", *, stream: BinaryIO | None = None) -> None:
    """Sends our lines and those of libraries to `stream` (standard output) from `level` upwards."""
    _output.level = logging.getLevelNamesMapping()[level.upper()]
    _output.process = {"service": service, "role": role}
    _output.lines = Lines(stream or sys.stdout.buffer)
    root = logging.getLogger()
    root.handlers = [_Forward()]
    # Drivers tell of every reconnect at INFO; what matters of it is in our own lines and metrics.
    root.setLevel(max(_output.level, logging.WARNING))


def get(name: str) -> Logger:
    """The logger of a module: `log = logs.get(__name__)`, then `log.info("what happened", key=value)`."""
    return Logger(name)


def _stack(cause: BaseException) -> str:
    """The stack of an exception. A refusal is named without its message, which may repeat what it refuses."""
    text = "".join(traceback.format_exception(cause)).rstrip()
    each: BaseException | None = cause
    while each is not None:
        if isinstance(each, DomainError) and each.message:
            text = text.replace(each.message, HIDDEN)
        each = each.__cause__ or each.__context__
    return text


@lru_cache(maxsize=1024)
def _hides(key: str) -> bool:
    return _HIDDEN_KEY.fullmatch(key) is not None


def told(message: Message) -> Mapping[str, object]:
    """The fields of a message that are not personal, for logs."""
    return {field.name: _told(field, value) for field, value in message.ListFields()}


def _told(field: FieldDescriptor, value: Any) -> object:
    held = inside(field)
    if personal(field) is not None or (held is not None and held.full_name == "google.protobuf.Any"):
        return HIDDEN
    if is_map(field):
        return {key: told(each) if held is not None else each for key, each in value.items()}
    if held is None:
        return list(value) if field.is_repeated else value
    return [told(each) for each in value] if field.is_repeated else told(value)


def _cleaned(value: object) -> object:
    if isinstance(value, Message):
        return told(value)
    if is_dataclass(value) and not isinstance(value, type):
        return f"{type(value).__name__} {getattr(value, 'id', '')}".rstrip()
    if isinstance(value, str):
        return _HIDDEN_VALUE.sub(HIDDEN, value) if "eyJ" in value or "://" in value else value
    if isinstance(value, Mapping):
        return {key: HIDDEN if _hides(str(key)) else _cleaned(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned(part) for part in value]
    return value
