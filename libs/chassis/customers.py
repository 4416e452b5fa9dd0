"""The projection of customers that every service keeps, as the profiles service tells of them.

A service that needs more names the fields in a class of its own, which `libs.chassis.projection` keeps current:

    class Holder(CustomerProjection):
        display_name: Sealed[str] = ""
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, Self

from libs.chassis.domain import Change, Entity, FailedPrecondition, Open


class CustomerErased(FailedPrecondition):
    """Customer {customer_id} was erased: nothing more is recorded of it."""

    customer_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerProjection(Entity):
    """The few fields of a customer that a service needs, as the profiles service last told them.

    `source_revision` and `source_time` say which state of the customer this is; older states are skipped.
    """

    ID_PREFIX: ClassVar[str] = "cus"

    source_revision: int
    source_time: datetime
    deleted: bool = False
    erased: bool = False
    """Nothing of it may be learned or recorded any more."""
    merged_ids: tuple[str, ...] = ()
    """Customers who were merged into this one."""
    merged_into: Open[str] = ""
    """Id of the survivor, as the last merge or unmerge of this customer told."""
    epoch: int = 0
    """Number of that merge or unmerge. Older ones are skipped."""

    @property
    def canonical_id(self) -> str:
        """The id of the survivor."""
        return self.merged_into or self.id

    @classmethod
    def unheard(cls, id: str, time: datetime) -> Self:
        """A customer of whom no more than the id was told."""
        return cls(id=id, source_revision=0, source_time=time)

    def heard_after(self, known: Self) -> Change[Self]:
        """The newer of this state and the known one. Of an erased customer only its revision counts on.

        Where the id leads is told by merges alone.
        """
        if known.source_revision >= self.source_revision:
            return known, []
        if known.erased:
            return replace(known, source_revision=self.source_revision, source_time=self.source_time), []
        return replace(self, merged_into=known.merged_into, epoch=known.epoch, **self.kept_of(known)), []

    def kept_of(self, _known: Self) -> Mapping[str, Any]:
        """Fields of the service's own, taken over from the known state."""
        return {}

    def led_to(self, canonical_id: str, epoch: int, **_told: Any) -> Change[Self]:
        """After a merge or an unmerge, which may be older than what is known."""
        lives_on = canonical_id if canonical_id != self.id else ""
        return (self if self.epoch >= epoch else replace(self, merged_into=lives_on, epoch=epoch)), []

    def doom(self) -> Change[Self]:
        """About to be erased: from now on nothing is recorded of this customer."""
        return replace(self, erased=True), []

    def without_person(self) -> Change[Self]:
        """The tombstone of an erased customer."""
        return type(self)(
            id=self.id,
            source_revision=self.source_revision,
            source_time=self.source_time,
            deleted=True,
            erased=True,
            merged_ids=self.merged_ids,
            merged_into=self.merged_into,
            epoch=self.epoch,
            revision=self.revision,
            create_time=self.create_time,
            update_time=self.update_time,
        ), []
