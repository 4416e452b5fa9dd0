"""`kehu agent`: who works on queues, whether they are there, and how they spend their time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from libs.command.output import AsJson, Misuse, as_dict, client, console, print_json

agents = typer.Typer(no_args_is_help=True, help="Agents: registering them, their presence, and the account of time.")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(agents, name="agent")


@agents.command("register")
def register_agent(
    principal: Annotated[str, typer.Argument(help="The subject of the agent's access tokens.")],
    queue: Annotated[list[str], typer.Option(help="A queue of the agent, que_…; may be repeated.")],
    *,
    skill: Annotated[list[str], typer.Option(help="topic:billing=7, language:zh=9 or channel:VOICE=5.")] = [],  # noqa: B006
    capacity: Annotated[int, typer.Option(min=1, max=100, help="How much the agent can do at once.")] = 1,
    vendor: Annotated[str, typer.Option(help="The outsourced organization that the agent works for.")] = "",
    as_json: AsJson = False,
) -> None:
    """Register an agent, or change what is registered.

    [bold]Example:[/bold] kehu agent register ann --queue que_01jd5w3k8e7r9s2t4v6x8y0z1a --skill language:zh=9
    """
    from libs.command.views import floor

    draft = {
        "principal": principal,
        "queue_ids": queue,
        "skills": [_skill(each) for each in skill],
        "capacity_units": capacity,
        "vendor": vendor,
    }
    with client() as connected:
        made = connected.interactions.register_agent(agent=draft)
    if as_json:
        print_json(as_dict(made))
    else:
        console.print(floor.agents([made], datetime.now(UTC)))


@agents.command("list")
def list_agents(as_json: AsJson = False) -> None:
    """Show all agents, what they do, and for how long.

    [bold]Example:[/bold] kehu agent list
    """
    from libs.command.views import floor

    with client() as connected:
        found = list(connected.interactions.list_agents(page_size=500))
    if as_json:
        print_json([as_dict(each) for each in found])
    else:
        console.print(floor.agents(found, datetime.now(UTC)))


@agents.command("times")
def times(
    agent_id: Annotated[str, typer.Argument(help="The id qag_….")],
    days: Annotated[int, typer.Option(min=1, max=31, help="The days until now.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Show how an agent spent the time, with occupancy and adherence.

    [bold]Example:[/bold] kehu agent times qag_01jd5w3k8e7r9s2t4v6x8y0z1a --days 7
    """
    from libs.command.views import floor

    now = datetime.now(UTC)
    with client() as connected:
        found = connected.interactions.get_agent_times(
            agent_id=agent_id, start_time=now - timedelta(days=days), end_time=now
        )
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(floor.times(found))


def _skill(text: str) -> dict[str, Any]:
    kind, found, rest = text.partition(":")
    name, _, level = rest.partition("=")
    if not found or not name or kind not in ("topic", "channel", "language") or (level and not level.isdigit()):
        raise Misuse(f"--skill {text} is not like topic:billing=7")
    return {"kind": f"SKILL_KIND_{kind.upper()}", "name": name, "level": int(level or 0)}
