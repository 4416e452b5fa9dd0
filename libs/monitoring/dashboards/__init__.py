"""The dashboards: what is on them. `libs.monitoring.grafana` turns them into what Grafana reads.

Each shows one namespace at a time and any number of services. A line that counts what seldom happens is written so that
it is 0, and not absent, while it does not happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from libs.monitoring import grafana
from libs.monitoring.dashboards.bus import BUS
from libs.monitoring.dashboards.calls import CALLS
from libs.monitoring.dashboards.overview import OVERVIEW
from libs.monitoring.dashboards.processes import PROCESSES, STORE
from libs.monitoring.grafana import Dashboard

DASHBOARDS: Final[tuple[Dashboard, ...]] = (OVERVIEW, CALLS, BUS, STORE, PROCESSES)


def render() -> Mapping[str, str]:
    """Name of each dashboard → its JSON."""
    return {dashboard.name: grafana.encode(dashboard) for dashboard in DASHBOARDS}
