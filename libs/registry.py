"""The services of the suite, a line each.

Local stack, compose, Prometheus, chart, doctor, client, erasure and the tests follow this list, so a new service is its
folder in `services/`, its folder in `protos/kehu/` and its line here, at the end; then run `make chart`. The module is
plain data and imports the standard library alone.
"""

from __future__ import annotations

from dataclasses import dataclass

ROLES = ("api", "worker")
"""The processes that every service runs all the time."""
WEB = "web"
"""The process that serves pages to people outside, of the services that have some."""
ALL_ROLES = (*ROLES, WEB)
"""Every process that runs all the time."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A service as the rest of the suite knows it."""

    name: str
    """Folder, database, exchange, metric label. In capitals the end of KEHU_TARGET_…"""
    calls: tuple[str, ...] = ()
    """Services whose API it calls through `libs.calls`: addresses and network policies follow."""
    holds_customers: bool = True
    """Something it stores is about a customer: it answers every erasure with a receipt."""
    web: bool = False
    """It serves pages to people outside, in a process of their own."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The processes that it runs all the time."""
        return (*ROLES, WEB) if self.web else ROLES


REGISTRY = (
    Registration("profiles", calls=("interactions",)),
    Registration("interactions"),
    Registration("opportunities", calls=("profiles",)),
    Registration("surveys", web=True),
    Registration("care"),
)
"""In the order in which they start and are shown. The place of a service decides its local ports, so none moves."""

SERVICES = tuple(each.name for each in REGISTRY)
"""The names of all services."""
PROCESSES = tuple(f"{each.name}-{role}" for each in REGISTRY for role in each.roles)
"""The names of all processes that run all the time, such as `profiles-api`."""
ERASURE_PARTICIPANTS = tuple(each.name for each in REGISTRY if each.holds_customers)
"""The services whose receipts an erasure waits for."""


def registered(service: str) -> Registration:
    """Returns the line of a service. KeyError with the known names when there is none."""
    for each in REGISTRY:
        if each.name == service:
            return each
    raise KeyError(f"{service!r} is no service; there are {', '.join(SERVICES)}")


def target_variable(service: str) -> str:
    """Returns the environment variable that says where a service answers calls."""
    return f"KEHU_TARGET_{service.upper()}"
