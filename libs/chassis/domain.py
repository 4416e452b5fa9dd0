"""The vocabulary of domain code: entities, changes, events and the six ways to refuse.

Domain modules import this module, the standard library without its clocks, randomness and environment, and the
libraries that `tests/contract/test_layering.py` names; CONTRIBUTING.md says what each is for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self, TypeAlias, TypeVar, cast, dataclass_transform


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Something with an identity that lives on while its fields change.

    A change never mutates: it returns a new value made by `dataclasses.replace`. The store fills `revision`,
    `create_time` and `update_time`; domain code leaves them alone.
    """

    ID_PREFIX: ClassVar[str]
    """Prefix of the typed id, for example `cus`."""

    id: str
    """Typed id, for example `cus_01jd…`. Never reused."""
    revision: int = 0
    """1 after the first write, then +1 for every change. 0 while unsaved."""
    create_time: datetime | None = None
    """Time of the first write (UTC, whole milliseconds)."""
    update_time: datetime | None = None
    """Time of the last change (UTC, whole milliseconds)."""


class OpenEnum(StrEnum):
    """An enum of a contract, to which a newer release may add values.

    A value that this release does not know is carried: it is a member of the class that equals none of the declared
    ones, and it is stored again as it was read. Requests are refused before it comes to that.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str) or not value:
            return None
        unknown = str.__new__(cls, value)
        unknown._name_ = unknown._value_ = value
        return unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact about one entity, named in the past tense after the proto message that carries it.

    The store stamps id, revision, time, tenant and actor on the envelope; an event holds only its subject matter, which
    is normally the entity's state after the change.
    """

    AFTER: ClassVar[str] = ""
    """Name of the field with the entity after the change, for an event that carries two of its class."""

    def at_revision(self, entity: Entity) -> Self:
        """This event with the saved form of the entity it carries, so that it tells revision and times as stored."""
        carried = [f.name for f in fields(self) if type(getattr(self, f.name)) is type(entity)]
        if len(carried) > 1:
            if self.AFTER not in carried:
                raise TypeError(f"{type(self).__name__} carries {', '.join(carried)}: say in AFTER which is the later")
            carried = [self.AFTER]
        return replace(self, **dict.fromkeys(carried, entity))


E = TypeVar("E", bound=Entity)
_T = TypeVar("_T")

SEALED = "sealed"
Sealed = Annotated[_T, SEALED]
"""Type of a personal field that no proto has, because it never leaves the service: `keys: Sealed[tuple[str, ...]]`.

The whole of it is sealed. Fields that a proto has are declared there, with `(kehu.common.v1.personal)`.
"""
OPEN = "open"
Open = Annotated[_T, OPEN]
"""Type of a text, bytes or date that no proto has and that is not personal. Its docstring says why."""

Change: TypeAlias = tuple[E, Sequence[Event]]
"""Result of a domain method: the new state and the events that tell of it.

A change of an entity that publishes events must carry at least one, or its revisions would have gaps on the bus; the
same state with no events means "nothing to do" and writes nothing.
"""


def upper_snake(name: str) -> str:
    """The name of a class or an enum as constants are written: `LegalHoldForbids` is `LEGAL_HOLD_FORBIDS`."""
    return _WORD_BREAK.sub("_", name).upper()


_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass_transform(kw_only_default=True, eq_default=False)
class DomainError(Exception):
    """A refusal that a caller can act upon.

    Every refusal is a class below one of the six kinds, named for what forbids, with its data as fields. Its docstring
    is the message, a template of the fields, and its reason is its name in capitals, as `kehu.common.v1.ErrorReason`
    lists it with what to do:

        class CustomerDeleted(FailedPrecondition):
            '''Customer {customer_id} is deleted: undelete it first.'''

            customer_id: str

        raise CustomerDeleted(customer_id=self.id)

    `metadata` holds the fields as text, so that programs need not parse the message. The first one is the subject.
    """

    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, reason: str | None = None, **metadata: object) -> None:
        self._fill(message, reason or self.reason, metadata)

    def __init_subclass__(cls) -> None:
        if "reason" not in cls.__dict__:
            cls.reason = upper_snake(cls.__name__)
            dataclass(kw_only=True, eq=False, repr=False)(cls)

    def __post_init__(self) -> None:
        values = {each.name: getattr(self, each.name) for each in fields(cast(Any, self))}
        template = " ".join((type(self).__doc__ or "").split())
        self._fill(template.format_map({name: _shown(value) for name, value in values.items()}), self.reason, values)

    def _fill(self, message: str, reason: str, metadata: Mapping[str, object]) -> None:
        super().__init__(message)
        self.message = message
        self.reason_code = reason
        self.metadata: Mapping[str, str] = {name: _shown(value) for name, value in metadata.items()}


def _shown(value: object) -> str:
    """A value as a message shows it."""
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One wrong field of a request."""

    field: str
    """Path, for example `customer.contact_points[0].raw`."""
    description: str
    """Names the mistake and the allowed values."""
    reason: str = "INVALID_FIELD"


class InvalidArgument(DomainError):
    """The request is wrong whatever the state of the system. Carries the wrong fields.

    A named refusal of one field says in `wrong_field` which.
    """

    reason = "INVALID_ARGUMENT"
    wrong_field: ClassVar[str] = ""

    def __init__(
        self,
        message: str = "",
        *,
        violations: Sequence[FieldViolation] = (),
        reason: str | None = None,
        **metadata: object,
    ) -> None:
        text = message or "; ".join(f"{v.field}: {v.description}" for v in violations)
        self._fill(text, reason or self.reason, metadata)
        self.violations = tuple(violations)

    def __post_init__(self) -> None:
        DomainError.__post_init__(self)
        self.violations = (FieldViolation(self.wrong_field, self.message, self.reason),) if self.wrong_field else ()

    @classmethod
    def field(cls, name: str, description: str, *, reason: str = "INVALID_FIELD") -> InvalidArgument:
        """The common case of exactly one wrong field."""
        return InvalidArgument(violations=[FieldViolation(name, description, reason)])


class NotFound(DomainError):
    """No such entity for this tenant. A projection is told as what it is one of."""

    reason = "NOT_FOUND"

    def __init__(self, kind: type, id: str) -> None:
        self.kind, self.id = kind.__name__.removesuffix("Projection"), id
        self._fill(f"{self.kind} {id!r} does not exist", self.reason, {"kind": self.kind, "id": id})


class AlreadyExists(DomainError):
    """The key is taken by something else."""

    reason = "ALREADY_EXISTS"


class FailedPrecondition(DomainError):
    """The state of the entity forbids this. The message says what would allow it."""

    reason = "FAILED_PRECONDITION"


class Conflict(DomainError):
    """Somebody changed the entity meanwhile. Read again, then decide."""

    reason = "REVISION_MISMATCH"


class PermissionDenied(DomainError):
    """The caller lacks a permission, which the message names."""

    reason = "PERMISSION_DENIED"


class SourceKeyReused(AlreadyExists):
    """The key {key} was recorded before with other content, as {id}."""

    key: str
    id: str


class RevisionMismatch(Conflict):
    """Revision {revision} of {id} is not the current one, {current}: read again, then decide."""

    id: str
    revision: int
    current: int


class TooManyWriters(Conflict):
    """Too many others change {id} at once: try again."""

    id: str
