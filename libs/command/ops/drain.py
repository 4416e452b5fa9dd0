"""Obstacles to a drain of nodes: pods, the budgets that guard them, and in how many steps they may leave.

The arithmetic is the API server's own: a pod without a budget, one that ends or has ended, and one that is not placed
leave at once; a pod under two budgets cannot be evicted at all; otherwise the budget must allow one disruption more,
except that a pod which is not ready may leave while the budget is met by others, or always when the budget says so.
Whether another node has room cannot be seen from one namespace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from libs.command.ops.cluster import NAME_LABEL
from libs.command.ops.status import component

_DONE: Final = frozenset({"Succeeded", "Failed"})


class Verdict(StrEnum):
    """Fate of a pod."""

    FREE = "leaves at once"
    STEPS = "leaves in turn"
    """The budget lets one after another go, each when the one before has been replaced."""
    WAITS = "waits"
    """The budget allows nothing now, and will when other pods are ready again."""
    NEVER = "blocked"
    """No wait helps: something has to be changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One pod that a drain would evict."""

    node: str
    pod: str
    ours: bool
    verdict: Verdict
    budget: str
    """The name of the PodDisruptionBudget that decides. Empty for none."""
    why: str
    advice: str
    grace: int
    """Seconds that the pod may take to end."""

    @property
    def blocks(self) -> bool:
        """`kubectl drain` would hang here."""
        return self.verdict in {Verdict.WAITS, Verdict.NEVER}

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "node": self.node,
            "pod": self.pod,
            "ours": self.ours,
            "verdict": self.verdict.name.lower(),
            "budget": self.budget,
            "why": self.why,
            "advice": self.advice,
            "grace_seconds": self.grace,
        }


@dataclass(frozen=True, slots=True)
class NodePlan:
    """The drain of one node."""

    node: str
    moves: Sequence[Move]
    steps: int
    """Rounds of eviction, each waiting for replacements of the one before. 0 when nothing has to leave."""
    seconds: int
    """Seconds that the pods may take to end, all rounds together. Replacements come on top."""
    local_data: bool
    """A pod keeps files in an emptyDir, which kubectl wants to be told of."""
    interrupted: Sequence[str]
    """Processes of ours whose only ready pods are here and which no budget keeps alive."""

    @property
    def blocked(self) -> bool:
        """The drain would not come to its end."""
        return any(move.blocks for move in self.moves)

    @property
    def command(self) -> str:
        """The command to type."""
        return f"kubectl drain {self.node} --ignore-daemonsets" + (" --delete-emptydir-data" * self.local_data)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "node": self.node,
            "blocked": self.blocked,
            "steps": self.steps,
            "seconds": self.seconds,
            "interrupted": [*self.interrupted],
            "command": self.command,
            "pods": [move.as_json() for move in self.moves],
        }


def plan(pods: Iterable[Any], budgets: Iterable[Any]) -> list[NodePlan]:
    """Plans the drain of each node by its name, as far as this namespace goes."""
    everything = [pod for pod in pods if pod.status.phase not in _DONE]
    guards = [*budgets]
    nodes: dict[str, list[Any]] = {}
    for pod in everything:
        if pod.spec.node_name and not _stays(pod):
            nodes.setdefault(pod.spec.node_name, []).append(pod)
    return [_plan(node, nodes[node], everything, guards) for node in sorted(nodes)]


def matches(selector: Any, labels: Mapping[str, str]) -> bool:
    """Returns whether a label selector takes these labels. An empty one takes all, none takes nothing."""
    if selector is None:
        return False
    for name, value in (selector.match_labels or {}).items():
        if labels.get(name) != value:
            return False
    return all(_meets(each, labels) for each in selector.match_expressions or ())


def _meets(asked: Any, labels: Mapping[str, str]) -> bool:
    value = labels.get(asked.key)
    match asked.operator:
        case "In":
            return value in asked.values
        case "NotIn":
            return value not in asked.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise ValueError(f"label selectors know no operator {asked.operator!r}")


def _plan(node: str, pods: Sequence[Any], everything: Sequence[Any], budgets: Sequence[Any]) -> NodePlan:
    moves, turns = list[Move](), dict[str, int]()
    rounds: dict[int, int] = {}
    for pod in sorted(pods, key=lambda each: str(each.metadata.name)):
        guards = [each for each in budgets if matches(each.spec.selector, pod.metadata.labels or {})]
        move, turn = _move(node, pod, guards, everything, turns)
        moves.append(move)
        rounds[turn] = max(rounds.get(turn, 0), move.grace)
    return NodePlan(
        node=node,
        moves=moves,
        steps=max(rounds, default=0),
        seconds=sum(rounds.values()),
        local_data=any(volume.empty_dir for pod in pods for volume in pod.spec.volumes or ()),
        interrupted=_interrupted(pods, everything, budgets),
    )


def _move(
    node: str, pod: Any, guards: Sequence[Any], everything: Sequence[Any], turns: dict[str, int]
) -> tuple[Move, int]:
    """Decides the fate of a pod and its round. `turns` counts the pods that each budget has let go so far."""
    verdict, budget, why, advice, turn = Verdict.FREE, "", "", "", 1
    if not pod.metadata.owner_references:
        verdict, why = Verdict.NEVER, "nothing would make it anew, so kubectl refuses to evict it"
        advice = f"delete it yourself, or drain with --force: kubectl delete pod {pod.metadata.name}"
    elif pod.metadata.deletion_timestamp is not None:
        why = "is being ended already"
    elif pod.status.phase == "Pending" or not guards:
        why = "" if guards else "no budget guards it"
    elif len(guards) > 1:
        verdict, budget = Verdict.NEVER, ", ".join(each.metadata.name for each in guards)
        why = f"{len(guards)} budgets select it, which eviction does not support"
        advice = "keep one of them: kubectl get pdb"
    else:
        [guard] = guards
        budget = guard.metadata.name
        if not _ready(pod) and _may_leave_unready(guard):
            why = "is not ready, so it does not count"
        else:
            verdict, why, advice, turn = _guarded(guard, everything, turns)
    move = Move(
        node=node,
        pod=pod.metadata.name,
        ours=(pod.metadata.labels or {}).get(NAME_LABEL) == "kehu",
        verdict=verdict,
        budget=budget,
        why=why,
        advice=advice,
        grace=pod.spec.termination_grace_period_seconds or 0,
    )
    return move, turn


def _guarded(guard: Any, everything: Sequence[Any], turns: dict[str, int]) -> tuple[Verdict, str, str, int]:
    """(verdict, why, advice, round) of a pod whose budget must allow one disruption more."""
    status, name = guard.status, guard.metadata.name
    if (status.observed_generation or 0) < (guard.metadata.generation or 0):
        return Verdict.WAITS, "the budget was changed and not yet counted anew", "ask again in a moment", 1
    allowed = status.disruptions_allowed or 0
    if allowed > 0:
        turns[name] = turns.get(name, 0) + 1
        turn = -(-turns[name] // allowed)
        verdict = Verdict.FREE if turn == 1 else Verdict.STEPS
        return verdict, f"the budget allows {allowed} at a time", "", turn
    healthy, wanted, expected = status.current_healthy or 0, status.desired_healthy or 0, status.expected_pods or 0
    if wanted >= expected:
        why = f"the budget wants {wanted} of {expected} pods, so none may ever leave"
        return Verdict.NEVER, why, f"raise the replicas, or set maxUnavailable: 1 in PodDisruptionBudget {name}", 1
    broken = [
        pod.metadata.name
        for pod in everything
        if matches(guard.spec.selector, pod.metadata.labels or {}) and not _ready(pod)
    ]
    blamed = f" ({', '.join(broken[:2])} not ready)" if broken else ""
    why = f"{healthy} of {expected} pods are healthy, the budget wants {wanted}{blamed}"
    return Verdict.WAITS, why, "mend the pods that are not ready first: `kehu ops status`", 1


def _may_leave_unready(guard: Any) -> bool:
    if guard.spec.unhealthy_pod_eviction_policy == "AlwaysAllow":
        return True
    healthy, wanted = guard.status.current_healthy or 0, guard.status.desired_healthy or 0
    return bool(healthy >= wanted > 0)


def _interrupted(pods: Sequence[Any], everything: Sequence[Any], budgets: Sequence[Any]) -> list[str]:
    leaving = {pod.metadata.name for pod in pods}
    found: dict[str, bool] = {}
    for pod in pods:
        service, role = component(pod)
        if not service or not _ready(pod):
            continue
        labels = pod.metadata.labels or {}
        alone = not any(
            component(other) == (service, role) and _ready(other) and other.metadata.name not in leaving
            for other in everything
        )
        guarded = any(matches(each.spec.selector, labels) for each in budgets)
        found[f"{service} {role}"] = alone and not guarded
    return sorted(name for name, alone in found.items() if alone)


def _stays(pod: Any) -> bool:
    """Returns whether a drain leaves a pod alone: one of a DaemonSet, and one that the node makes by itself."""
    owners = {owner.kind for owner in pod.metadata.owner_references or ()}
    return bool(owners & {"DaemonSet", "Node"})


def _ready(pod: Any) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or ())
