"""What is done to a service around its life: making what it needs, and checking that it is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from libs.chassis import identity
from libs.chassis.abandoned import end_abandoned_transactions
from libs.chassis.bus import BUS_ERRORS, Topology, close, connect, service_topology
from libs.chassis.inbox import effects
from libs.chassis.run.service import WRONG, Process
from libs.chassis.settings import SettingsError

SCHEMA: Final = 1
"""Raised when documents change so that older code cannot read them."""
META: Final = "meta"


def migrate(process: Process[Any]) -> int:
    """Makes indexes, exchanges and queues, tells each step, and records the schema."""
    end_abandoned_transactions(process.database)  # indexes wait for them
    steps = process.database.migrate()
    process.journal.migrate()
    effects.migrate(process.database)
    connection = connect(process.amqp_uri(), name=f"{process.service.name}.migrate")
    try:
        topology(process).declare(connection)
    finally:
        close(connection)
    process.database.raw[META].update_one(
        {"_id": "schema"}, {"$set": {"version": SCHEMA, "at": identity.now()}}, upsert=True
    )
    for step in [*steps, f"{process.service.name} is at schema {SCHEMA}"]:
        print(step)  # noqa: T201  (a command answers on standard output)
    return 0


def check(process: Process[Any]) -> int:
    """Prints what was found, one row for each thing; 1 when anything is missing or wrong."""
    table = Table("what", "state", title=f"kehu {process.service.name}", title_justify="left")
    wrong = 0
    for what, problem in _findings(process):
        table.add_row(what, f"[red]{problem}[/red]" if problem else "[green]ok[/green]")
        wrong += bool(problem)
    Console().print(table)
    return WRONG if wrong else 0


def require_migrated(process: Process[Any]) -> None:
    """SettingsError when `migrate` has not been run for this code."""
    if problem := _schema(process):
        raise SettingsError(problem)


def topology(process: Process[Any]) -> Topology:
    """What the service declares on the broker."""
    return service_topology(process.service.name, [each.route() for each in process.subscriptions()])


def _findings(process: Process[Any]) -> Iterator[tuple[str, str]]:
    """(what, what is wrong with it or nothing)."""
    for name, value in process.settings.describe().items():
        yield f"{name} = {value}", ""
    yield "schema", _schema(process)
    missing = process.database.missing_indexes()
    yield "indexes", f"missing: {', '.join(missing)}" if missing else ""
    yield "broker", _broker(process)


def _schema(process: Process[Any]) -> str:
    found = process.database.raw[META].find_one({"_id": "schema"})
    if found is None:
        return f"run `kehu {process.service.name} migrate` first"
    version = found["version"]
    if version == SCHEMA:
        return ""
    advice = f"run `kehu {process.service.name} migrate`" if version < SCHEMA else "this code is too old for it"
    return f"the database is at schema {version}, this code needs {SCHEMA}: {advice}"


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
