"""Zones in which a customer may be, when nobody said: those of the address, else those of the telephone.

The table of regions is that of the zone database (`zone.tab`), the one of telephones that of libphonenumber.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from zoneinfo import available_timezones

import phonenumbers
from phonenumbers import timezone

from services.care.customers.domain.projection import ZoneSource

ZONES_MAX = 60
"""Zones that are kept of a customer: more than any country has."""
_UNKNOWN = "Etc/Unknown"


def zones_of(preferred: str, regions: Iterable[str], phones: Iterable[str]) -> tuple[tuple[str, ...], ZoneSource]:
    """(zones, where they were learned): what the customer prefers, else of the first region or telephone that tells."""
    if preferred in available_zones():
        return (preferred,), ZoneSource.CUSTOMER
    for region in regions:
        if found := _regions().get(region):
            return found[:ZONES_MAX], ZoneSource.ADDRESS
    for phone in phones:
        if found := zones_of_phone(phone):
            return found[:ZONES_MAX], ZoneSource.PHONE
    return (), ZoneSource.TENANT


@lru_cache(maxsize=4096)
def zones_of_phone(phone: str) -> tuple[str, ...]:
    """The zones of a number in E.164 form. None of a number that tells none."""
    try:
        number = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return ()
    found = timezone.time_zones_for_number(number)
    return tuple(each for each in found if each != _UNKNOWN and each in available_zones())


@lru_cache(maxsize=1)
def available_zones() -> frozenset[str]:
    """The names of all zones."""
    return frozenset(available_timezones())


@lru_cache(maxsize=1)
def _regions() -> Mapping[str, tuple[str, ...]]:
    """Region → its zones, the most peopled first as the table has them."""
    lines = files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8").splitlines()
    table: dict[str, tuple[str, ...]] = {}
    for line in lines:
        if not line.startswith("#"):
            region, _, zone, *_ = line.split("\t")
            table[region] = (*table.get(region, ()), zone)
    return table
