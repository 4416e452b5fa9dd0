from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.command.ops.status import Status, examine
from libs.command.ops.told import tell
from tests.support.objects import deployment, event, lease, model, pod

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def look(
    deployments: list[dict[str, Any]],
    pods: list[dict[str, Any]],
    *,
    leases: list[dict[str, Any]] | None = None,
    events: list[dict[str, Any]] | None = None,
    **told: Any,
) -> Status:
    return examine(
        deployments=[model("V1Deployment", each) for each in deployments],
        pods=[model("V1Pod", each) for each in pods],
        leases=[model("V1Lease", each) for each in leases or ()],
        events=[model("CoreV1Event", each) for each in events or ()],
        now=NOW,
        **told,
    )


def why(pods: list[dict[str, Any]], **told: Any) -> str:
    """Why the first pod is not ready."""
    return look([deployment("profiles-api", ready=0)], pods, **told).processes[0].pods[0].why


def test_what_runs_as_it_should_has_no_findings() -> None:
    found = look(
        [deployment("profiles-worker"), deployment("profiles-api")],
        [pod(name, number) for name in ("profiles-api", "profiles-worker") for number in range(2)],
        leases=[lease("kehu-profiles-relay", "kehu-profiles-worker-5d9f-1/7", "2026-03-01T08:59:58.123456Z")],
    )
    assert [(p.name, p.ready, p.desired, p.rollout, p.restarts) for p in found.processes] == [
        ("profiles api", 2, 2, "complete", 0),
        ("profiles worker", 2, 2, "complete", 0),
    ]
    assert found.processes[0].images == ["localhost/kehu:dev@1a2b3c4d1a2b"]
    assert [(each.name, each.holder, each.changes) for each in found.leases] == [
        ("profiles.relay", "kehu-profiles-worker-5d9f-1", 1)
    ]
    assert [*found.findings()] == []


@pytest.mark.parametrize(
    ("status", "rollout"),
    [
        ({"observedGeneration": 2}, "not begun"),
        ({"updatedReplicas": 1}, "1/2 new"),
        ({"replicas": 3}, "1 old to end"),
        ({"availableReplicas": 1}, "1/2 available"),
        (
            {
                "updatedReplicas": 1,
                "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}],
            },
            "stuck, 1/2 new",
        ),
    ],
)
def test_a_rollout_tells_how_far_it_is(status: dict[str, Any], rollout: str) -> None:
    described = deployment("profiles-api")
    described["status"] |= status
    found = look([described], [])
    assert found.processes[0].rollout == rollout
    assert [finding.advice for finding in found.findings() if "helm rollback" in finding.advice] == (
        ["the rollout is stuck: mend what it says, or go back with `helm rollback`"] if "stuck" in rollout else []
    )


