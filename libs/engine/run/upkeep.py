"""Upkeep of a service around its life: making what it needs, and checking that it is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from amqp import PreconditionFailed
from rich.console import Console
from rich.table import Table

from libs.engine.abandoned import end_abandoned_transactions
from libs.engine.bus import BUS_ERRORS, Topology, close, connect, service_topology
from libs.engine.exits import Exit
from libs.engine.inbox.decoding import route_of
from libs.engine.run import schema
from libs.engine.run.keys import Keys
from libs.engine.run.process import Process
from libs.engine.settings import SettingsError
from libs.engine.store.indexes import IndexRefused


def migrate(process: Process[Any], *, remove: bool) -> int:
    """Makes indexes, exchanges and queues, tells each step, and records the schema.

    Returns when every index is built, however long that takes. Nothing is taken away that the release before may still
    use, unless `remove` asks for it. May be repeated, and run several times at once.
    """
    if problem := schema.too_old(process.database):
        raise SettingsError(problem)
    end_abandoned_transactions(process.database.client)  # indexes wait for them
    try:
        steps = process.database.migrate(remove=remove)
    except IndexRefused as refused:
        raise SettingsError(f"{refused}; change these documents, and migrate again") from refused
    connection = connect(process.amqp_uri(), name=f"{process.service.name}.migrate")
    try:
        topology(process).declare(connection)
    except PreconditionFailed as difference:
        raise SettingsError(
            f"the broker has another shape of what this release declares: {difference.reply_text}; let the worker of "
            "the earlier release empty that queue, delete it, and migrate again"
        ) from difference
    finally:
        close(connection)
    schema.record(process.database)
    for step in [*steps, f"{process.service.name} is at schema {schema.SCHEMA}"]:
        print(step)  # noqa: T201  (a command answers on standard output)
    return 0


def check(process: Process[Any]) -> int:
    """Prints what was found, a row for each thing and what is wrong in full. 1 when anything is missing or wrong."""
    found = [*_findings(process)]
    table = Table("what", "state", title=f"kehu {process.service.name}", title_justify="left")
    for what, problem in found:
        table.add_row(what, "[red]wrong[/red]" if problem else "[green]ok[/green]")
    console = Console()
    console.print(table)
    wrong = [f"{what}: {problem}" for what, problem in found if problem]
    for line in wrong:  # below the table, where no column cuts the name of a queue or an index
        console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    return Exit.FAILED if wrong else Exit.DONE


def topology(process: Process[Any]) -> Topology:
    """Declarations of the service on the broker."""
    return service_topology(process.service.name, [route_of(each) for each in process.subscriptions()])


def _findings(process: Process[Any]) -> Iterator[tuple[str, str]]:
    """(what, what is wrong with it or nothing)."""
    for name, value in process.settings.describe().items():
        yield f"{name} = {value}", ""
    yield "keys", _keys(process)
    yield "schema and indexes", ": ".join(filter(None, schema.trouble(process.database)))
    yield "broker", _broker(process)


def _keys(process: Process[Any]) -> str:
    try:
        Keys.read(process.settings.token_keys)
    except SettingsError as error:
        return str(error)
    return ""


def _broker(process: Process[Any]) -> str:
    if not process.settings.amqp_uri:
        return "KEHU_AMQP_URI is not set"
    try:
        connection = connect(process.amqp_uri(), name=f"{process.service.name}.check")
    except BUS_ERRORS as error:
        return f"does not answer: {error}"
    try:
        return "; ".join(topology(process).verify(connection))
    finally:
        close(connection)
