"""Interactions and promises as lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kehu.interactions.v1.context_pb2 import CustomerContext
from kehu.interactions.v1.conversations_pb2 import Conversation
from kehu.interactions.v1.promises_pb2 import Promise
from kehu.interactions.v1.timeline_pb2 import Interaction
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.text import Text

from libs.command.views.words import CHANNEL_MARKS, ago, moment, name_of, word


def contact_line(interaction: Interaction, now: datetime) -> Text:
    """Shows time, direction, channel, subject and outcome of an interaction."""
    channel = name_of(interaction, "channel")
    inbound = name_of(interaction, "direction") == "INBOUND"
    line = Text()
    line.append(f"{moment(interaction.occurred_time)}  ", style="dim")
    line.append("→ " if inbound else "← ", style="green" if inbound else "blue")
    line.append(f"{CHANNEL_MARKS.get(channel, '·')} {word(channel):<11} ")
    if interaction.purpose:
        line.append(f"{word(name_of(interaction, 'purpose'))}  ", style="bold" if _is_complaint(interaction) else "")
    if interaction.HasField("redaction"):
        line.append(f"redacted: {interaction.redaction.reason}", style="dim italic")
    else:
        line.append(" · ".join(filter(None, [interaction.topic, interaction.summary])))
    if interaction.outcome:
        outcome = name_of(interaction, "outcome")
        line.append(f"  {word(outcome)}", style="green" if outcome == "RESOLVED" else "yellow")
    line.append(f"  {ago(interaction.occurred_time, now)}", style="dim")
    return line


def promise_line(promise: Promise, now: datetime) -> Text:
    """Shows a promise, its state and its due time."""
    state = name_of(promise, "state")
    style = {"AT_RISK": "yellow", "BROKEN": "bold red", "KEPT": "green", "RECOVERED": "green"}.get(state, "cyan")
    line = Text()
    line.append(f"{word(state):<9} ", style=style)
    line.append(promise.text)
    line.append(f"  due {moment(promise.due_time)}, {ago(promise.due_time, now)}", style="dim")
    return line


def change_line(change: Interaction | Promise, now: datetime) -> Text:
    """One message of a watch."""
    return contact_line(change, now) if isinstance(change, Interaction) else promise_line(change, now)


def conversation_line(conversation: Conversation) -> Text:
    """The state of a conversation, who has it, and how long the customer has been waiting."""
    line = Text()
    line.append(f"{word(name_of(conversation, 'state')):<9} ", style="cyan")
    channels = ", ".join(word(name_of(conversation, "channels", channel)) for channel in conversation.channels)
    count = conversation.interaction_count
    line.append(f"{count} contact{'s' if count != 1 else ''} by {channels}")
    if conversation.agent_id or conversation.queue:
        line.append(f"  with {conversation.agent_id or conversation.queue}")
    if conversation.HasField("waiting_since_time"):
        line.append(f"  waiting since {moment(conversation.waiting_since_time)}", style="bold yellow")
    line.append(f"  {conversation.id}", style="dim")
    return line


def context_panel(context: CustomerContext, now: datetime) -> RenderableType:
    """All that whoever picks up next must know."""
    copy = context.customer
    parts: list[RenderableType] = []
    facts = [word(copy.lifecycle), copy.language_code, copy.time_zone]
    facts += [
        f"likes {', '.join(word(name_of(copy, 'preferred_channels', c)) for c in copy.preferred_channels)}"
    ] * bool(copy.preferred_channels)
    parts.append(Text(" · ".join(filter(None, facts))))
    refused = [c for c in copy.consents if c.state in ("DENIED", "WITHDRAWN")]
    if refused:
        parts.append(Text("does not want " + ", ".join(_refusal(c) for c in refused), style="red"))
    if context.HasField("waiting_since_time"):
        parts.append(Text(f"waiting for an answer, {ago(context.waiting_since_time, now)}", style="bold yellow"))
    parts += _section("Broken promises", [promise_line(promise, now) for promise in context.broken_promises])
    parts += _section("Promises", [promise_line(promise, now) for promise in context.promises])
    parts += _section("Conversations", [conversation_line(c) for c in context.conversations])
    parts += _section("Contacts", [contact_line(interaction, now) for interaction in context.interactions])
    title = escape(copy.display_name or copy.id)
    return Panel(
        Group(*parts),
        title=f"[bold]{title}[/bold]" + (" [bold red]deleted[/bold red]" if copy.deleted else ""),
        subtitle=f"[dim]{copy.id} · as of {moment(context.as_of_time)}[/dim]",
        padding=(1, 2),
        width=110,
    )


def _refusal(consent: object) -> str:
    channel = name_of(consent, "channel")  # type: ignore[arg-type]
    purpose = word(consent.purpose)  # type: ignore[attr-defined]
    return purpose if channel == "UNSPECIFIED" else f"{purpose} by {word(channel)}"


def _section(title: str, lines: Sequence[RenderableType]) -> list[RenderableType]:
    return [Text(), Text(title, style="bold"), *lines] if lines else []


def _is_complaint(interaction: Interaction) -> bool:
    return name_of(interaction, "purpose") == "COMPLAINT"
