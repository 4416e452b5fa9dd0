"""A password of the database that changes while the process runs.

Whoever rotates it makes a second user, changes the secret, waits until every process has taken it up, and only then
takes the first user away. What is in flight ends on the connection that it began with; connections are made anew as
they come back. A transaction in flight has to begin again, because it belongs to the first user; what is left of it is
ended in that name while there is time, because its locks would stand for a minute.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from libs.engine import logs
from libs.engine.abandoned import IDLE_FOR, end_abandoned_transactions
from libs.engine.settings import Secret

_FILES: Final = ("tlscafile", "tlscertificatekeyfile")
"""Options of an address that name files with certificates."""

log = logs.get(__name__)


def _stamp(uri: str) -> tuple[tuple[int, int], ...]:
    """Returns what changes with the files that an address names. OSError when one is gone."""
    named = {name.lower(): path for name, path in parse_qsl(urlsplit(uri).query)}
    found = [Path(named[option]).stat() for option in _FILES if option in named]
    return tuple((each.st_mtime_ns, each.st_size) for each in found)


class Rotation:
    """Gives a client the credentials of a secret, and the certificates of its files, whenever they change."""

    def __init__(self, client: MongoClient[dict[str, Any]], secret: Secret) -> None:
        self._client = client
        self._secret = secret
        self._uri = secret.read()
        self._files = _stamp(self._uri)

    def look(self) -> None:
        """Takes up new credentials, if there are some that the database accepts. Otherwise the old ones stay."""
        try:
            uri = self._secret.read()
            files = _stamp(uri)
            if (uri, files) == (self._uri, self._files):
                return
            with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=3000) as trial:
                trial.admin.command("hello")
                self._take_up(trial)
        except (OSError, ValueError, PyMongoError) as error:
            log.warning("the new credentials of the database do not work", error=f"{type(error).__name__}")
        else:
            former, self._uri, self._files = self._uri, uri, files
            if former != uri:
                self._clear(former)
            log.info("took up new credentials of the database")

    def _clear(self, former: str) -> None:
        time.sleep(IDLE_FOR + 0.5)
        name = self._client.options.pool_options.appname
        try:
            with MongoClient[dict[str, Any]](former, appname=name, serverSelectionTimeoutMS=3000) as client:
                end_abandoned_transactions(client)
        except PyMongoError as error:
            log.info("the former credentials of the database are of no use any more", error=type(error).__name__)

    def _take_up(self, other: MongoClient[dict[str, Any]]) -> None:
        # PyMongo has no public way: its pools read the credentials from these options for every new connection.
        theirs, ours = other.options.pool_options, self._client.options.pool_options
        ours._PoolOptions__credentials = theirs._credentials  # type: ignore[attr-defined]  # noqa: SLF001
        ours._PoolOptions__ssl_context = theirs._ssl_context  # type: ignore[attr-defined]  # noqa: SLF001
        for server in self._client._topology._servers.values():  # noqa: SLF001
            server.pool.reset_without_pause()
