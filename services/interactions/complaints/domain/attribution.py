"""Causes of complaints: a taxonomy with mandatory roots, and the touchpoint, employee and product behind each."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Event
from services.interactions.complaints.domain.refusals import AttributionUnknown, CauseUnknown, TaxonomyRootMissing

ROOTS: Final = ("staff", "broken_promise", "led_nowhere", "product", "process")
"""Roots of every taxonomy: attitude or skill of staff, a broken promise, a complaint that led nowhere, and the rest."""
NOT_ATTRIBUTABLE: Final = "NOT_ATTRIBUTABLE"
"""Said on purpose where nothing of the kind is behind a complaint. Saying nothing is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy(Entity):
    """Causes to which complaints are put, as paths such as `staff/attitude`, and all that may be behind them."""

    ID_PREFIX: ClassVar[str] = "tax"

    version: int = 1
    paths: tuple[str, ...] = ROOTS
    touchpoints: tuple[str, ...] = ()
    employees: tuple[str, ...] = ()
    products: tuple[str, ...] = ()

    def set(self, wanted: Taxonomy) -> Change[Taxonomy]:
        """The next version. TaxonomyRootMissing when a mandatory root is."""
        roots = {path.split("/", maxsplit=1)[0] for path in wanted.paths}
        if missing := tuple(root for root in ROOTS if root not in roots):
            raise TaxonomyRootMissing(missing=missing)
        became = replace(
            self,
            version=self.version + bool(self.revision),
            paths=tuple(dict.fromkeys(wanted.paths)),
            touchpoints=wanted.touchpoints,
            employees=wanted.employees,
            products=wanted.products,
        )
        return became, [TaxonomySet(taxonomy=became)]

    @property
    def references(self) -> References:
        """Ids that an attribution may name."""
        return References(
            touchpoints=frozenset(self.touchpoints),
            employees=frozenset(self.employees),
            products=frozenset(self.products),
        )

    def check(self, path: str) -> None:
        """Refuses a path that it does not have."""
        if path not in self.paths:
            raise CauseUnknown(path=path, version=self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxonomySet(Event):
    """The taxonomy of complaints has another version."""

    taxonomy: Taxonomy


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Touchpoint, employee and product that caused a complaint, each an id or NOT_ATTRIBUTABLE."""

    touchpoint: str
    employee: str
    product: str


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Ids that an attribution may name."""

    touchpoints: Set[str] = frozenset()
    employees: Set[str] = frozenset()
    products: Set[str] = frozenset()

    def check(self, attribution: Attribution) -> None:
        """Refuses an attribution that names something unknown, or leaves a part out."""
        parts = (
            ("touchpoint", attribution.touchpoint, self.touchpoints),
            ("employee", attribution.employee, self.employees),
            ("product", attribution.product, self.products),
        )
        for part, value, known in parts:
            if value != NOT_ATTRIBUTABLE and value not in known:
                raise AttributionUnknown(value=repr(value), part=part)
