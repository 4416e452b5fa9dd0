"""Erasure of what this service holds on a customer, batch by batch, and the receipt for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, Open, OpenEnum, Sealed

SERVICE = "interactions"


class Stage(OpenEnum):
    """Stage of an erasure. The copy of the customer goes first and contacts last: without the copy no new contact leads
    to the customer, and without an open conversation none is taken for theirs. At the end come the contacts of which
    nobody knew whom they were with, by what the customer used to be reached at."""

    CUSTOMERS = "customers"
    CONVERSATIONS = "conversations"
    PROMISES = "promises"
    INTERACTIONS = "interactions"
    UNATTRIBUTED = "unattributed"
    DONE = "done"


_STAGES = tuple(Stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Records of one kind."""

    kind: Open[str]
    """The name of a collection."""
    count: int
    reason: Open[str] = ""
    """Reason for keeping them: words of the service, none about the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReceipt:
    """Receipt for what this service erased of a customer, and for what it kept."""

    service: str
    erase_time: datetime
    erased: tuple[Records, ...] = ()
    kept: tuple[Records, ...] = ()
    destroyed_keys: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure(Entity):
    """Progress of this service in the erasure of a customer. The id is that of the profiles service."""

    ID_PREFIX: ClassVar[str] = "era"

    customer_id: str
    identifiers: Sealed[tuple[str, ...]] = ()
    """Keys of what led to the customer; sealed, and gone when the erasure has ended."""
    stage: Stage = Stage.CUSTOMERS
    cursor: Open[str] = ""
    """Place in the stage that it has come to, for the store."""
    erased: tuple[Records, ...] = ()
    destroyed_keys: int = 0
    digest: Open[str] = ""
    """SHA-256 over the ids and revisions of what was erased."""
    pending: bool = True

    def begin(self) -> Change[Erasure]:
        """This erasure, as it was asked for; nothing changes when it has begun before."""
        return _told(self) if not self.revision else (self, [])

    def advanced(
        self, batch: Mapping[str, Sequence[Entity]], destroyed_keys: int, *, cursor: str = "", ended: bool
    ) -> Change[Erasure]:
        """After one more batch of the stage, by collection; the next stage begins when it has ended."""
        counts = {each.kind: each.count for each in self.erased}
        for kind, entities in batch.items():
            counts[kind] = counts.get(kind, 0) + len(entities)
        gone = [each for entities in batch.values() for each in entities]
        listed = "".join(f"{each.id}:{each.revision}\n" for each in gone)
        advanced = replace(
            self,
            stage=_STAGES[_STAGES.index(self.stage) + 1] if ended else self.stage,
            cursor=cursor,
            erased=tuple(Records(kind=kind, count=count) for kind, count in counts.items() if count),
            destroyed_keys=self.destroyed_keys + destroyed_keys,
            digest=hashlib.sha256(f"{self.digest}\n{listed}".encode()).hexdigest() if gone else self.digest,
        )
        return _told(advanced)

    def completed(self, at: datetime) -> Change[Erasure]:
        """At its end, with the receipt; nothing changes when it has ended before."""
        if not self.pending:
            return self, []
        receipt = ErasureReceipt(
            service=SERVICE,
            erase_time=at,
            erased=self.erased,
            kept=tuple(replace(each, reason="times and counts without names") for each in self.erased),
            destroyed_keys=self.destroyed_keys,
            digest=self.digest,
        )
        done = replace(self, pending=False, identifiers=())
        return done, [ErasureCompleted(erasure_id=self.id, customer_id=self.customer_id, receipt=receipt)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureAdvanced(Event):
    """This service began to erase what it holds on a customer, or has erased some more of it."""

    erasure_id: str
    customer_id: str
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureCompleted(Event):
    """This service has erased what it held on a customer."""

    erasure_id: str
    customer_id: str
    receipt: ErasureReceipt


def _told(erasure: Erasure) -> Change[Erasure]:
    return erasure, [ErasureAdvanced(erasure_id=erasure.id, customer_id=erasure.customer_id, stage=erasure.stage)]
