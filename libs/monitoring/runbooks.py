"""Runbooks as Markdown, one for each alert."""

from __future__ import annotations

from libs.monitoring.graph import edges
from libs.monitoring.model import Alert, Group

SECTIONS = ("Symptom", "Impact", "Check", "Action", "Escalation")


def render(alert: Alert, group: Group) -> str:
    """The runbook of an alert, with the question that it asks and, for events, who listens to whom."""
    book = alert.runbook
    width = max(map(len, book.check))
    checks = "\n".join(f"{command:<{width}}  # {tells}" for command, tells in book.check.items())
    actions = "\n".join(f"{number}. {step}" for number, step in enumerate(book.action, start=1))
    held = f"after it held for {alert.hold}" if alert.hold else "at once"
    parts = [
        f"# {alert.name}",
        f"{alert.severity} · {group.about} · fires {held}",
        "## Symptom",
        book.symptom,
        f"```promql\n{alert.expr}\n```",
        "## Impact",
        book.impact,
        "## Check",
        f"```sh\n{checks}\n```",
        "## Action",
        actions,
        "## Escalation",
        book.escalation,
    ]
    if "subscription" in alert.expr:
        parts += ["## Who listens to whom", _listeners()]
    return "\n\n".join(parts) + "\n"


def index(groups: tuple[Group, ...]) -> str:
    """The list of all runbooks."""
    parts = ["# Runbooks", "One page for each alert. In commands, SERVICE is the label `service` of the alert."]
    for group in groups:
        rows = "\n".join(f"| [{a.name}]({a.name}.md) | {a.severity} | {a.runbook.symptom} |" for a in group.alerts)
        parts += [f"## {group.about}", f"| alert | severity | symptom |\n| --- | --- | --- |\n{rows}"]
    return "\n\n".join(parts) + "\n"


def _listeners() -> str:
    rows = "\n".join(
        f"| {edge.service} | {edge.subscription} | {', '.join(edge.sources)} | {len(edge.queues)} | `{edge.dead}` |"
        for edge in edges()
    )
    head = "| service | subscription | events of | partitions | parked in |\n| --- | --- | --- | --- | --- |\n"
    return head + rows
