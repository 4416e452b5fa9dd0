"""Rights of `kehu ops` in one namespace: the rules of the Role that the chart ships.

Everything is read-only, nothing is of the whole cluster, and no secret is read. `pods/proxy` is apart (OPTIONAL): it
opens every port of every pod of the namespace to whoever has it, past the NetworkPolicies, so it is a right to give on
purpose. With it `status` asks the admin ports what a process says of itself: why it is not ready, the schema that it
found, its version. Without it these columns stay empty and nothing else is missing. `pods/log` is for `diagnose`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a Role."""

    group: str
    """API group. Empty for the core."""
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    needed_for: str

    def as_role_rule(self) -> dict[str, list[str]]:
        """As it stands in a Role."""
        return {"apiGroups": [self.group], "resources": [*self.resources], "verbs": [*self.verbs]}


_READ: Final = ("get", "list")

RULES: Final = (
    Rule("", ("pods", "events"), _READ, "status, events, drain-check, diagnose"),
    Rule("", ("pods/log",), ("get",), "diagnose"),
    Rule("", ("configmaps", "services", "serviceaccounts"), _READ, "verify"),
    Rule("apps", ("deployments", "replicasets"), _READ, "status, diagnose, verify"),
    Rule("batch", ("jobs", "cronjobs"), _READ, "verify, diagnose"),
    Rule("autoscaling", ("horizontalpodautoscalers",), _READ, "verify"),
    Rule("policy", ("poddisruptionbudgets",), _READ, "drain-check, verify"),
    Rule("coordination.k8s.io", ("leases",), _READ, "status"),
    Rule("networking.k8s.io", ("networkpolicies",), _READ, "verify"),
    Rule("rbac.authorization.k8s.io", ("roles", "rolebindings"), _READ, "verify"),
    Rule("monitoring.coreos.com", ("podmonitors", "prometheusrules"), _READ, "verify"),
    Rule("keda.sh", ("scaledobjects", "triggerauthentications"), _READ, "verify"),
)
OPTIONAL: Final = (Rule("", ("pods/proxy",), ("get",), "status: reasons, schema and version as the processes say"),)


def role(name: str, namespace: str, *, optional: bool = True) -> dict[str, Any]:
    """The Role as a manifest."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name, "namespace": namespace},
        "rules": [rule.as_role_rule() for rule in (*RULES, *(OPTIONAL if optional else ()))],
    }


def missing(group: str, resource: str, verb: str) -> str:
    """The rule that would allow what was refused, as one line of YAML."""
    return f'{{apiGroups: ["{group}"], resources: ["{resource}"], verbs: ["{verb}"]}}'
