"""Events: what waits to leave a service (outbox), and what waits to be understood by another (inbox)."""

from __future__ import annotations

from typing import Final

from libs.engine.journal import SUBSCRIPTION as JOURNAL
from libs.monitoring import queries as q
from libs.monitoring.model import Alert, Group, Runbook

_OLDEST: Final = q.best("max", "kehu_outbox_oldest_seconds", q.SERVICE)
_PENDING: Final = q.best("max", "kehu_outbox_pending", q.SERVICE)
_LAG: Final = "kehu_inbox_lag_seconds"
_TAKEN: Final = "kehu_inbox_events_total"

_OUTBOX_IMPACT: Final = (
    "Other services, the journal and watchers hear late of changes. Every event is kept with its entity and goes out"
    " later, in order."
)
_OUTBOX_CHECK: Final = {
    "kehu doctor": "how many events wait and since when, whether the bus answers, whether a worker is ready",
    "kehu SERVICE check": "whether exchanges and queues are there and have the right shape",
}
_OUTBOX_ACTIONS: Final = (
    "No worker of the service ready: see *KehuProcessNotReady*; its `/readyz` and log say why.",
    "The broker does not answer: bring it back; the relay goes on by itself within seconds.",
    (
        "A queue is full (the relay logs `a queue refuses events`): a consumer of this service's events stands still;"
        " see"
        " *KehuInboxLate*."
    ),
    "Nobody leads: see *KehuLeaseUnheld*.",
)
_INBOX_CHECK: Final = {
    "kehu ops lag": "how many events wait in which subscription, how fast they come and go, and who consumes them",
    "kehu doctor": "which queue nobody consumes, and what to do about it",
    "kehu parked list SERVICE": "what could not be handled at all, and why",
}
_BUS_OWNERS: Final = "Whoever runs RabbitMQ when the broker is at fault; otherwise the owners of the service."

OUTBOX: Final = Group(
    name="kehu-outbox",
    about="Events on their way out of a service",
    alerts=(
        Alert(
            name="KehuOutboxLate",
            expr=f"{_OLDEST} > 60",
            hold="5m",
            severity="warning",
            summary="Events of {{ $labels.service }} leave late",
            description="The oldest has waited for {{ $value | humanizeDuration }}.",
            runbook=Runbook(
                symptom="An event has waited for more than a minute to be published, for five minutes.",
                impact=_OUTBOX_IMPACT,
                check=_OUTBOX_CHECK,
                action=_OUTBOX_ACTIONS,
                escalation=_BUS_OWNERS,
            ),
        ),
        Alert(
            name="KehuOutboxStuck",
            expr=f"{_OLDEST} > 900",
            hold="5m",
            severity="critical",
            summary="No event has left {{ $labels.service }} for a quarter of an hour",
            description="The oldest has waited for {{ $value | humanizeDuration }}.",
            runbook=Runbook(
                symptom="The oldest event has waited for more than fifteen minutes.",
                impact=_OUTBOX_IMPACT
                + " An entity with very many events waiting refuses further changes (UNAVAILABLE, RELAY_BEHIND).",
                check=_OUTBOX_CHECK,
                action=_OUTBOX_ACTIONS,
                escalation=_BUS_OWNERS,
            ),
        ),
        Alert(
            name="KehuOutboxGrowing",
            expr=f"{_PENDING} > 1000 and {_PENDING} > 1.2 * max by ({', '.join(q.SERVICE)})"
            f" ({q.series('kehu_outbox_pending')} offset 15m)",
            hold="10m",
            severity="warning",
            summary="{{ $labels.service }} changes faster than its events leave",
            description="{{ $value | humanize }} entities wait with events, a fifth more than 15 minutes ago.",
            runbook=Runbook(
                symptom="More is written than the relay publishes, and the backlog grows (counted up to 10,000 per"
                " collection).",
                impact=_OUTBOX_IMPACT,
                check={**_OUTBOX_CHECK, "kehu operation list": "a large import that causes it, and when it will end"},
                action=(
                    "A large import: wait, or pause it; the backlog goes down afterwards.",
                    "See on *Kehu / Bus* whether confirms became slow: then the broker's disk is the limit.",
                    *_OUTBOX_ACTIONS,
                ),
                escalation=_BUS_OWNERS,
            ),
        ),
        Alert(
            name="KehuOutboxReturned",
            expr=f"{q.increase('kehu_outbox_returned_total', '15m', q.SERVICE)} > 5",
            hold="5m",
            severity="warning",
            summary="The broker refuses events of {{ $labels.service }}",
            description="{{ $value | humanize }} events came back within 15 minutes; they are held and tried again, the"
            " others pass.",
            runbook=Runbook(
                symptom="The broker returned or refused what the relay published.",
                impact=_OUTBOX_IMPACT,
                check=_OUTBOX_CHECK,
                action=(
                    "An exchange or queue is missing: run `kehu SERVICE migrate` for every service; it declares them.",
                    "A queue is full, or the broker is short of memory or disk: its log names the alarm.",
                ),
                escalation=_BUS_OWNERS,
            ),
        ),
    ),
)

