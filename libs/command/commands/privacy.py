"""`kehu customer export` and `erase`: what a person may ask of whoever holds something on them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from rich.markup import escape
from rich.table import Table

from libs.command.commands.customer import customers
from libs.command.output import AsJson, Failure, as_dict, client, console, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kehu.profiles.v1.privacy_pb2 import Erasure

    from libs.client.client import Client

CustomerId = Annotated[str, typer.Argument(help="The id, cus_….")]


def register(app: typer.Typer) -> None:  # noqa: ARG001  (the commands belong to `kehu customer`, which is there)
    """Adds the commands."""
    customers.command("reveal")(reveal)
    customers.command("export")(export)
    customers.command("erase")(erase)


def reveal(
    customer_id: CustomerId,
    purpose: Annotated[str, typer.Option(help="What for, for example `returning the call of this morning`.")],
    fields: Annotated[
        list[str] | None, typer.Option(help="contacts, names, addresses or dates; repeatable, contacts by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show in full what is masked for you. Who looked, and what for, is kept.

    [bold]Example:[/bold] kehu customer reveal cus_01jd… --fields addresses --purpose "sending the contract"
    """
    from datetime import UTC, datetime

    from libs.command.views.card import Card, render

    with client() as connected:
        found = connected.profiles.reveal_fields(
            customer_id=customer_id,
            read_classes=[each.upper() for each in fields or ["contacts"]],
            purpose_of_use=purpose,
        )
    if as_json:
        print_json(as_dict(found))
        return
    card = Card(customer=found.customer, summary=None, transactions=(), context=None, missing=())
    console.print(render(card, datetime.now(UTC)))
    for address in found.customer.addresses:
        parts = [*address.lines, address.sublocality, address.postal_code, address.locality, address.region_code]
        console.print("  " + escape(", ".join(part for part in parts if part)), soft_wrap=True)


def export(
    customer_id: CustomerId,
    to: Annotated[Path | None, typer.Option(help="A new file; default: standard output.")] = None,
) -> None:
    """Write down all that the services hold on a customer, past states included: one JSON object a line.

    [bold]Example:[/bold] kehu customer export cus_01jd… --to ada.jsonl
    """
    if to is None:
        _write(customer_id, sys.stdout)
        return
    try:
        to.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise Failure(f"{to} cannot be made: {error.strerror}") from error
    with to.open("w", encoding="utf-8") as file:
        count = _write(customer_id, file)
    console.print(f"{count:,} records in {to}")


def erase(
    customer_id: CustomerId,
    reason: Annotated[str, typer.Option(help="Why, for example the number of a letter. It must name nobody.")],
    *,
    check: Annotated[bool, typer.Option("--check", help="Only tell whether it would be accepted.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. There is no way back.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the answers of the services.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Erase a customer everywhere, and show the receipts. Asked again, it tells how far that is.

    [bold]Example:[/bold] kehu customer erase cus_01jd… --reason "letter 2026-117"
    """
    with client() as connected:
        request: dict[str, Any] = {"customer_id": customer_id, "reason": reason}
        planned = connected.profiles.request_erasure(**request, validate_only=True)
        if check:
            console.print(f"[green]✓[/green] nothing forbids to erase {customer_id}")
            return
        if not (planned.id or yes or typer.confirm(f"Erase {customer_id} for ever?")):
            raise Failure("nothing was erased")
        erasure = _await(connected, connected.profiles.request_erasure(**request), wait)
    if as_json:
        print_json(as_dict(erasure))
    else:
        _show(erasure)


def _write(customer_id: str, file: TextIO) -> int:
    """Writes every record of every service. How many."""
    import json

    count = 0
    with client(timeout=600) as connected:
        for service, record in _records(connected, customer_id):
            kind = record.WhichOneof("record")
            line = {"service": service, "kind": kind, "record": as_dict(getattr(record, kind))}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            count += 1
    return count


def _records(connected: Client, customer_id: str) -> Iterator[tuple[str, Any]]:
    from libs.client.errors import NotFound

    for record in connected.profiles.export_subject_data(customer_id=customer_id):
        yield "profiles", record
    try:
        for record in connected.interactions.export_subject_data(customer_id=customer_id):
            yield "interactions", record
    except NotFound:  # it has not heard of the customer, so it holds nothing
        return


def _await(connected: Client, erasure: Erasure, seconds: float) -> Erasure:
    """The erasure once it is done, or after so many seconds."""
    deadline = time.monotonic() + seconds
    while not erasure.certificate and time.monotonic() < deadline:
        time.sleep(0.2)
        erasure = connected.profiles.get_erasure_status(erasure_id=erasure.id)
    return erasure


def _show(erasure: Erasure) -> None:
    from libs.command.views.words import moment

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("service", "when", "erased", "kept", "keys destroyed", "digest"):
        table.add_column(heading)
    for receipt in erasure.receipts:
        table.add_row(
            receipt.service,
            moment(receipt.erase_time),
            "\n".join(f"{each.count:,} {each.kind}" for each in receipt.erased),
            "\n".join(f"{each.count:,} {each.kind} [dim]({escape(each.reason)})[/dim]" for each in receipt.kept),
            f"{receipt.destroyed_keys:,}",
            receipt.digest[:12],
        )
    console.print(table)
    if erasure.certificate:
        console.print(f"[green]✓[/green] {erasure.customer_id} is erased · {erasure.id}")
        console.print(f"certificate {erasure.certificate}", soft_wrap=True)
    else:
        awaited = ", ".join(erasure.awaited_services) or "the end"
        console.print(f"waits for {awaited}, due {moment(erasure.due_time)} · {erasure.id}; ask again later")
