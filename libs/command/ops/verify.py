"""Reads a manifest, finds its objects in the cluster, and says how they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from libs.command.ops.cluster import INSTANCE_LABEL, Cluster
from libs.command.ops.drift import Drift, compare, is_hook, strangers, title
from libs.command.output import Misuse

PLURALS: Final[Mapping[str, str]] = {
    "ConfigMap": "configmaps",
    "CronJob": "cronjobs",
    "Deployment": "deployments",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "Job": "jobs",
    "NetworkPolicy": "networkpolicies",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "PodMonitor": "podmonitors",
    "PrometheusRule": "prometheusrules",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "ScaledObject": "scaledobjects",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "TriggerAuthentication": "triggerauthentications",
}
"""The kinds that the chart makes. Secrets are not read, on purpose."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The outcome."""

    compared: int
    drifts: Sequence[Drift]
    left_out: Sequence[str]
    """Objects that were not looked at, and why."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "compared": self.compared,
            "drift": [each.as_json() for each in self.drifts],
            "left_out": [*self.left_out],
        }


def read_manifest(text: str) -> list[dict[str, Any]]:
    """The objects of a manifest. Misuse when it is none."""
    import yaml

    try:
        documents = [each for each in yaml.safe_load_all(text) if each]
    except yaml.YAMLError as error:
        raise Misuse(f"the manifest is no YAML: {' '.join(str(error).split())}") from None
    objects = [item for each in documents for item in (each["items"] if _is_list(each) else [each])]
    if not objects or not all(isinstance(each, dict) and "kind" in each and "metadata" in each for each in objects):
        raise Misuse("the manifest has no Kubernetes objects; make one with `helm get manifest RELEASE`")
    return objects


def verify(cluster: Cluster, manifest: Sequence[dict[str, Any]]) -> Verified:
    """Compares every object of the manifest with the one of the same kind and name, and looks for objects beyond it."""
    wanted, left_out = dict[tuple[str, str], list[dict[str, Any]]](), list[str]()
    for each in manifest:
        if is_hook(each):
            left_out.append(f"{title(each)}: a hook, which lives for a moment")
        elif each["kind"] not in PLURALS:
            why = "its content is not read" if each["kind"] == "Secret" else "not a kind that the chart makes"
            left_out.append(f"{title(each)}: {why}")
        elif each["metadata"].get("namespace", cluster.namespace) != cluster.namespace:
            left_out.append(f"{title(each)}: in another namespace")
        else:
            wanted.setdefault((each["apiVersion"], each["kind"]), []).append(each)
    drifts, compared = list[Drift](), 0
    for (api_version, kind), objects in sorted(wanted.items()):
        group, _, version = api_version.rpartition("/")
        found = cluster.raw(group, version, PLURALS[kind])
        if found is None:
            left_out += [f"{title(each)}: this cluster knows no {kind} of {api_version}" for each in objects]
            continue
        living = {each["metadata"]["name"]: {**each, "kind": kind} for each in found}
        for each in objects:
            drifts += compare(each, living.get(each["metadata"]["name"]))
        compared += len(objects)
        ours = [
            e for e in living.values() if (e["metadata"].get("labels") or {}).get(INSTANCE_LABEL) == cluster.release
        ]
        drifts += strangers(objects, ours)
    return Verified(compared, drifts, left_out)


def _is_list(document: Any) -> bool:
    return isinstance(document, dict) and document.get("kind") == "List"
