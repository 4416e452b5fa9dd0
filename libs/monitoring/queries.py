"""PromQL over the metrics that the services declare.

Everything is grouped by labels (`namespace`, `service`, `role`, …) and never by lists of names, so a new service or
subscription is watched from its first scrape. `namespace` is what the cluster adds; elsewhere it is absent, which
grouping takes for one empty namespace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import Histogram, MetricWrapperBase

from libs.engine import metrics
from libs.registry import ALL_ROLES, SERVICES

TARGET: Final = ("namespace", "service", "role", "instance", "pod")
"""Labels that the scrape adds to every series."""
SERVICE: Final = ("namespace", "service")
PROCESSES: Final = (*SERVICE, "role")
PROCESS: Final = (*PROCESSES, "pod", "instance")
RPC: Final = (*SERVICE, "grpc_service", "grpc_method")
SUBSCRIPTION: Final = (*SERVICE, "subscription")
TIMER: Final = (*SERVICE, "timer")
LOOP: Final = (*SERVICE, "loop")

FAULTS: Final = "~INTERNAL|UNKNOWN|DATA_LOSS|UNAVAILABLE|DEADLINE_EXCEEDED"
"""Status codes of calls that we failed. The others are the caller's, or refusals that are counted apart."""
OURS: Final[Mapping[str, str]] = {"service": "~" + "|".join(sorted(SERVICES)), "role": "~" + "|".join(ALL_ROLES)}
"""Matchers for series that every process in the cluster may have, such as `up`."""


@cache
def declared() -> Mapping[str, frozenset[str]]:
    """Name of every series that a service shows, and of `up` → the labels it has of its own."""
    found: dict[str, frozenset[str]] = {"up": frozenset()}
    process = CollectorRegistry()
    metrics.watch_process(process)
    for registry in (metrics.REGISTRY, process):
        for collector in list(registry._collector_to_names):  # noqa: SLF001  (the library lists them in no other way)
            if isinstance(collector, MetricWrapperBase):
                own = frozenset(collector._labelnames)  # noqa: SLF001
                for metric in collector.describe():
                    found |= _names(metric.name, metric.type, own)
            else:
                for metric in collector.collect():
                    for sample in metric.samples:
                        found[sample.name] = frozenset(sample.labels)
    return found


def _names(name: str, kind: str, labels: frozenset[str]) -> dict[str, frozenset[str]]:
    match kind:
        case "counter":
            return {f"{name}_total": labels}
        case "histogram":
            return {f"{name}_bucket": labels | {"le"}, f"{name}_count": labels, f"{name}_sum": labels}
        case _:
            return {name: labels}


def series(name: str, /, **matchers: str) -> str:
    """A selector. A matcher's value beginning with `~` is a regular expression, with `!` a negation.

    ValueError when no service has such a series or label.
    """
    if name not in declared():
        raise ValueError(f"no service has the series {name}; libs/engine/metrics.py declares them")
    _check(name, matchers)
    text = ", ".join(f'{label}{_matcher(value)}"' for label, value in matchers.items())
    return f"{name}{{{text}}}" if text else name


def rate(name: str, window: str, by: Sequence[str], /, **matchers: str) -> str:
    """Events per second, summed by labels."""
    return _sum("rate", name, window, by, matchers)


def increase(name: str, window: str, by: Sequence[str], /, **matchers: str) -> str:
    """Events within the window, summed by labels."""
    return _sum("increase", name, window, by, matchers)


def best(function: str, name: str, by: Sequence[str], /, **matchers: str) -> str:
    """`max`, `min` or `sum` of a gauge, by labels."""
    _check(name, by)
    return f"{function} by ({', '.join(by)}) ({series(name, **matchers)})"


def or_zero(part: str, whole: str) -> str:
    """`part`, and 0 where nothing of it was ever seen but `whole` was."""
    return f"{part} or 0 * {whole}"


def share(part: str, whole: str) -> str:
    """`part` of `whole`, from 0 to 1: 0 where nothing of the part was seen, absent where there is no whole."""
    return f"({or_zero(part, whole)}) / ({whole} > 0)"


def slower(histogram: str, seconds: float, window: str, by: Sequence[str], /, **matchers: str) -> str:
    """The share of observations above `seconds`, from 0 to 1. ValueError unless that is a bound of the histogram."""
    bound = _bound(histogram, seconds)
    within = rate(f"{histogram}_bucket", window, by, le=bound, **matchers)
    return f"1 - {within} / ({rate(f'{histogram}_count', window, by, **matchers)} > 0)"


def quantile(part: float, histogram: str, window: str, by: Sequence[str], /, **matchers: str) -> str:
    """An estimate of a quantile, exact to a bucket."""
    return f"histogram_quantile({part:g}, {rate(f'{histogram}_bucket', window, (*by, 'le'), **matchers)})"


def _sum(function: str, name: str, window: str, by: Sequence[str], matchers: Mapping[str, str]) -> str:
    _check(name, by)
    return f"sum by ({', '.join(by)}) ({function}({series(name, **matchers)}[{window}]))"


def _check(name: str, labels: Mapping[str, str] | Sequence[str]) -> None:
    unknown = [label for label in labels if label not in TARGET and label not in declared()[name]]
    if unknown:
        raise ValueError(f"{name} has no label {', '.join(unknown)}; it has {', '.join(sorted(declared()[name]))}")


def _matcher(value: str) -> str:
    match value[:1]:
        case "~":
            return f'=~"{value[1:]}'
        case "!":
            return f'!="{value[1:]}'
        case _:
            return f'="{value}'


def _bound(histogram: str, seconds: float) -> str:
    for collector in metrics.REGISTRY._collector_to_names:  # noqa: SLF001
        if isinstance(collector, Histogram) and collector._name == histogram:  # noqa: SLF001
            if seconds in collector._upper_bounds:  # noqa: SLF001
                return str(float(seconds))
            raise ValueError(f"{histogram} has no bound at {seconds:g} s; it has {collector._upper_bounds}")  # noqa: SLF001
    raise ValueError(f"{histogram} is no histogram")
