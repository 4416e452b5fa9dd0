"""A service connected to its database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from libs.chassis.inbox import Subscription
from libs.chassis.service import Service
from libs.engine.access import Speaker
from libs.engine.journal import Journal
from libs.engine.run.claims import Claims
from libs.engine.settings import Settings
from libs.engine.store import MongoDatabase
from libs.engine.store.rotation import Rotation

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Process(Generic[S]):
    """A service connected to its database, ready for its role."""

    service: Service[S]
    settings: Settings
    database: MongoDatabase
    store: S

    @property
    def journal(self) -> Journal:
        """The journal of the service."""
        return Journal(self.database)

    def subscriptions(self) -> list[Subscription]:
        """Everything the worker consumes: the service's own subscriptions and the journal."""
        return [*self.service.subscriptions(self.store), self.journal.subscription()]

    @property
    def operations(self) -> Claims:
        """The operations of the service."""
        return Claims(self.database)

    def rotation(self) -> Rotation:
        """The look-out for changed credentials of the database."""
        return Rotation(self.database.client, self.settings.mongodb_uri)

    def speaker(self) -> Speaker:
        """The identity that the process calls other services with."""
        settings = self.settings
        return Speaker(settings.token_keys, self.service.name, issuer=settings.token_issuer)

    def amqp_uri(self) -> str:
        """The address of the broker, read again each time because credentials change."""
        return self.settings.amqp_uri.read()
