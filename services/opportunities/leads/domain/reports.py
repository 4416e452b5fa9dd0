"""Counts of leads by what they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.opportunities.leads.domain.leads import Lead
from services.opportunities.leads.domain.parts import LeadState


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadCount:
    """Leads that share a value of an attribute."""

    attribute: str = ""
    value: str = ""
    leads: int
    converted: int
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadReport:
    """Counts of the leads of a form."""

    form_id: str
    counts: tuple[LeadCount, ...]

    @classmethod
    def of(cls, form_id: str, counts: Mapping[tuple[str, str, bool], int]) -> LeadReport:
        """The report of (attribute, value, whether converted) → leads."""
        places = sorted({(attribute, value) for attribute, value, _ in counts})
        rows = []
        for attribute, value in places:
            won = counts.get((attribute, value, True), 0)
            all_of_them = won + counts.get((attribute, value, False), 0)
            rows.append(
                LeadCount(attribute=attribute, value=value, leads=all_of_them, converted=won, rate=won / all_of_them)
            )
        return cls(form_id=form_id, counts=tuple(rows))


def tally(leads: Iterable[Lead], categories: Sequence[str]) -> Counter[tuple[str, str, bool]]:
    """(attribute, value, whether converted) → leads. The empty attribute counts all of them."""
    counts: Counter[tuple[str, str, bool]] = Counter()
    for lead in leads:
        converted = lead.state is LeadState.CONVERTED
        counts["", "", converted] += 1
        for each in lead.attributes:
            if each.key in categories:
                counts[each.key, each.text, converted] += 1
    return counts
