"""State of the suite in a namespace: processes, rollouts, leases, and the reasons of what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from libs.command.ops.cluster import COMPONENT_LABEL
from libs.command.ops.findings import Finding, some, span
from libs.command.ops.told import Told, tell
from libs.engine.exits import Exit

LATELY: Final = timedelta(hours=1)
"""Age up to which a restart counts as something that is wrong."""

TIMER_RESTS: Final = timedelta(minutes=10)
"""Longest sleep of a timer between two runs, in which its lease lies there: it is taken for a run only."""

_MEANING: Final[Mapping[int, str]] = {
    Exit.MISUSED: "the environment is wrong",
    Exit.DIED: "the container of the worker died",
    Exit.TOO_LATE: "stopping took too long",
    Exit.UNAVAILABLE: "the database or the broker does not answer",
    137: "killed",
}
"""Exit codes of `kehu <service>`, and the one of SIGKILL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod of a process."""

    name: str
    node: str
    ready: bool
    why: str
    """Reason for not being ready. Empty when it is."""
    restarts: int
    restarted: str
    """Latest end of its container, and its age. Empty when there was none."""
    born: datetime
    image: str
    """Name and tag, and the digest when the node knows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One role of one service: a Deployment and its pods."""

    service: str
    role: str
    desired: int
    ready: int
    rollout: str
    """`complete`, or how far the newest generation is."""
    stuck: bool
    revision: str
    pods: Sequence[Pod]
    told: Sequence[Told] = ()

    @property
    def name(self) -> str:
        return f"{self.service} {self.role}"

    @property
    def restarts(self) -> int:
        return sum(pod.restarts for pod in self.pods)

    @property
    def images(self) -> list[str]:
        return sorted({pod.image for pod in self.pods})

    @property
    def schema(self) -> tuple[int | None, int | None]:
        """(stored, newest code). None when no pod told."""
        stored = [each.stored for each in self.told if each.stored is not None]
        code = [each.code for each in self.told if each.code is not None]
        return max(stored, default=None), max(code, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Holder of work that only one process should do."""

    name: str
    holder: str
    """The pod. Empty when nobody holds it."""
    renewed: datetime | None
    """None when it is kept in MongoDB, which only the holder sees."""
    lasts: timedelta
    changes: int | None

    def expired(self, now: datetime) -> bool:
        """Nobody does the work: the lease has run out, and not because a timer sleeps."""
        rests = TIMER_RESTS if self.name.partition(".")[2].startswith("timer") else timedelta()
        if self.renewed is None:
            return not self.holder
        return now - self.renewed > max(self.lasts if self.holder else timedelta(), rests)


@dataclass(frozen=True, slots=True)
class Status:
    """A release at one moment."""

    now: datetime
    processes: Sequence[Process]
    leases: Sequence[Lease]
    notes: Sequence[str] = field(default_factory=tuple)
    """Parts that could not be looked at."""

    def findings(self) -> Iterator[Finding]:
        """Yields what is wrong."""
        for process in self.processes:
            yield from self._of(process)
        for lease in self.leases:
            if lease.expired(self.now):
                ago = f", last renewed {span((self.now - lease.renewed).total_seconds())} ago" if lease.renewed else ""
                state = f"nobody holds it{ago}"
                yield Finding(
                    f"lease {lease.name}", state, f"see whether the {lease.name.split('.')[0]} worker is ready"
                )

    def _of(self, process: Process) -> Iterator[Finding]:
        waiting = [pod for pod in process.pods if not pod.ready]
        if process.stuck or process.ready < process.desired:
            reasons = dict.fromkeys(pod.why for pod in waiting) or ["no pod is made; `kehu ops events` tells why"]
            state = f"{process.ready} of {process.desired} ready: {some([*reasons])}"
            advice = "`kehu ops events` and the log tell more"
            if process.stuck:
                advice = "the rollout is stuck: mend what it says, or go back with `helm rollback`"
            elif waiting:
                advice = f"`kubectl logs {waiting[0].name}` tells more"
            yield Finding(process.name, state, advice)
        if process.desired == 0:
            yield Finding(process.name, "is scaled to 0 replicas", "scale it up, unless it rests on purpose")
        for pod in process.pods:
            if pod.restarted:
                yield Finding(process.name, f"{pod.name}: {pod.restarted}", f"`kubectl logs --previous {pod.name}`")
        stored, code = process.schema
        if stored is not None and code is not None and stored < code:
            state = f"the database is at schema {stored}, the code wants {code}"
            yield Finding(process.name, state, f"run `kehu {process.service} migrate` (the chart's migration Job)")

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "at": self.now.isoformat(),
            "processes": [_process_json(process, self.now) for process in self.processes],
            "leases": [
                {
                    "lease": lease.name,
                    "holder": lease.holder,
                    "renewed_seconds": (self.now - lease.renewed).total_seconds() if lease.renewed else None,
                    "expired": lease.expired(self.now),
                    "changes": lease.changes,
                }
                for lease in self.leases
            ],
            "notes": [*self.notes],
            "findings": [finding.as_json() for finding in self.findings()],
        }


