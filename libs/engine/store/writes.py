"""Guarded writes of documents, and the bounds of what one of them may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from libs.chassis.filtering import field
from libs.chassis.store import Index

MAX_PENDING = 256
"""Events of one entity that may wait for the relay before commands are refused: loud beats a 16 MiB document."""
MAX_PENDING_BYTES = 4 * 1024**2
"""Bytes of the events of one entity that may wait for the relay, for the same reason."""


TRANSACTION_DOCUMENTS = 10_000
"""Documents that one transaction may write: MongoDB ends what takes a minute, and holds their locks until then."""

PENDING: Final = Index(("_held_by", "_pending_since"), only=field("_pending_since").exists(), every_tenant=True)
"""The way of the relay to the events that wait: first those that no queue has refused."""


@dataclass(frozen=True, slots=True)
class Write:
    """One guarded change of a document that exists, as the keeper of documents gets it."""

    id: str
    seen: int
    """The revision that the change was made from. With any other revision in the store nothing is written."""
    revision: int
    set: Mapping[str, Any]
    pending: Sequence[Mapping[str, Any]]
    pending_since: datetime | None
    note: Mapping[str, Any] | None
    """Of the command that the change belongs to."""


class DuplicateKey(Exception):
    """A unique index refused a document. `index` is its name, empty for the id."""

    def __init__(self, index: str) -> None:
        super().__init__(index)
        self.index = index
