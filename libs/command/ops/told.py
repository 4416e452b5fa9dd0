"""Statements of a process on its admin port."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Told:
    """Statements of a process on its admin port."""

    stored: int | None = None
    """The schema that it found in its database."""
    code: int | None = None
    """The schema that it is made for."""
    version: str = ""
    held: frozenset[str] = frozenset()
    """The leases that it holds."""
    leases: frozenset[str] = frozenset()
    """The leases that it knows."""


def tell(metrics: str) -> Told:
    """Reads schema, version and leases from the text of /metrics."""
    from prometheus_client.parser import text_string_to_metric_families

    lines = [line for line in metrics.splitlines() if line.startswith(("kehu_schema", "kehu_build", "kehu_lease_held"))]
    schema: dict[str, int] = {}
    version, held, leases = "", set[str](), set[str]()
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            if sample.name == "kehu_schema_version":
                schema[sample.labels.get("kind", "")] = int(sample.value)
            elif sample.name == "kehu_build_info":
                version = sample.labels.get("version", "")
            elif sample.name == "kehu_lease_held":
                leases.add(sample.labels["lease"])
                if sample.value:
                    held.add(sample.labels["lease"])
    return Told(schema.get("stored"), schema.get("code"), version, frozenset(held), frozenset(leases))