INBOX: Final = Group(
    name="kehu-inbox",
    about="Events on their way into a service",
    alerts=(
        Alert(
            name="KehuInboxLate",
            expr=f"{q.slower(_LAG, 60, '10m', q.SUBSCRIPTION)} > 0.05",
            hold="10m",
            severity="warning",
            summary="{{ $labels.service }} hears late of changes ({{ $labels.subscription }})",
            description="{{ $value | humanizePercentage }} of the events took more than a minute from the change to"
            " their effect here.",
            runbook=Runbook(
                symptom="More than one event in twenty was older than a minute when this subscription applied it.",
                impact="What the service knows from others is out of date by that much; nothing is lost, and order per"
                " entity holds.",
                check=_INBOX_CHECK,
                action=(
                    (
                        "See on *Kehu / Bus* whether the events left their source late: then go on with"
                        " *KehuOutboxLate* of"
                        " the source."
                    ),
                    "See whether batches take long: then the database is the limit (*KehuDatabaseSlow*).",
                    (
                        "Otherwise add workers, up to the number of partitions in the table below: a partition is"
                        " consumed"
                        " by one process at a time."
                    ),
                    "After a replay or an outage, wait: the backlog goes down by itself.",
                ),
                escalation=_BUS_OWNERS,
            ),
        ),
        Alert(
            name="KehuRetriesGrow",
            expr=q.share(
                q.rate("kehu_inbox_retried_total", "15m", q.SUBSCRIPTION),
                q.rate(_TAKEN, "15m", q.SUBSCRIPTION),
            )
            + f" > 0.05 and {q.increase('kehu_inbox_retried_total', '15m', q.SUBSCRIPTION)} >= 10",
            hold="10m",
            severity="warning",
            summary="{{ $labels.service }} fails at events of {{ $labels.subscription }}",
            description="{{ $value | humanizePercentage }} of the events taken within 15 minutes were put off for"
            " another attempt.",
            runbook=Runbook(
                symptom="A reaction fails again and again. Events are tried for 24 hours, from every 5 s to every hour,"
                " then parked.",
                impact="These events have no effect yet; others go on. There is a day to mend the cause.",
                check={
                    **_INBOX_CHECK,
                    "kehu events tail SOURCE --body": "what the events look like that arrive now",
                },
                action=(
                    "Find `event set aside` in the log of the worker: `error` is the reason, `event_id` the event.",
                    "A defect of a release: roll it back; the events succeed at their next attempt.",
                    "Another service must answer first: see whether it is up.",
                ),
                escalation="The owners of the service, with the error and an event id.",
            ),
        ),
        Alert(
            name="KehuEventsParked",
            expr=f"{q.increase('kehu_inbox_parked_total', '1h', q.SUBSCRIPTION)} > 0",
            hold="",
            severity="warning",
            summary="{{ $labels.service }} parked events of {{ $labels.subscription }}",
            description="{{ $value | humanize }} within an hour. They wait until a person decides, also when this alert"
            " has ended.",
            runbook=Runbook(
                symptom="Events will never be handled as they are, or failed for 24 hours.",
                impact="Their effect is missing in this service until they are replayed. They are kept, in order, with"
                " the reason.",
                check={
                    "kehu parked list SERVICE": "which events, how often they were tried, and the reason",
                    "kehu parked show SERVICE.SUBSCRIPTION EVENT": "one of them with its headers and its content",
                },
                action=(
                    (
                        "Mend the cause first: most often a release that cannot read an event, or one that sends wrong"
                        " ones."
                    ),
                    "Then `kehu parked replay SERVICE.SUBSCRIPTION` sends all of them back to their subscriber.",
                    (
                        "What must not be handled: `kehu parked drop SERVICE.SUBSCRIPTION EVENT --reason WHY`. Both are"
                        " audited."
                    ),
                ),
                escalation="The owners of the service, with the reason and an event id.",
            ),
        ),
        Alert(
            name="KehuJournalSilent",
            expr=f"{q.rate('kehu_outbox_published_total', '15m', q.SERVICE)} > 0"
            f" unless {q.rate(_TAKEN, '15m', q.SERVICE, subscription=JOURNAL, outcome='applied')} > 0",
            hold="15m",
            severity="critical",
            summary="{{ $labels.service }} publishes events that do not reach its journal",
            description="{{ $value | humanize }} events a second go out, and none is journalled.",
            runbook=Runbook(
                symptom="The service publishes, and the subscription that takes every event of it applies none.",
                impact="The audit trail falls behind; the events wait in their queue. Other subscriptions are probably"
                " held up, too.",
                check={
                    **_INBOX_CHECK,
                    "kehu journal verify SERVICE": "that the chain up to now holds",
                },
                action=(
                    "No consumer: a worker of the service must run and be ready (*KehuProcessNotReady*).",
                    "A consumer that holds a batch: its log says `batch held` and why; most often the database.",
                    "Nothing arrives: `kehu SERVICE migrate` declares the queue and its bindings.",
                ),
                escalation=_BUS_OWNERS,
            ),
        ),
    ),
)
