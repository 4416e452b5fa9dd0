"""Kubernetes objects as an API server sends them, short to write, and as the client's own models."""

from __future__ import annotations

import json
from typing import Any

from kubernetes.client import ApiClient

BORN = "2026-03-01T08:00:00Z"
RELEASE = "kehu"


class _Answer:
    def __init__(self, value: Any) -> None:
        self.data = json.dumps(value)


def model(kind: str, value: dict[str, Any]) -> Any:
    """The model (`V1Pod`) that the client makes of this JSON."""
    return ApiClient().deserialize(_Answer(value), kind)


def labels(component: str) -> dict[str, str]:
    """The labels that the chart gives the objects of a process."""
    return {
        "app.kubernetes.io/name": "kehu",
        "app.kubernetes.io/instance": RELEASE,
        "app.kubernetes.io/component": component,
    }


def deployment(component: str, *, replicas: int = 2, ready: int | None = None) -> dict[str, Any]:
    """A Deployment whose rollout is complete."""
    ready = replicas if ready is None else ready
    env = [{"name": "KEHU_LEASE", "value": "kubernetes"}] if component.endswith("worker") else []
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": f"{RELEASE}-{component}",
            "namespace": "kehu",
            "generation": 3,
            "labels": labels(component),
            "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels(component)},
            "template": {
                "metadata": {"labels": labels(component)},
                "spec": {"containers": [{"name": "kehu", "image": "localhost/kehu:dev", "env": env}]},
            },
        },
        "status": {
            "observedGeneration": 3,
            "replicas": replicas,
            "updatedReplicas": replicas,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}],
        },
    }


def pod(
    component: str,
    number: int = 0,
    *,
    node: str = "node-a",
    ready: bool = True,
    owner: str = "ReplicaSet",
    container: dict[str, Any] | None = None,
    phase: str = "Running",
    conditions: list[dict[str, Any]] | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    """A pod that runs; `container` adds to the state of its only container, `owner=""` makes a bare one."""
    name = f"{RELEASE}-{component}-5d9f-{number}"
    references = [{"apiVersion": "apps/v1", "kind": owner, "name": "of-it", "uid": "u", "controller": True}]
    state = {
        "name": "kehu",
        "image": "localhost/kehu:dev",
        "imageID": "localhost/kehu@sha256:" + "1a2b3c4d" * 8,
        "ready": ready,
        "restartCount": 0,
        "state": {"running": {"startedAt": BORN}},
        "lastState": {},
        **(container or {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "kehu",
            "labels": labels(component),
            "creationTimestamp": BORN,
            "ownerReferences": references if owner else None,
            **metadata,
        },
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 30,
            "containers": [{"name": "kehu", "image": "localhost/kehu:dev"}],
            "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
        },
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": str(ready)}] if conditions is None else conditions,
            "containerStatuses": [state],
        },
    }


def budget(component: str, *, allowed: int, healthy: int = 2, wanted: int = 1, expected: int = 2) -> dict[str, Any]:
    """A PodDisruptionBudget of a process, with what its controller counted."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": f"{RELEASE}-{component}", "namespace": "kehu", "generation": 1},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels(component)}},
        "status": {
            "observedGeneration": 1,
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": wanted,
            "expectedPods": expected,
        },
    }


def lease(name: str, holder: str, renewed: str, *, transitions: int = 1) -> dict[str, Any]:
    """A Lease of ten seconds."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": "kehu"},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": 10,
            "renewTime": renewed,
            "leaseTransitions": transitions,
        },
    }


def event(about: str, reason: str, message: str, at: str, *, count: int = 1, type: str = "Warning") -> dict[str, Any]:
    """An event on `Kind/name`."""
    kind, _, name = about.partition("/")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{name}.{abs(hash((reason, message, at))):x}",
            "namespace": "kehu",
            "creationTimestamp": at,
        },
        "involvedObject": {"kind": kind, "name": name, "namespace": "kehu"},
        "type": type,
        "reason": reason,
        "message": message,
        "count": count,
        "firstTimestamp": at,
        "lastTimestamp": at,
    }
