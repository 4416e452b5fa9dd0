"""A parcel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from libs.chassis.domain import Entity


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel(Entity):
    """Something that is sent to a customer."""

    ID_PREFIX: ClassVar[str] = "par"

    customer_id: str
