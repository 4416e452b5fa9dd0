from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from libs.command.ops.drift import compare, strangers
from libs.command.ops.verify import read_manifest
from libs.command.output import Misuse

MANIFEST: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "kehu-profiles-api", "labels": {"app.kubernetes.io/name": "kehu"}},
    "spec": {
        "replicas": 2,
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "kehu",
                        "image": "kehu:1",
                        "env": [
                            {"name": "KEHU_DRAIN_SECONDS", "value": "5"},
                            {"name": "KEHU_LOG_LEVEL", "value": "info"},
                        ],
                        "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {}},
                        "ports": [{"containerPort": 50051, "name": "grpc"}],
                    }
                ],
                "nodeSelector": None,
            }
        },
    },
}
CONTAINER = ("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"kehu"}')


def fields(*leaves: str) -> dict[str, Any]:
    """fieldsV1 that names these leaves of the container."""
    root: dict[str, Any] = {}
    for leaf in leaves:
        at = root
        for part in [*CONTAINER, *leaf.split()]:
            at = at.setdefault(part, {})
    return root


def living() -> dict[str, Any]:
    """What an API server makes of the manifest."""
    found = deepcopy(MANIFEST)
    found["metadata"] |= {
        "namespace": "kehu",
        "uid": "u",
        "annotations": {"deployment.kubernetes.io/revision": "1"},
        "managedFields": [
            {
                "manager": "helm",
                "operation": "Apply",
                "time": "2026-03-01T08:00:00Z",
                "fieldsV1": fields(
                    "f:image",
                    'f:env k:{"name":"KEHU_DRAIN_SECONDS"} f:value',
                    'f:env k:{"name":"KEHU_LOG_LEVEL"} f:value',
                ),
            },
            {
                "manager": "kube-controller-manager",
                "operation": "Update",
                "time": "2026-03-01T08:00:01Z",
                "fieldsV1": {"f:metadata": {"f:annotations": {"f:deployment.kubernetes.io/revision": {}}}},
            },
        ],
    }
    container = found["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"requests": {"cpu": "500m", "memory": "1Gi"}}
    container["imagePullPolicy"] = "IfNotPresent"
    container["ports"][0]["protocol"] = "TCP"
    del found["spec"]["template"]["spec"]["nodeSelector"]
    found["status"] = {"readyReplicas": 2}
    return found


def edited(*leaves: str) -> dict[str, Any]:
    """The same after somebody took hold of some fields of the container."""
    found = living()
    writer = {"manager": "kubectl-edit", "operation": "Update", "time": "2026-03-01T09:00:00Z"}
    found["metadata"]["managedFields"].append({**writer, "fieldsV1": fields(*leaves)})
    return found


def container_of(thing: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = thing["spec"]["template"]["spec"]["containers"][0]
    return container


def test_defaults_other_ways_to_write_a_quantity_and_controllers_are_no_drift() -> None:
    assert compare(MANIFEST, living()) == []


def test_a_changed_field_is_told_with_who_changed_it() -> None:
    found = edited('f:env k:{"name":"KEHU_LOG_LEVEL"} f:value')
    container_of(found)["env"][1]["value"] = "debug"
    del found["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"][
        'k:{"name":"kehu"}'
    ]["f:env"]['k:{"name":"KEHU_LOG_LEVEL"}']
    [drift] = compare(MANIFEST, found)
    assert drift.thing == "Deployment/kehu-profiles-api"
    assert drift.path == "spec.template.spec.containers[name=kehu].env[name=KEHU_LOG_LEVEL].value"
    assert (drift.wanted, drift.found) == ("info", "debug")
    assert drift.by == "kubectl-edit (update, 2026-03-01T09:00:00Z)"


def test_the_order_of_named_elements_is_no_drift_and_a_missing_one_is() -> None:
    found = living()
    container_of(found)["env"].reverse()
    assert compare(MANIFEST, found) == []
    container_of(found)["env"].pop()
    assert [(drift.path.rpartition("[")[2], drift.wanted, drift.found) for drift in compare(MANIFEST, found)] == [
        ("name=KEHU_DRAIN_SECONDS].name", "KEHU_DRAIN_SECONDS", None),
        ("name=KEHU_DRAIN_SECONDS].value", "5", None),
    ]


def test_a_field_that_somebody_added_is_drift_and_a_restart_by_kubectl_is_not() -> None:
    found = edited('f:env k:{"name":"HTTP_PROXY"} f:value')
    container_of(found)["env"].append({"name": "HTTP_PROXY", "value": "http://proxy"})
    [drift] = compare(MANIFEST, found)
    assert (drift.path.endswith("env[name=HTTP_PROXY].value"), drift.wanted, drift.found) == (
        True,
        None,
        "http://proxy",
    )

    found = living()
    found["spec"]["template"]["metadata"] = {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}
    restarted = {
        "f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}}}
    }
    found["metadata"]["managedFields"].append({"manager": "kubectl-rollout", "fieldsV1": restarted})
    assert compare(MANIFEST, found) == []


def test_another_quantity_is_drift_and_a_text_that_looks_like_one_is_compared_as_text() -> None:
    found = living()
    container_of(found)["resources"]["requests"]["memory"] = "2Gi"
    container_of(found)["env"][0]["value"] = "5.0"
    assert [(drift.wanted, drift.found) for drift in compare(MANIFEST, found)] == [("5", "5.0"), ("1024Mi", "2Gi")]


def test_objects_that_are_missing_or_not_in_the_manifest() -> None:
    [missing] = compare(MANIFEST, None)
    assert (missing.path, missing.wanted, missing.found) == ("", "is there", None)
    extra = {"kind": "Deployment", "metadata": {"name": "mine", "managedFields": [{"manager": "kubectl-create"}]}}
    owned = {"kind": "Deployment", "metadata": {"name": "made", "ownerReferences": [{"kind": "ScaledObject"}]}}
    hook = {"kind": "Deployment", "metadata": {"name": "hook", "annotations": {"helm.sh/hook": "test"}}}
    [stranger] = strangers([MANIFEST], [living(), extra, owned, hook])
    assert (stranger.thing, stranger.by) == ("Deployment/mine", "kubectl-create")


def test_a_manifest_is_read_whole_or_refused() -> None:
    assert [
        each["kind"] for each in read_manifest("---\nkind: A\nmetadata: {}\n---\n\n---\nkind: B\nmetadata: {}\n")
    ] == [
        "A",
        "B",
    ]
    assert len(read_manifest("kind: List\nitems: [{kind: A, metadata: {}}, {kind: B, metadata: {}}]")) == 2
    for text in ("", "just words", "a: [", "kind: A"):
        with pytest.raises(Misuse):
            read_manifest(text)
