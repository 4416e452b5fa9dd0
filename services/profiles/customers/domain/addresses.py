"""Postal addresses in parts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from libs.chassis.domain import OpenEnum
from services.profiles.customers.domain.text import clean, clean_name
from services.profiles.customers.domain.violations import Violations


class AddressUsage(OpenEnum):
    """Use of an address."""

    HOME = "HOME"
    WORK = "WORK"
    BILLING = "BILLING"
    SHIPPING = "SHIPPING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A postal address in parts."""

    usage: AddressUsage | None = None
    region_code: str
    """ISO 3166-1 alpha-2."""
    postal_code: str = ""
    administrative_area: str = ""
    locality: str = ""
    sublocality: str = ""
    lines: tuple[str, ...] = ()
    recipient: str = ""

    def completed(self, path: str, violations: Violations) -> Address:
        """The address with clean texts."""
        if not re.fullmatch("[A-Z]{2}", self.region_code):
            violations.add(f"{path}.region_code", f"{self.region_code!r} is no ISO 3166-1 code such as CN")
        if len(self.lines) > 10:
            violations.add(f"{path}.lines", f"has {len(self.lines)} lines; at most 10 are allowed")
        return replace(
            self,
            postal_code=clean(self.postal_code, f"{path}.postal_code", 20, violations),
            administrative_area=clean(self.administrative_area, f"{path}.administrative_area", 100, violations),
            locality=clean(self.locality, f"{path}.locality", 100, violations),
            sublocality=clean(self.sublocality, f"{path}.sublocality", 100, violations),
            lines=tuple(
                clean(line, f"{path}.lines[{i}]", 200, violations, required=True) for i, line in enumerate(self.lines)
            ),
            recipient=clean_name(self.recipient, f"{path}.recipient", 200, violations),
        )
