"""Calls: errors against the promise, time, and what is refused."""

from __future__ import annotations

from typing import Final

from libs.monitoring import objectives
from libs.monitoring import queries as q
from libs.monitoring.model import Alert, Group, Runbook

_HANDLED: Final = "grpc_server_handled_total"
_SECONDS: Final = "grpc_server_handling_seconds"
_METHOD_FAILED: Final = q.share(
    q.rate(_HANDLED, "15m", q.RPC, grpc_type="UNARY", grpc_code=q.FAULTS),
    q.rate(_HANDLED, "15m", q.RPC, grpc_type="UNARY"),
)
_FAILED: Final = "{{ $value | humanizePercentage }} of the calls to {{ $labels.service }} failed"
_ASK_US: Final = (
    "The owners of the service, with the method, the status code, a `request_id` from the log and the time of the first"
    " failure."
)
_CALLS_CHECK: Final = {
    "kehu doctor": "which of token, service, store and bus does not answer, and what to do about it",
    "kehu SERVICE check": "settings, schema, indexes and broker as this service sees them",
}
_FAULT_ACTIONS: Final = (
    "Open the dashboard *Kehu / Calls* for the service and see which method and which status code stand out.",
    "UNAVAILABLE means that the database or the relay was away: go on with the alerts of the store and of the outbox.",
    (
        "INTERNAL or UNKNOWN is a defect: find `level=error` lines of `libs.engine.rpc` in the log of the api; each"
        " names"
        " the method and the cause. When it began with a release, roll that back (`helm rollback`)."
    ),
    "DEADLINE_EXCEEDED means that callers give too little time, or that we became slow: see *KehuCallsSlow*.",
)


def _burning(name: str, factor: float, windows: tuple[str, str], *, hold: str, impact: str) -> Alert:
    long, short = windows
    days = 30 / factor
    return Alert(
        name=name,
        expr=objectives.burns(factor, long, short),
        hold=hold,
        severity="critical" if factor > 5 else "warning",
        labels={"window": long},
        summary="{{ $labels.service }} fails calls " + f"{factor:g} times faster than it may",
        description=f"{_FAILED} within {long} ({objectives.ALLOWANCE:.1%} are allowed).",
        runbook=Runbook(
            symptom=f"Over {long}, and still over the last {short}, the service failed more than "
            f"{factor * objectives.ALLOWANCE:.2%} of its calls (INTERNAL, UNKNOWN, DATA_LOSS, UNAVAILABLE or"
            f" DEADLINE_EXCEEDED). At this pace the allowance of thirty days is used up in {days:.1f} days.",
            impact=impact,
            check=_CALLS_CHECK,
            action=_FAULT_ACTIONS,
            escalation=_ASK_US,
        ),
    )


