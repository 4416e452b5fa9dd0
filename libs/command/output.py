"""Shared parts of the commands: the console, the client, JSON for scripts, and the wording of refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer
from rich.console import Console

from libs.engine.exits import Exit

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from libs.client.client import Client
    from libs.client.errors import KehuError

console = Console(highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
Every = Annotated[
    int, typer.Option(help="Do it again every so many days; 0 ends that, and -1 leaves it as it is.", min=-1, max=366)
]


class Failure(Exception):
    """The command cannot do what was asked. The message is one sentence that says what to do next."""

    code: ClassVar[Exit] = Exit.FAILED
    """Exit code of the process."""


class Misuse(Failure):
    """The arguments, the environment or the rights of whoever asks do not allow it."""

    code = Exit.MISUSED


class Unreachable(Failure):
    """Somebody does not answer. Another time it may work."""

    code = Exit.UNAVAILABLE


@contextmanager
def client(*, patient: bool = False, timeout: float = 10.0) -> Iterator[Client]:
    """A client for one command: an impatient one tells at once when nobody answers."""
    from libs.client.client import Client
    from libs.client.retry import Retry

    with Client(timeout=timeout, retry=Retry() if patient else Retry(attempts=2, first_pause=0.05)) as connected:
        yield connected


def print_json(value: Any) -> None:
    """Prints one JSON value, uncoloured when it goes into a pipe."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def as_dict(message: Message) -> dict[str, Any]:
    """A message as JSON values, with the field names of the protos."""
    from google.protobuf.json_format import MessageToDict

    return dict(MessageToDict(message, preserving_proto_field_name=True))


def explain(error: KehuError) -> str:
    """Words a refusal for a person at a terminal, with the next step."""
    from libs.client.errors import DeadlineExceeded, ServerFault, Unauthenticated, Unavailable

    service = error.method.split(".")[1] if error.method.count(".") > 1 else "the service"
    if isinstance(error, Unauthenticated):
        return f"{error.message}; get a new token with `kehu token issue` and set KEHU_TOKEN"
    if isinstance(error, Unavailable | DeadlineExceeded):
        return f"{service} does not answer now; `kehu doctor` tells what is missing"
    if isinstance(error, ServerFault):
        return f"{error}; this is a defect of {service}, report it with request {error.request_id}"
    return str(error)
