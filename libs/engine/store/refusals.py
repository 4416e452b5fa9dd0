"""Refusals of a collection: queries without an index, and changes that are too large."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from libs.chassis.domain import FailedPrecondition
from libs.chassis.filtering import AnyOf, Compare, Condition, Element, conjuncts, not_indexed, paths_in
from libs.chassis.store import Index


class TooManyEvents(FailedPrecondition):
    """One change of {entity_id} has {events} events of {bytes} bytes: do it in smaller steps. An entity holds at most
    {allowed_events} events of {allowed_bytes} bytes."""

    entity_id: str
    events: int
    allowed_events: int
    bytes: int
    allowed_bytes: int


class TransactionTooLarge(FailedPrecondition):
    """One change would write {documents} documents at once, and {allowed} are allowed."""

    documents: int
    allowed: int


def require_index(indexes: Iterable[Index], where: Condition | None, order: str | Sequence[str]) -> None:
    """Refuse a query that would have to read every document of the tenant.

    A condition needs an index of its own: along that of the order, everything before the first match is read. Only what
    leaves out a few, by a field that others lack, may go along the order.
    """
    leading = {index.keys[0].lstrip("-") for index in indexes if not index.every_tenant} | {"_id"}
    parts = [part for part in conjuncts(where) if not (isinstance(part, Compare) and part.operator == "missing")]
    if not parts:
        keys = [order] if isinstance(order, str) else list(order)
        lead = (keys[0] if keys and keys[0] else "_id").lstrip("-")
        if lead not in leading:
            raise not_indexed(lead, sorted(leading - {"_id"}))
    elif not any(all(_is_served(arm, leading) for arm in _arms(part)) for part in parts):
        unserved = sorted(paths_in(where) - leading)
        raise not_indexed(unserved[0] if unserved else "the filter", sorted(leading - {"_id"}))


def _arms(part: Condition) -> Sequence[Condition]:
    return part.parts if isinstance(part, AnyOf) else (part,)


def _is_served(part: Condition, leading: set[str]) -> bool:
    if isinstance(part, Element):
        return any(
            isinstance(inner, Compare) and f"{part.path}.{inner.path}" in leading for inner in conjuncts(part.condition)
        )
    return any(
        isinstance(inner, Compare) and inner.operator not in ("!=", "missing") and inner.path in leading
        for inner in conjuncts(part)
    )
