"""`kehu smoke`: one event through the suite and back, for whoever has just installed or upgraded it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from libs.command.output import Failure, client, console

if TYPE_CHECKING:
    from libs.client.client import Client

REASON = "smoke test"
POLL_SECONDS = 0.2


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("smoke")(smoke)


def smoke(
    patience: Annotated[float, typer.Option(help="Seconds that everything together may take.", min=1)] = 60.0,
) -> None:
    """Create a customer and erase it again. Every service that holds customers has to answer for it.

    It passes only when calls, stores, relays, the bus and the workers of all of them do their part.
    The access token needs the scopes profiles.customers.write and profiles.privacy.*.

    [bold]Example:[/bold] kehu smoke --patience 30
    """
    deadline = time.monotonic() + patience
    with client(patient=True) as connected:
        id = connected.profiles.create_customer(customer={"kind": "ORGANISATION", "display_name": REASON}).id
        console.print(f"profiles made {id}")
        erasure = connected.profiles.request_erasure(customer_id=id, reason=REASON).id
        told: set[str] = set()
        while not (now := _progress(connected, erasure, told)).certificate:
            if time.monotonic() > deadline:
                silent = ", ".join(now.awaited_services or ["profiles"])
                raise Failure(
                    f"no answer from {silent} to the erasure of {id}; look at the workers of profiles and {silent}, "
                    "and whether they reach the bus"
                )
            time.sleep(POLL_SECONDS)
        console.print("all have erased it: [green]the suite is whole[/green]")


def _progress(connected: Client, erasure: str, told: set[str]) -> Any:
    """Returns how far the erasure is and says whose receipt is new."""
    now = connected.profiles.get_erasure_status(erasure_id=erasure)
    for receipt in now.receipts:
        if receipt.service not in told:
            told.add(receipt.service)
            console.print(f"{receipt.service} has erased it")
    return now
