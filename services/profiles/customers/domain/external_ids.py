"""The ids that customers have in other systems."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.profiles.customers.domain.text import clean
from services.profiles.customers.domain.violations import Violations

_SLUG = re.compile("[a-z][a-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalId:
    """The id of a customer in another system. No two customers of a tenant share one."""

    system: str
    id: str

    def completed(self, path: str, violations: Violations) -> ExternalId:
        """The id without space around it."""
        if not _SLUG.fullmatch(self.system):
            violations.add(f"{path}.system", f"{self.system!r} is no short lower-case name such as erp")
        return replace(self, id=clean(self.id, f"{path}.id", 200, violations, required=True))


def completed(ids: Sequence[ExternalId], violations: Violations) -> tuple[ExternalId, ...]:
    """The ids in canonical form, none twice."""
    completed = tuple(each.completed(f"external_ids[{i}]", violations) for i, each in enumerate(ids))
    for i, each in enumerate(completed):
        if each in completed[:i]:
            violations.add(f"external_ids[{i}]", f"{each.system} {each.id} is there twice")
    return completed