GROUP: Final = Group(
    name="kehu-calls",
    about="Calls of other systems to a service",
    recordings=objectives.RECORDINGS,
    alerts=(
        _burning(
            "KehuErrorBudgetFast",
            14.4,
            ("1h", "5m"),
            hold="2m",
            impact="Callers see errors now; retries hide some of them. Writes that were answered OK are safe.",
        ),
        _burning(
            "KehuErrorBudgetSlow",
            6,
            ("6h", "30m"),
            hold="15m",
            impact="Callers see errors again and again since hours. Writes that were answered OK are safe.",
        ),
        _burning(
            "KehuErrorBudgetLeak",
            3,
            ("1d", "2h"),
            hold="1h",
            impact="Few callers notice, but the promise of the month is broken within ten days.",
        ),
        Alert(
            name="KehuMethodFailing",
            expr=f"{_METHOD_FAILED} > 0.05"
            f" and {q.increase(_HANDLED, '15m', q.RPC, grpc_type='UNARY', grpc_code=q.FAULTS)} >= 10",
            hold="5m",
            severity="warning",
            summary="{{ $labels.grpc_method }} of {{ $labels.service }} fails",
            description="{{ $value | humanizePercentage }} of its calls failed within 15 minutes, ten or more.",
            runbook=Runbook(
                symptom="One method fails more than one call in twenty, and ten or more in a quarter of an hour, while"
                " the service as a whole may still keep its promise.",
                impact="Whoever needs this method; everything else goes on.",
                check=_CALLS_CHECK,
                action=_FAULT_ACTIONS,
                escalation=_ASK_US,
            ),
        ),
        Alert(
            name="KehuCallsSlow",
            expr=f"{q.slower(_SECONDS, objectives.SLOW, '10m', q.SERVICE, grpc_type='UNARY')}"
            f" > {objectives.SLOW_SHARE:g}",
            hold="10m",
            severity="warning",
            summary="{{ $labels.service }} answers slowly",
            description="{{ $value | humanizePercentage }} of its unary calls took longer than"
            f" {objectives.SLOW:g} s within 10 minutes ({objectives.SLOW_SHARE:.0%} may).",
            runbook=Runbook(
                symptom=f"More than {objectives.SLOW_SHARE:.0%} of the unary calls took longer than"
                f" {objectives.SLOW:g} s.",
                impact="People wait; short deadlines end in DEADLINE_EXCEEDED, and calls begin to be refused.",
                check={
                    **_CALLS_CHECK,
                    "kehu operation list": "long work (imports, fits, merges) that runs beside the calls",
                },
                action=(
                    "See on *Kehu / Store* whether the database became slow first: then go on with *KehuDatabaseSlow*.",
                    (
                        "See on *Kehu / Calls* whether calls wait for a thread: then the api needs more replicas, not"
                        " more"
                        " threads."
                    ),
                    "See on *Kehu / Processes* whether a process is at its limit of processor time or memory.",
                    "When one method stands out, ask its callers for smaller pages or fewer rows.",
                ),
                escalation=_ASK_US,
            ),
        ),
        Alert(
            name="KehuMethodSlow",
            expr=f"{q.slower(_SECONDS, 2.5, '15m', q.RPC, grpc_type='UNARY')} > 0.1"
            f" and {q.increase(f'{_SECONDS}_count', '15m', q.RPC, grpc_type='UNARY')} >= 20",
            hold="10m",
            severity="info",
            summary="{{ $labels.grpc_method }} of {{ $labels.service }} is slow",
            description="{{ $value | humanizePercentage }} of its calls took longer than 2.5 s within 15 minutes.",
            runbook=Runbook(
                symptom="One call in ten of this method took longer than 2.5 s, of twenty or more.",
                impact="Whoever needs this method waits; others do not.",
                check={"kehu doctor": "whether the store answers", "kehu operation list": "long work beside it"},
                action=(
                    "Look for the method's lines in the log of the api: `ms` is the time, `traceparent` the trace.",
                    "See on *Kehu / Store* which collection is slow in the same minutes.",
                ),
                escalation=_ASK_US,
            ),
        ),
        Alert(
            name="KehuCallsRefused",
            expr=f"{q.rate('kehu_rpc_refused_total', '10m', (*q.SERVICE, 'cause'))}"
            f" / on ({', '.join(q.SERVICE)}) group_left ()"
            f" ({q.rate('grpc_server_started_total', '10m', q.SERVICE)} > 0) > 0.02",
            hold="10m",
            severity="warning",
            summary="{{ $labels.service }} refuses calls ({{ $labels.cause }})",
            description="{{ $value | humanizePercentage }} of its calls were refused within 10 minutes to protect the"
            " others.",
            runbook=Runbook(
                symptom="The service answers RESOURCE_EXHAUSTED. The cause is `in_flight` (as many calls as can be done"
                " in time), `tenant_rate` (one tenant sends too many), `streams` (too many watches are open),"
                " `deadline` (callers give less time than the method usually needs), `tenant_in_flight`,"
                " `tenant_streams` or `tenant_computing` (one tenant has its share), `receiving` (requests that do not"
                " arrive) or `verifying` (a flood of unknown tokens).",
                impact="Refused callers come back after a moment; reads that page give way before writes. Nothing that"
                " was accepted is lost.",
                check={"kehu doctor": "whether the database or the bus holds calls up"},
                action=(
                    "`in_flight`: see *KehuCallsSlow*; when the database is well, add replicas of the api.",
                    (
                        "`tenant_rate`: find the tenant in the log of the api (`reason=OVERLOADED`), talk to its"
                        " owner, or"
                        " raise KEHU_TENANT_RATE."
                    ),
                    "`streams`: raise KEHU_STREAMS, or add replicas.",
                    "`tenant_…`, `receiving`: the others are well; talk to the owner of the tenant, or add replicas.",
                    "`verifying`: find who sends the tokens; callers whose token is known notice nothing.",
                    "`deadline`: ask the callers for at least a second, or find out why the method became slow.",
                ),
                escalation=_ASK_US,
            ),
        ),
        Alert(
            name="KehuServerFull",
            expr=f"{q.best('sum', 'grpc_server_in_flight', q.PROCESS, pool='unary')}"
            f" / ({q.best('sum', 'kehu_rpc_limit', q.PROCESS)} > 0) > 0.8",
            hold="10m",
            severity="warning",
            summary="An api of {{ $labels.service }} is nearly full",
            description="{{ $labels.instance }} holds {{ $value | humanizePercentage }} of the calls that it can do in"
            " time.",
            runbook=Runbook(
                symptom="For ten minutes one process had more than four fifths of the calls in flight that it admits.",
                impact="None yet; the next peak is refused.",
                check={"kehu doctor": "whether something that calls depend on is slow"},
                action=(
                    (
                        "Compare the replicas on *Kehu / Calls*: when only one is full, callers do not spread; they"
                        " must"
                        " use `dns:///` with round_robin."
                    ),
                    "When all are full, add replicas, or let the autoscaler.",
                ),
                escalation=_ASK_US,
            ),
        ),
        Alert(
            name="KehuCallsWithoutDeadline",
            expr=f"{q.increase('kehu_rpc_without_deadline_total', '1h', q.RPC)} > 10",
            hold="1h",
            severity="info",
            summary="{{ $labels.grpc_method }} of {{ $labels.service }} is called without a deadline",
            description="{{ $value | humanize }} calls within an hour; they got the default of 5 s.",
            runbook=Runbook(
                symptom="A caller sets no deadline.",
                impact="None for us: such calls get a default. The caller would wait for ever for a server that is"
                " gone.",
                check={"kehu doctor": "that our own command line is not the caller: it always sets one"},
                action=("Find the caller's `actor` in the log of the api and tell its owner to set a deadline.",),
                escalation="The owner of the calling system.",
            ),
        ),
    ),
)