def component(thing: Any) -> tuple[str, str]:
    """(service, role) as the labels of an object say."""
    service, _, role = (thing.metadata.labels or {}).get(COMPONENT_LABEL, "").rpartition("-")
    return service, role


def examine(
    *,
    deployments: Iterable[Any],
    pods: Iterable[Any],
    leases: Iterable[Any],
    events: Iterable[Any],
    now: datetime,
    readiness: Mapping[str, str] | None = None,
    metrics: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> Status:
    """The state of a release from its objects, and from what its pods told: `readiness` and `metrics` by pod."""
    unhealthy = _last_unhealthy(events)
    by_component: dict[tuple[str, str], list[Any]] = {}
    for pod in pods:
        if pod.status.phase not in {"Succeeded", "Failed"}:
            by_component.setdefault(component(pod), []).append(pod)

    def describe(pod: Any) -> Pod:
        name = pod.metadata.name
        return _pod(pod, (readiness or {}).get(name, ""), unhealthy.get(name, ""), now)

    processes = []
    known = sorted(deployments, key=component)
    for deployment in known:
        of_it = by_component.get(component(deployment), [])
        processes.append(_process(deployment, [describe(pod) for pod in of_it], metrics or {}))
    names = {process.service for process in processes}
    prefixes = [prefix for prefix in map(_lease_prefix, known) if prefix]
    found = [lease for each in leases if (lease := _lease(each, names, prefixes))]
    if not found:
        found = _told_leases(processes, metrics or {})
    return Status(now, processes, sorted(found, key=lambda lease: lease.name), notes)


def _process(deployment: Any, pods: Sequence[Pod], metrics: Mapping[str, str]) -> Process:
    service, role = component(deployment)
    desired = 1 if deployment.spec.replicas is None else deployment.spec.replicas
    rollout, stuck = _rollout(deployment, desired)
    return Process(
        service=service,
        role=role,
        desired=desired,
        ready=deployment.status.ready_replicas or 0,
        rollout=rollout,
        stuck=stuck,
        revision=(deployment.metadata.annotations or {}).get("deployment.kubernetes.io/revision", ""),
        pods=sorted(pods, key=lambda pod: pod.born),
        told=[tell(metrics[pod.name]) for pod in pods if pod.name in metrics],
    )


def _rollout(deployment: Any, desired: int) -> tuple[str, bool]:
    """(how far the newest generation is, whether the controller gave up)."""
    status = deployment.status
    conditions = {each.type: each for each in status.conditions or ()}
    progressing = conditions.get("Progressing")
    updated, all_of_them = status.updated_replicas or 0, status.replicas or 0
    if (status.observed_generation or 0) < deployment.metadata.generation:
        return "not begun", False
    if progressing is not None and progressing.reason == "ProgressDeadlineExceeded":
        return f"stuck, {updated}/{desired} new", True
    if deployment.spec.paused:
        return f"paused, {updated}/{desired} new", False
    if updated < desired:
        return f"{updated}/{desired} new", False
    if all_of_them > updated:
        return f"{all_of_them - updated} old to end", False
    if (status.available_replicas or 0) < updated:
        return f"{status.available_replicas or 0}/{updated} available", False
    return "complete", False


def _pod(pod: Any, readiness: str, unhealthy: str, now: datetime) -> Pod:
    containers = pod.status.container_statuses or []
    conditions = {each.type: each for each in pod.status.conditions or ()}
    ready = "Ready" in conditions and conditions["Ready"].status == "True"
    ending = pod.metadata.deletion_timestamp is not None
    return Pod(
        name=pod.metadata.name,
        node=pod.spec.node_name or "",
        ready=ready and not ending,
        why="is being ended" if ending else "" if ready else _why(pod, conditions, readiness, unhealthy),
        restarts=sum(each.restart_count for each in containers),
        restarted=next(filter(None, (_restarted(each, now) for each in containers)), ""),
        born=pod.metadata.creation_timestamp,
        image=_image(pod, containers),
    )


def _why(pod: Any, conditions: Mapping[str, Any], readiness: str, unhealthy: str) -> str:
    """The first of: not placed, its container does not start, what it says itself, its probe, its condition."""
    placed = conditions.get("PodScheduled")
    if placed is not None and placed.status == "False":
        return f"no node takes it: {placed.message}"
    for container in [*(pod.status.init_container_statuses or ()), *(pod.status.container_statuses or ())]:
        if container.state and container.state.waiting and container.state.waiting.reason != "PodInitializing":
            return _cannot_start(container)
    if readiness:
        return readiness.strip()
    if unhealthy:
        return unhealthy
    blamed = conditions.get("Ready")
    return (blamed.message or blamed.reason or "") if blamed is not None else str(pod.status.phase).lower()


def _cannot_start(container: Any) -> str:
    waiting = container.state.waiting
    ended = container.last_state.terminated if container.last_state else None
    if ended is not None:
        return f"{waiting.reason}: {_end(ended)}"
    return f"{waiting.reason}: {waiting.message}" if waiting.message else str(waiting.reason)


def _restarted(container: Any, now: datetime) -> str:
    ended = container.last_state.terminated if container.last_state else None
    if ended is None or not container.restart_count or now - ended.finished_at > LATELY:
        return ""
    ago = span((now - ended.finished_at).total_seconds())
    times = "once" if container.restart_count == 1 else f"{container.restart_count} times"
    return f"restarted {times}, {ago} ago: {_end(ended)}"


def _end(ended: Any) -> str:
    """Returns the end of a container in words."""
    meaning = _MEANING.get(ended.exit_code, "")
    reason = ended.reason if ended.reason not in {None, "Error", "Completed"} else meaning
    return f"exit code {ended.exit_code}" + (f" ({reason})" if reason else "")


def _image(pod: Any, containers: Sequence[Any]) -> str:
    """The image of the first container, its digest shortened as git shortens commits."""
    name = str(pod.spec.containers[0].image).partition("@")[0]
    digest = str(containers[0].image_id or "").rpartition("sha256:")[2] if containers else ""
    return f"{name}@{digest[:12]}" if digest else name


def _last_unhealthy(events: Iterable[Any]) -> dict[str, str]:
    """Pod → what its readiness probe last met."""
    told: dict[str, tuple[datetime, str]] = {}
    for event in events:
        about, at = event.involved_object, moment(event)
        is_it = about.kind == "Pod" and event.reason == "Unhealthy" and "eadiness" in (event.message or "")
        if is_it and (about.name not in told or told[about.name][0] < at):
            told[about.name] = at, event.message
    return {pod: message for pod, (_, message) in told.items()}


def moment(event: Any) -> datetime:
    """Returns the time at which an event was last seen."""
    series = event.series.last_observed_time if event.series else None
    seen: datetime = series or event.last_timestamp or event.event_time or event.metadata.creation_timestamp
    return seen


def _lease_prefix(deployment: Any) -> str:
    """The prefix of the Lease objects of a worker that keeps its leases in the cluster. Empty for another."""
    told = {each.name: each.value for each in deployment.spec.template.spec.containers[0].env or ()}
    return str(told.get("KEHU_LEASE_PREFIX") or "kehu") if told.get("KEHU_LEASE") == "kubernetes" else ""


def _lease(lease: Any, services: Iterable[str], prefixes: Iterable[str]) -> Lease | None:
    """A Lease of the suite, named `<prefix>-<service>-<lease>`. None for another's."""
    for prefix in prefixes:
        for service in services:
            start = f"{prefix}-{service}-"
            if lease.metadata.name.startswith(start):
                spec = lease.spec
                return Lease(
                    name=f"{service}.{lease.metadata.name.removeprefix(start)}",
                    holder=(spec.holder_identity or "").partition("/")[0],
                    renewed=spec.renew_time,
                    lasts=timedelta(seconds=spec.lease_duration_seconds or 0),
                    changes=spec.lease_transitions or 0,
                )
    return None


def _told_leases(processes: Iterable[Process], metrics: Mapping[str, str]) -> list[Lease]:
    """Leases that are kept in MongoDB, by what the pods say of themselves."""
    found: dict[str, str] = {}
    for process in processes:
        for pod in process.pods:
            told = tell(metrics.get(pod.name, ""))
            for lease in told.leases:
                name = f"{process.service}.{lease}"
                found[name] = pod.name if lease in told.held else found.get(name, "")
    return [Lease(name=name, holder=pod, renewed=None, lasts=timedelta(), changes=None) for name, pod in found.items()]


def _process_json(process: Process, now: datetime) -> dict[str, Any]:
    stored, code = process.schema
    return {
        "service": process.service,
        "role": process.role,
        "ready": process.ready,
        "desired": process.desired,
        "rollout": process.rollout,
        "revision": process.revision,
        "restarts": process.restarts,
        "images": process.images,
        "versions": sorted({told.version for told in process.told if told.version}),
        "schema": {"stored": stored, "code": code},
        "pods": [
            {
                "name": pod.name,
                "node": pod.node,
                "ready": pod.ready,
                "why": pod.why,
                "restarts": pod.restarts,
                "restarted": pod.restarted,
                "age_seconds": (now - pod.born).total_seconds(),
                "image": pod.image,
            }
            for pod in process.pods
        ],
    }
