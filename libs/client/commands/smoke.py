"""`kehu smoke`: one event through the suite and back, for whoever has just installed or upgraded it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from libs.client.commands.output import Failure, client, console

if TYPE_CHECKING:
    from libs.client.client import Client

REASON = "smoke test"
_ADVICE = "look at the workers of profiles and interactions, and whether they reach the bus"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("smoke")(smoke)


def smoke(
    patience: Annotated[float, typer.Option(help="Seconds that everything together may take.", min=1)] = 60.0,
) -> None:
    """Create a customer, wait until interactions has heard of it, and erase it again through both services.

    It passes only when calls, stores, relays, the bus and the workers of profiles and interactions all do their part.
    The token needs the scopes profiles.customers.write, profiles.privacy.* and interactions.interactions.read.

    [bold]Example:[/bold] kehu smoke --patience 30
    """
    deadline = time.monotonic() + patience
    with client(patient=True) as connected, _customer(connected) as id:
        console.print(f"profiles made {id}")
        _wait(deadline, lambda: _heard_of(connected, id), f"interactions has not heard of it; {_ADVICE}")
        console.print("interactions has heard of it")
        erasure = connected.profiles.request_erasure(customer_id=id, reason=REASON).id
        _wait(deadline, lambda: _erased(connected, erasure), f"its erasure is not done; {_ADVICE}")
        console.print("both have erased it: [green]the suite is whole[/green]")


@contextmanager
def _customer(connected: Client) -> Iterator[str]:
    """A customer that nobody is; asked to be erased also when something goes wrong meanwhile."""
    made = connected.profiles.create_customer(customer={"kind": "ORGANISATION", "display_name": REASON})
    try:
        yield made.id
    except BaseException:
        connected.profiles.request_erasure(customer_id=made.id, reason=REASON)  # a repeat changes nothing
        raise


def _heard_of(connected: Client, id: str) -> bool:
    from libs.client.errors import NotFound

    try:
        connected.interactions.get_context(customer_id=id)
    except NotFound:
        return False
    return True


def _erased(connected: Client, erasure: str) -> bool:
    return bool(connected.profiles.get_erasure_status(erasure_id=erasure).certificate)


def _wait(deadline: float, happened: Callable[[], bool], otherwise: str) -> None:
    while not happened():
        if time.monotonic() > deadline:
            raise Failure(otherwise)
        time.sleep(0.2)