def test_why_a_pod_is_not_ready_is_told_by_whoever_knows_best() -> None:
    unplaced = [
        {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 Insufficient memory."}
    ]
    assert why([pod("profiles-api", ready=False, conditions=unplaced, phase="Pending")]) == (
        "no node takes it: 0/3 nodes are available: 3 Insufficient memory."
    )
    ended = {"terminated": {"exitCode": 2, "reason": "Error", "finishedAt": "2026-03-01T08:59:00Z"}}
    crash = {"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}, "lastState": ended}
    assert why([pod("profiles-api", ready=False, container=crash)]) == (
        "CrashLoopBackOff: exit code 2 (the environment is wrong)"
    )
    pull = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "kehu:none"'}}}
    assert why([pod("profiles-api", ready=False, container=pull)]) == (
        'ImagePullBackOff: Back-off pulling image "kehu:none"'
    )
    waiting = pod("profiles-api", ready=False)
    name = waiting["metadata"]["name"]
    probes = [
        event(f"Pod/{name}", "Unhealthy", "Readiness probe failed: older", "2026-03-01T08:10:00Z"),
        event(f"Pod/{name}", "Unhealthy", "Readiness probe failed: service unhealthy", "2026-03-01T08:20:00Z"),
        event(f"Pod/{name}", "Unhealthy", "Liveness probe failed: later", "2026-03-01T08:30:00Z"),
    ]
    assert why([waiting], events=probes) == "Readiness probe failed: service unhealthy"
    assert why([waiting], events=probes, readiness={name: "run `kehu profiles migrate` first\n"}) == (
        "run `kehu profiles migrate` first"
    )
    assert why([pod("profiles-api", deletionTimestamp=NOW.isoformat())]) == "is being ended"


def test_a_finding_says_how_many_are_missing_and_where_to_look() -> None:
    found = look([deployment("profiles-api", ready=1)], [pod("profiles-api", 0), pod("profiles-api", 1, ready=False)],
                 readiness={"kehu-profiles-api-5d9f-1": "the database has not answered for 12 s"})  # fmt: skip
    [finding] = found.findings()
    assert finding.what == "profiles api"
    assert finding.state == "1 of 2 ready: the database has not answered for 12 s"
    assert "kubectl logs kehu-profiles-api-5d9f-1" in finding.advice


def test_a_restart_counts_for_an_hour() -> None:
    def restarted(at: str) -> list[str]:
        ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": at}}
        broken = pod("profiles-api", container={"restartCount": 2, "lastState": ended})
        return [finding.state for finding in look([deployment("profiles-api")], [broken]).findings()]

    assert restarted("2026-03-01T08:55:00Z") == [
        "kehu-profiles-api-5d9f-0: restarted 2 times, 5m ago: exit code 137 (OOMKilled)"
    ]
    assert restarted("2026-03-01T07:55:00Z") == []


def test_a_lease_that_nobody_renews_is_a_finding_unless_its_timer_sleeps() -> None:
    found = look(
        [deployment("profiles-worker")],
        [],
        leases=[
            lease("kehu-profiles-relay", "gone", "2026-03-01T08:59:00Z"),
            lease("kehu-profiles-timer-tiers", "gone", "2026-03-01T08:59:00Z"),
            lease("kehu-profiles-timer-erasures", "gone", "2026-03-01T07:00:00Z"),
        ],
    )
    assert [(each.what, each.state) for each in found.findings() if each.what.startswith("lease")] == [
        ("lease profiles.relay", "nobody holds it, last renewed 1m ago"),
        ("lease profiles.timer-erasures", "nobody holds it, last renewed 2h ago"),
    ]


def test_leases_in_mongodb_are_told_by_their_holders() -> None:
    worker = deployment("profiles-worker")
    worker["spec"]["template"]["spec"]["containers"][0]["env"] = []
    pods = [pod("profiles-worker", number) for number in range(2)]
    held = 'kehu_lease_held{lease="relay"} %d.0\n'
    found = look([worker], pods, metrics={pods[0]["metadata"]["name"]: held % 0, pods[1]["metadata"]["name"]: held % 1})
    assert [(each.name, each.holder, each.renewed) for each in found.leases] == [
        ("profiles.relay", "kehu-profiles-worker-5d9f-1", None)
    ]


def test_a_schema_behind_the_code_is_a_finding() -> None:
    metrics = (
        "# TYPE kehu_schema_version gauge\n"
        'kehu_schema_version{kind="stored"} 1.0\nkehu_schema_version{kind="code"} 2.0\n'
        '# TYPE kehu_build_info gauge\nkehu_build_info{revision="abc",version="0.2.0"} 1.0\npython_info{x="1"} 1.0\n'
    )
    told = tell(metrics)
    assert (told.stored, told.code, told.version) == (1, 2, "0.2.0")
    pods = [pod("profiles-api", number) for number in range(2)]
    found = look([deployment("profiles-api")], pods, metrics={pods[0]["metadata"]["name"]: metrics})
    [finding] = found.findings()
    assert finding.state == "the database is at schema 1, the code wants 2"
    assert found.as_json()["processes"][0]["schema"] == {"stored": 1, "code": 2}
    assert found.as_json()["processes"][0]["versions"] == ["0.2.0"]
