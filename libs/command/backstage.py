"""Direct access to a service's database and the bus, for the commands of operators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from libs.command.output import Failure

if TYPE_CHECKING:
    from libs.engine.bus import Publisher
    from libs.engine.journal import Journal
    from libs.engine.store import MongoDatabase


@contextmanager
def database(service: str) -> Iterator[MongoDatabase]:
    """The database of a service. Failure when it does not answer or the service is not known to it."""
    from pymongo.errors import PyMongoError

    from libs.client.stack import Stack
    from libs.engine.store import MongoDatabase, connect

    mongo = None
    try:
        mongo = connect(Stack.find().mongodb_uri, service)
        if service not in mongo.list_database_names():
            raise Failure(f"there is no service {service!r} in this store; `kehu {service} migrate` prepares one")
        yield MongoDatabase(mongo, service, page_key=bytes(32))
    except PyMongoError as error:
        raise Failure(f"the store does not answer ({error}); `make status` tells whether MongoDB runs") from error
    finally:
        if mongo is not None:
            mongo.close()


@contextmanager
def journal(service: str) -> Iterator[Journal]:
    """The journal of a service."""
    from libs.engine.journal import Journal

    with database(service) as opened:
        yield Journal(opened)


@contextmanager
def publisher() -> Iterator[Publisher]:
    """Publishes to the bus. Failure when it does not answer."""
    from libs.client.stack import Stack
    from libs.engine.bus import BUS_ERRORS, Publisher

    try:
        with Publisher(Stack.find().amqp_uri, name="kehu") as opened:
            yield opened
    except BUS_ERRORS as error:
        raise Failure(f"the bus does not answer ({error}); `make status` tells whether RabbitMQ runs") from error


def instant(text: str) -> datetime | None:
    """A moment given on the command line, in the zone of this machine unless it names one. None for nothing."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(f"{text!r} is no time; write it like 2024-05-17 or 2024-05-17T08:30+08:00") from None
    return at.astimezone(UTC)
