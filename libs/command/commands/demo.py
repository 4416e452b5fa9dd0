"""`kehu demo`: a small story, told by the services themselves."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from libs.client.stack import Stack
from libs.command.commands.events import show as show_event
from libs.command.commands.events import tap
from libs.command.output import Failure, client, console
from libs.registry import SERVICES

if TYPE_CHECKING:
    from libs.client.client import Client
    from libs.command.views.card import Card

_LATE = "events do not arrive; `kehu doctor` tells which worker does not run"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("demo")(demo)


def demo() -> None:
    """Load a small demonstration and show what a person would want to see. Running it again changes nothing.

    It creates a few customers, consents and purchases, interactions on five channels and a promise. Then it prints
    a card, a timeline, the context of the next conversation, and the events that crossed the bus meanwhile.

    [bold]Example:[/bold] make up && kehu demo
    """
    from libs.client.errors import NotFound
    from libs.command.views.card import render
    from libs.command.views.timeline import contact_line, context_panel

    with tap(*SERVICES) as copies, client(patient=True) as connected:
        from libs.command import story

        try:
            hero = story.tell(connected)
        except NotFound as error:
            raise Failure(_LATE) from error
        card = _wait(connected, hero)
        now = datetime.now(UTC)
        _title("A customer", f"kehu customer show {hero}")
        console.print(render(card, now))
        _title("What was said, on every channel", f"kehu timeline {hero}")
        for interaction in connected.interactions.list_timeline(customer_id=hero, page_size=20):
            console.print(contact_line(interaction, now), soft_wrap=True)
        _title("What whoever picks up next must know", f"kehu context {hero}")
        console.print(context_panel(connected.interactions.get_context(customer_id=hero), now))
        _title("What crossed the bus meanwhile", "kehu events tail profiles")
        tenant = Stack.find().token_tenant
        crossed = [e for e in copies.events(until=time.monotonic() + 10, quiet=1.0) if e.tenant == tenant]
        for envelope in sorted(crossed, key=lambda each: each.time.ToNanoseconds()):
            show_event(envelope)
        if not crossed:
            console.print("nothing: the services recognised all of it and changed nothing")
    _title("Try next", "")
    console.print("kehu customer find wxm · kehu customer find 单 · kehu doctor · kehu --help")


def _wait(connected: Client, hero: str) -> Card:
    """The hero's card as soon as events have brought everything together."""
    from libs.command import story
    from libs.command.commands.customer import fetch

    deadline = time.monotonic() + story.PATIENCE
    while True:
        card = fetch(connected, connected.profiles.get_customer(customer_id=hero))
        known = card.context is not None and card.context.customer.source_revision >= card.customer.revision
        if known and card.summary is not None and card.summary.count >= len(story.PURCHASES):
            return card
        if time.monotonic() > deadline:
            raise Failure(_LATE)
        time.sleep(0.1)


def _title(text: str, command: str) -> None:
    console.print()
    console.rule(f"[bold]{text}[/bold]" + (f"  [dim]{command}[/dim]" if command else ""), align="left")
