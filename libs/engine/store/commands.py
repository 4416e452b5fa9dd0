"""Notes of the commands that were applied: they tell a repeat from a request, and from another one with its key.

A command is noted by its `request_id` in the same atomic step that applies it, and a unique index keeps a key from
being noted twice anywhere in the service. So a note says "applied" and its absence "not applied", whatever was killed.

A note costs a transaction, but for the one collection that is declared with `notes_commands=True`: that keeps the notes
of all others too, as small documents without a tenant, and in its entities they stand with the change, in one write.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from libs.chassis import context
from libs.chassis.context import Command
from libs.chassis.filtering import field
from libs.chassis.store import Index, RequestIdReused
from libs.engine.sealing import Keyring

COLLECTION: Final = "commands"
"""Keeps the notes of a service none of whose collections is declared to."""
NOTES: Final = "_commands"
NOTES_IN_ENTITY: Final = 32
"""Notes that an entity holds at most. The older half then moves to documents of their own."""
REMEMBERED_FOR: Final = timedelta(days=7)
"""Time within which a repeat is recognised."""
UNIQUE: Final = Index((f"{NOTES}.key",), unique=True, every_tenant=True, only=field(f"{NOTES}.key").exists())
EXPIRY: Final = Index(("_note_time",), expire_after=REMEMBERED_FOR, only=field("_note_time").exists())


@dataclass(frozen=True, slots=True)
class Note:
    """A command as it is remembered: nobody can tell from it what was asked for."""

    request_id: str
    key: bytes
    """Stands for tenant and `request_id`."""
    fingerprint: bytes
    """Stands for method and request, keyed per tenant."""

    def document(self) -> dict[str, bytes]:
        """The note as it is stored."""
        return {"key": self.key, "fingerprint": self.fingerprint}

    def in_notes(self, notes: Sequence[Mapping[str, Any]]) -> bool:
        """Returns true for a command that was applied.

        RequestIdReused when its key was noted for another request.
        """
        found = next((each["fingerprint"] for each in notes if each["key"] == self.key), None)
        if found is not None and found != self.fingerprint:
            raise RequestIdReused(request_id=self.request_id)
        return found is not None


class Commands(ABC):
    """The notes of one service."""

    def __init__(self, service: str, keyring: Keyring) -> None:
        self._label, self._keyring = f"{service} command", keyring
        self._repeats: ContextVar[bool | None] = ContextVar(f"repeats_{service}", default=None)
        self._done: ContextVar[Command | None] = ContextVar(f"done_{service}", default=None)

    def current(self) -> Note | None:
        """The note of the command that is served. None when there is none."""
        here = context.current()
        if here.command is None:
            return None
        key = hashlib.blake2b(f"{here.tenant}\0{here.command.key}".encode(), digest_size=16).digest()
        return Note(
            here.command.key, key, self._keyring.blind_index(here.tenant, self._label, here.command.fingerprint)
        )

    def begin(self) -> object:
        """Called by a transaction that begins, which gives the result to `end`."""
        return self._repeats.set(None)

    def end(self, token: Any) -> None:
        """Called by a transaction that ended."""
        self._repeats.reset(token)

    def committed(self) -> None:
        """Called when a transaction is committed."""
        if self._repeats.get() is False:
            self.done()

    def done(self) -> None:
        """Called when the command that is served has been applied."""
        self._done.set(context.current().command)

    def require_undone(self) -> None:
        """RuntimeError when the command that is served has been applied by this very call: the rest would be lost."""
        if self._done.get() is context.current().command is not None:
            raise RuntimeError("a command changes things in several steps: put them into one transaction")

    def is_repeat(self) -> bool:
        """Returns true when the command that is served was applied before. Else the open transaction notes it.

        RequestIdReused when its key was noted for another request.
        """
        repeats, note = self._repeats.get(), self.current()
        if note is not None and repeats is None:
            self.require_undone()
            repeats = self.was_applied(note)
            if not repeats:
                self.keep([note])
            self._repeats.set(repeats)
        return bool(repeats)

    def was_applied(self, note: Note) -> bool:
        """Returns true for a command that was noted. RequestIdReused when its key was, for another request."""
        return note.in_notes(self._find(note.key))

    @abstractmethod
    def keep(self, notes: Sequence[Note]) -> None:
        """Notes commands beside their entities. DuplicateKey when one is noted already."""

    @abstractmethod
    def _find(self, key: bytes) -> Sequence[Mapping[str, Any]]:
        """Notes among which that with the key is, if there is one."""
