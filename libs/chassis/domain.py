"""The vocabulary of domain code: entities, changes, events and the six ways to refuse.

Domain modules import the standard library and this module, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import ClassVar, Self, TypeAlias, TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Something with an identity that lives on while its fields change.

    A change never mutates: it returns a new value made by `dataclasses.replace`. The store fills `revision`,
    `create_time` and `update_time`; domain code leaves them alone.
    """

    ID_PREFIX: ClassVar[str]
    """Prefix of the typed id, for example `cus`."""

    id: str
    """Typed id, for example `cus_01jd…`; never reused."""
    revision: int = 0
    """1 after the first write, then +1 for every change; 0 while unsaved."""
    create_time: datetime | None = None
    """When the entity was first written (UTC, whole milliseconds)."""
    update_time: datetime | None = None
    """When the entity was last changed (UTC, whole milliseconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact about one entity, named in the past tense after the proto message that carries it.

    The store stamps id, revision, time, tenant and actor on the envelope; an event holds only its subject matter, which
    is normally the entity's state after the change.
    """

    def at_revision(self, entity: Entity) -> Self:
        """This event with the saved form of the entity it carries, so that it tells revision and times as stored."""
        carried = [f.name for f in fields(self) if type(getattr(self, f.name)) is type(entity)]
        return replace(self, **dict.fromkeys(carried, entity))


E = TypeVar("E", bound=Entity)

Change: TypeAlias = tuple[E, Sequence[Event]]
"""What a domain method returns: the new state and the events that tell of it.

A change of an entity that publishes events must carry at least one, or its revisions would have gaps on the bus; the
same state with no events means "nothing to do" and writes nothing.
"""


class DomainError(Exception):
    """A refusal that a caller can act upon.

    `reason` is an UPPER_SNAKE_CASE name from `kehu.common.v1.ErrorReason`; `metadata` holds every value that the
    message mentions, so that programs need not parse text.
    """

    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, reason: str | None = None, **metadata: object) -> None:
        super().__init__(message)
        self.message = message
        self.reason_code = reason or self.reason
        self.metadata: Mapping[str, str] = {name: str(value) for name, value in metadata.items()}


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One wrong field of a request."""

    field: str
    """Path, for example `customer.contact_points[0].raw`."""
    description: str
    """What was wrong and what is allowed."""
    reason: str = "INVALID_FIELD"


class InvalidArgument(DomainError):
    """The request is wrong whatever the state of the system; carries the wrong fields."""

    reason = "INVALID_ARGUMENT"

    def __init__(
        self,
        message: str = "",
        *,
        violations: Sequence[FieldViolation] = (),
        reason: str | None = None,
        **metadata: object,
    ) -> None:
        text = message or "; ".join(f"{v.field}: {v.description}" for v in violations)
        super().__init__(text, reason=reason, **metadata)
        self.violations = tuple(violations)

    @classmethod
    def field(cls, name: str, description: str, *, reason: str = "INVALID_FIELD") -> InvalidArgument:
        """The common case of exactly one wrong field."""
        return cls(violations=[FieldViolation(name, description, reason)])


class NotFound(DomainError):
    """No such entity for this tenant."""

    reason = "NOT_FOUND"

    def __init__(self, kind: str, id: str, *, reason: str | None = None) -> None:
        super().__init__(f"{kind} {id!r} does not exist", reason=reason, kind=kind, id=id)
        self.kind, self.id = kind, id


class AlreadyExists(DomainError):
    """The key is taken by something else."""

    reason = "ALREADY_EXISTS"


class FailedPrecondition(DomainError):
    """The state of the entity forbids this; the message says what would allow it."""

    reason = "FAILED_PRECONDITION"


class Conflict(DomainError):
    """Somebody changed the entity meanwhile; read again, then decide."""

    reason = "REVISION_MISMATCH"


class PermissionDenied(DomainError):
    """The caller lacks a permission, which the message names."""

    reason = "PERMISSION_DENIED"
