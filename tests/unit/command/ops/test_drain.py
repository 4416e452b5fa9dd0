from __future__ import annotations

from typing import Any

import pytest

from libs.command.ops.drain import NodePlan, Verdict, matches, plan
from tests.support.objects import budget, labels, model, pod


def planned(pods: list[dict[str, Any]], budgets: list[dict[str, Any]]) -> dict[str, NodePlan]:
    found = plan([model("V1Pod", each) for each in pods], [model("V1PodDisruptionBudget", each) for each in budgets])
    return {each.node: each for each in found}


def verdicts(node: NodePlan) -> list[Verdict]:
    return [move.verdict for move in node.moves]


def test_pods_on_several_nodes_leave_at_once() -> None:
    found = planned([pod("profiles-api", n, node=f"node-{n}") for n in range(2)], [budget("profiles-api", allowed=1)])
    assert [verdicts(found[node]) for node in ("node-0", "node-1")] == [[Verdict.FREE], [Verdict.FREE]]
    assert (found["node-0"].blocked, found["node-0"].steps, found["node-0"].seconds) == (False, 1, 30)
    assert found["node-0"].command == "kubectl drain node-0 --ignore-daemonsets --delete-emptydir-data"
    assert found["node-0"].interrupted == []


@pytest.mark.parametrize(("replicas", "allowed", "steps"), [(2, 1, 2), (3, 1, 3), (5, 2, 3), (3, 3, 1)])
def test_pods_on_one_node_leave_in_as_many_rounds_as_the_budget_makes(replicas: int, allowed: int, steps: int) -> None:
    pods = [pod("profiles-api", n) for n in range(replicas)]
    guard = budget("profiles-api", allowed=allowed, healthy=replicas, wanted=replicas - allowed, expected=replicas)
    found = planned(pods, [guard])["node-a"]
    assert (found.blocked, found.steps, found.seconds) == (False, steps, 30 * steps)


def test_rounds_of_different_budgets_run_side_by_side() -> None:
    pods = [pod(name, n) for name in ("profiles-api", "profiles-worker") for n in range(2)]
    found = planned(pods, [budget(name, allowed=1) for name in ("profiles-api", "profiles-worker")])["node-a"]
    assert (found.steps, found.seconds) == (2, 60)


def test_a_budget_that_is_short_of_healthy_pods_makes_the_drain_wait() -> None:
    pods = [pod("profiles-api", 0), pod("profiles-api", 1, node="node-b", ready=False)]
    found = planned(pods, [budget("profiles-api", allowed=0, healthy=1)])
    assert verdicts(found["node-a"]) == [Verdict.WAITS]
    [move] = found["node-a"].moves
    assert move.why == "1 of 2 pods are healthy, the budget wants 1 (kehu-profiles-api-5d9f-1 not ready)"
    assert move.budget == "kehu-profiles-api"
    assert verdicts(found["node-b"]) == [Verdict.FREE], "what is not ready may leave while the others meet the budget"


def test_pods_that_are_not_ready_may_always_leave_only_when_the_budget_says_so() -> None:
    pods = [pod("profiles-api", n, ready=False) for n in range(2)]
    guard = budget("profiles-api", allowed=0, healthy=0)
    assert verdicts(planned(pods, [guard])["node-a"]) == [Verdict.WAITS, Verdict.WAITS]
    guard["spec"]["unhealthyPodEvictionPolicy"] = "AlwaysAllow"
    assert verdicts(planned(pods, [guard])["node-a"]) == [Verdict.FREE, Verdict.FREE]


def test_a_budget_that_never_allows_anything_is_named_with_its_remedy() -> None:
    found = planned([pod("profiles-api")], [budget("profiles-api", allowed=0, healthy=1, wanted=1, expected=1)])
    [move] = found["node-a"].moves
    assert (move.verdict, move.blocks) == (Verdict.NEVER, True)
    assert move.why == "the budget wants 1 of 1 pods, so none may ever leave"
    assert "PodDisruptionBudget kehu-profiles-api" in move.advice


def test_two_budgets_on_one_pod_and_a_pod_of_nobody_block() -> None:
    second = budget("profiles-api", allowed=1)
    second["metadata"]["name"] = "mine"
    found = planned([pod("profiles-api")], [budget("profiles-api", allowed=1), second])["node-a"]
    assert verdicts(found) == [Verdict.NEVER]
    assert "kehu-profiles-api, mine" in found.moves[0].budget
    assert planned([pod("profiles-api", owner="")], [])["node-a"].blocked


def test_what_a_drain_leaves_alone_or_does_not_ask_about() -> None:
    pods = [
        pod("profiles-api", 0, owner="DaemonSet"),
        pod("profiles-api", 1, owner="Node"),
        pod("profiles-api", 2, phase="Succeeded"),
        pod("profiles-api", 3, deletionTimestamp="2026-03-01T08:59:00Z"),
        pod("profiles-api", 4, node=""),
    ]
    found = planned(pods, [budget("profiles-api", allowed=0)])
    assert [(move.pod, move.verdict) for move in found["node-a"].moves] == [("kehu-profiles-api-5d9f-3", Verdict.FREE)]
    assert [*found] == ["node-a"]


def test_a_budget_that_was_changed_a_moment_ago_makes_wait() -> None:
    guard = budget("profiles-api", allowed=1)
    guard["metadata"]["generation"] = 2
    assert verdicts(planned([pod("profiles-api")], [guard])["node-a"]) == [Verdict.WAITS]


def test_a_process_whose_only_pods_are_there_and_unguarded_is_interrupted() -> None:
    alone = planned([pod("profiles-api")], [])["node-a"]
    assert (alone.blocked, alone.interrupted) == (False, ["profiles api"])
    both = planned([pod("profiles-api", 0), pod("profiles-api", 1, node="node-b")], [])
    assert [each.interrupted for each in both.values()] == [[], []]


@pytest.mark.parametrize(
    ("expressions", "met"),
    [
        ([{"key": "tier", "operator": "In", "values": ["a", "b"]}], True),
        ([{"key": "tier", "operator": "NotIn", "values": ["a"]}], False),
        ([{"key": "tier", "operator": "Exists"}, {"key": "none", "operator": "DoesNotExist"}], True),
        ([{"key": "none", "operator": "Exists"}], False),
        ([{"key": "none", "operator": "NotIn", "values": ["a"]}], True),
        ([], True),
    ],
)
def test_selectors_match_as_the_api_server_does(expressions: list[dict[str, Any]], met: bool) -> None:
    selector = model("V1LabelSelector", {"matchLabels": labels("profiles-api"), "matchExpressions": expressions})
    assert matches(selector, {**labels("profiles-api"), "tier": "a"}) is met
    assert not matches(selector, labels("profiles-worker"))
    assert not matches(None, {})
