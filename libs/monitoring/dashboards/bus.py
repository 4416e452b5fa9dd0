"""Events on their way: out of a service, and into another."""

from __future__ import annotations

from typing import Final

from libs.monitoring import queries as q
from libs.monitoring.dashboards.shared import BY_SERVICE, BY_SUBSCRIPTION, HERE, LAG, OLDEST, WINDOW
from libs.monitoring.grafana import Dashboard, Line, Panel, Row

BUS: Final = Dashboard(
    name="bus",
    title="Kehu / Bus",
    about="Events on their way: out of a service, and into another.",
    rows=(
        Row(
            "Out",
            (
                OLDEST,
                Panel(
                    title="Entities with events that wait",
                    about="Counted up to 10,000 per collection.",
                    unit="none",
                    lines=(Line(q.best("max", "kehu_outbox_pending", BY_SERVICE, **HERE), "{{service}}"),),
                ),
                Panel(
                    title="Confirm of a batch, 95 %",
                    about="Seconds until the broker has confirmed 95 of 100 batches.",
                    unit="s",
                    lines=(
                        Line(
                            q.quantile(0.95, "kehu_outbox_confirm_seconds", WINDOW, BY_SERVICE, **HERE), "{{service}}"
                        ),
                    ),
                ),
                Panel(
                    title="Returned by the broker",
                    about="Batches within an hour that the broker returned or refused; they are published again.",
                    unit="none",
                    lines=(Line(q.increase("kehu_outbox_returned_total", "1h", BY_SERVICE, **HERE), "{{service}}"),),
                ),
            ),
        ),
        Row(
            "In",
            (
                Panel(
                    title="Events applied",
                    about="By subscription.",
                    unit="ops",
                    lines=(
                        Line(
                            q.rate("kehu_inbox_events_total", WINDOW, BY_SUBSCRIPTION, **HERE, outcome="applied"),
                            "{{service}} {{subscription}}",
                        ),
                    ),
                ),
                Panel(
                    title="From a change to its effect, 95 %",
                    about="95 of 100 events took less than this; an alert fires when one in twenty takes a minute.",
                    unit="s",
                    lines=(
                        Line(q.quantile(0.95, LAG, WINDOW, BY_SUBSCRIPTION, **HERE), "{{service}} {{subscription}}"),
                    ),
                ),
                Panel(
                    title="Time of a batch, 95 %",
                    about="Applying and committing.",
                    unit="s",
                    lines=(
                        Line(
                            q.quantile(0.95, "kehu_inbox_batch_seconds", WINDOW, BY_SUBSCRIPTION, **HERE),
                            "{{service}} {{subscription}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Trouble",
            (
                Panel(
                    title="Put off for another attempt",
                    about="Events within an hour that failed and will be tried again.",
                    unit="none",
                    lines=(
                        Line(
                            q.increase("kehu_inbox_retried_total", "1h", BY_SUBSCRIPTION, **HERE),
                            "{{service}} {{subscription}}",
                        ),
                    ),
                ),
                Panel(
                    title="Parked",
                    about="Events within an hour that wait for a person: `kehu parked list`.",
                    unit="none",
                    lines=(
                        Line(
                            q.increase("kehu_inbox_parked_total", "1h", BY_SUBSCRIPTION, **HERE),
                            "{{service}} {{subscription}}",
                        ),
                    ),
                ),
                Panel(
                    title="Recognised as repeats",
                    about="Events that had been applied before: after a crash or a replay.",
                    unit="ops",
                    lines=(
                        Line(
                            q.rate("kehu_inbox_duplicates_total", WINDOW, BY_SUBSCRIPTION, **HERE),
                            "{{service}} {{subscription}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Leadership",
            (
                Panel(
                    title="Holders of each lease",
                    about="1 is right for the relay; a timer holds its lease only around the moments when it looks.",
                    unit="none",
                    lines=(
                        Line(q.best("sum", "kehu_lease_held", ("service", "lease"), **HERE), "{{service}} {{lease}}"),
                    ),
                ),
            ),
        ),
    ),
)
