"""Processes: whether they are there, ready, well fed, and all of one release."""

from __future__ import annotations

from typing import Final

from libs.monitoring import queries as q
from libs.monitoring.model import Alert, Group, Runbook

_UP: Final = q.series("up", **q.OURS)
_BY: Final = ", ".join(q.PROCESSES)
_STARTED: Final = q.series("process_start_time_seconds", **q.OURS)

_PROCESS_CHECK: Final = {
    "kehu ops status": "in a cluster: rollouts, restarts, and the reason of what is not ready",
    "kehu ops events": "in a cluster: what it complained of lately",
    "kehu doctor": "which process does not answer or is not ready, and why",
    "kehu SERVICE check": "whether settings, schema, indexes and broker would let it start",
}
_PLATFORM: Final = "Whoever runs the cluster when the pod cannot start; otherwise the owners of the service."
_WORKERS: Final = (
    "An api: the others serve its calls, or all calls fail when it was the last one. A worker: without one, events of"
    " the"
    " service wait where they are. Nothing is lost."
)

GROUP: Final = Group(
    name="kehu-processes",
    about="The processes of the services",
    alerts=(
        Alert(
            name="KehuServiceDown",
            expr=f"count by ({_BY}) (last_over_time({_UP}[1d])) unless count by ({_BY}) ({_UP} == 1)",
            hold="3m",
            severity="critical",
            summary="No {{ $labels.role }} of {{ $labels.service }} runs",
            description="All {{ $value }} that ran within a day are gone or do not answer.",
            runbook=Runbook(
                symptom="Processes of this role were scraped within the last day, and none answers now.",
                impact="api: every call to the service fails. worker: no event leaves it or is understood by it; they"
                " wait and nothing is lost.",
                check=_PROCESS_CHECK,
                action=(
                    "`kubectl describe` a pod of it: a missing secret, image or node tells itself there.",
                    "The process ends at once: its last line names the setting that is wrong.",
                    "It was removed on purpose: silence the alert; it ends a day after the last scrape.",
                ),
                escalation=_PLATFORM,
            ),
        ),
        Alert(
            name="KehuNothingScraped",
            expr=f"absent({_UP})",
            hold="15m",
            severity="critical",
            summary="Prometheus sees no process of Kehu",
            description="None of the alerts can fire.",
            runbook=Runbook(
                symptom="There is not a single target with the labels `service` and `role` of ours.",
                impact="Perhaps none, but nobody would know.",
                check=_PROCESS_CHECK,
                action=(
                    (
                        "See whether the PodMonitor of the chart is enabled and whether Prometheus selects it"
                        " (`podMonitorSelector`, `podMonitorNamespaceSelector`)."
                    ),
                    (
                        "See whether the network policy lets the namespace of Prometheus in"
                        " (`networkPolicy.monitoring`)."
                    ),
                ),
                escalation="Whoever runs Prometheus.",
            ),
        ),
        Alert(
            name="KehuProcessDown",
            expr=f"{_UP} == 0",
            hold="5m",
            severity="warning",
            summary="A {{ $labels.role }} of {{ $labels.service }} does not answer",
            description="{{ $labels.instance }} could not be scraped for five minutes.",
            runbook=Runbook(
                symptom="The address is known, and nobody answers /metrics there.",
                impact=_WORKERS,
                check=_PROCESS_CHECK,
                action=(
                    "`kubectl describe` the pod and read its log with `--previous`.",
                    "It answers probes and not Prometheus: the network policy keeps Prometheus out.",
                ),
                escalation=_PLATFORM,
            ),
        ),
        Alert(
            name="KehuProcessNotReady",
            expr=f"{q.best('min', 'kehu_ready', q.PROCESS)} == 0",
            hold="5m",
            severity="warning",
            summary="A {{ $labels.role }} of {{ $labels.service }} is not ready",
            description="{{ $labels.instance }} has said so for five minutes; its /readyz tells the reason.",
            runbook=Runbook(
                symptom="The process lives and says that it cannot do its work.",
                impact=_WORKERS,
                check=_PROCESS_CHECK,
                action=(
                    "Read `/readyz` on its admin port: one sentence says what is missing.",
                    "The database or the broker does not answer: bring it back; the process goes on by itself.",
                    "The schema is not there yet: see *KehuSchemaBehind*.",
                ),
                escalation=_PLATFORM,
            ),
        ),
        Alert(
            name="KehuProcessRestarts",
            expr=f"sum by ({_BY}) (changes({_STARTED}[1h])) > 2",
            hold="",
            severity="warning",
            summary="The {{ $labels.role }} of {{ $labels.service }} starts again and again",
            description="{{ $value }} restarts within an hour.",
            runbook=Runbook(
                symptom="Processes began anew in place, three times or more within an hour. Rollouts do not count: they"
                " bring new pods.",
                impact="Calls in flight fail and are tried again by their callers; events are delivered again and"
                " recognised.",
                check=_PROCESS_CHECK,
                action=(
                    "OOMKilled in `kubectl describe`: see *KehuMemoryNearLimit*.",
                    "Killed by its liveness probe: a loop hung; its log before the end says which.",
                    (
                        "Exit code 2: a setting; 3: nameko's container died; 70: it did not end in time; 75: the"
                        " database"
                        " or the broker was not there when it started."
                    ),
                ),
                escalation="The owners of the service, with the log of the last run (`kubectl logs --previous`).",
            ),
        ),
        Alert(
            name="KehuLoopFailing",
            expr=f"{q.increase('kehu_loop_failures_total', '15m', q.LOOP)} > 2",
            hold="5m",
            severity="critical",
            summary="{{ $labels.loop }} fails and begins again",
            description="An error that nobody expected interrupted it {{ $value | humanize }} times within 15 minutes.",
            runbook=Runbook(
                symptom="A loop of a worker or an api meets the same defect at every new beginning, at most a minute"
                " apart.",
                impact="What this loop does stands still for every tenant; the other loops of the process go on.",
                check=_PROCESS_CHECK,
                action=(
                    "Find `a defect interrupted a loop` in the log of the process: it tells the error and its place.",
                    "It began with a release: roll it back. Nothing is lost meanwhile.",
                    "The error is one of the database or the broker: see whether they answer.",
                ),
                escalation="The owners of the service, with the error and its place.",
            ),
        ),
        Alert(
            name="KehuItemsDeferred",
            expr=f"{q.best('max', 'kehu_timer_deferred', q.TIMER)} > 0",
            hold="15m",
            severity="warning",
            summary="{{ $labels.service }} cannot do what is due for {{ $labels.timer }}",
            description="{{ $value | humanize }} items fail again and again, with growing pauses between the attempts.",
            runbook=Runbook(
                symptom="Single items of a timer have failed for a quarter of an hour. The pause before the next"
                " attempt grows from a second to an hour.",
                impact="What time should cause does not happen for these items; all others go on.",
                check={
                    "kehu parked list SERVICE": "which items of which tenants, how often they failed, and where",
                    "kehu operation list": "long work that failed, when the reason names one",
                },
                action=(
                    "Find `item deferred` in the log of the worker: the reason is the error and its place in the code.",
                    "It began with a release: roll it back.",
                    "Once the cause is mended they succeed by themselves; `kehu parked retry SERVICE` spares the wait.",
                ),
                escalation="The owners of the service, with the reason and an item.",
            ),
        ),
        Alert(
            name="KehuMemoryNearLimit",
            expr=f"{q.best('max', 'process_resident_memory_bytes', q.PROCESS, **q.OURS)}"
            f" / {q.best('min', 'kehu_memory_limit_bytes', q.PROCESS)} > 0.9",
            hold="10m",
            severity="warning",
            summary="A {{ $labels.role }} of {{ $labels.service }} is near its limit of memory",
            description="{{ $labels.instance }} uses {{ $value | humanizePercentage }} of what it may.",
            runbook=Runbook(
                symptom="Resident memory has been above nine tenths of the container's limit for ten minutes.",
                impact="The kernel kills the process when it goes on; then see *KehuProcessRestarts*.",
                check={
                    "kehu operation list": "long work, which has a process of its own in the worker's container",
                    "kehu doctor": "whether events pile up",
                },
                action=(
                    "Raise `resources.limits.memory` of the role in the chart's values.",
                    "When it grows without end over days, restart it and tell the owners.",
                ),
                escalation="The owners of the service, with the curve of *Kehu / Processes* over a week.",
            ),
        ),
        Alert(
            name="KehuSchemaBehind",
            expr=f"{q.best('max', 'kehu_schema_version', q.SERVICE, kind='code')}"
            f" > {q.best('min', 'kehu_schema_version', q.SERVICE, kind='stored')}",
            hold="10m",
            severity="critical",
            summary="The database of {{ $labels.service }} is older than its code",
            description="The code needs schema {{ $value }}, and migrate has not run or has failed.",
            runbook=Runbook(
                symptom="A process was started whose database has not been brought to its schema.",
                impact="New processes wait and are not ready, so a rollout stands still; the old ones go on serving.",
                check={
                    "kehu SERVICE check": "the schema that is stored and the one that is needed",
                    "kehu ops status": "in a cluster: the migration and the rollout that waits for it",
                },
                action=(
                    "Run `kehu SERVICE migrate`; it can be repeated and run twice at once.",
                    "In a cluster: read the log of the migration Job; most often it could not reach the database.",
                    "To go back instead: `helm rollback`; older code works with a newer schema.",
                ),
                escalation="The owners of the service, with the output of `migrate`.",
            ),
        ),
        Alert(
            name="KehuReleasesMixed",
            expr=f"count by ({', '.join(q.SERVICE)}) (count by ({', '.join(q.SERVICE)}, version, revision)"
            f" ({q.series('kehu_build_info')})) > 1",
            hold="1h",
            severity="warning",
            summary="{{ $labels.service }} runs {{ $value }} releases at once",
            description="A rollout has not come to its end within an hour.",
            runbook=Runbook(
                symptom="Processes of one service are of different releases for longer than a rollout takes.",
                impact="None by design: neighbouring releases understand each other. But something keeps the new"
                " one from becoming ready.",
                check=_PROCESS_CHECK,
                action=(
                    (
                        "`kubectl rollout status` of its Deployments names the one that waits; `/readyz` of its new"
                        " pod the"
                        " reason."
                    ),
                    "`helm rollback` brings the earlier release back.",
                ),
                escalation=_PLATFORM,
            ),
        ),
    ),
)
