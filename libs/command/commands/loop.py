"""`kehu loop`: what answers set off, until respondents have heard what came of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from libs.command.output import AsJson, as_dict, client, console, print_json

if TYPE_CHECKING:
    from google.protobuf.message import Message

loops = typer.Typer(no_args_is_help=True, help="The loop: alerts, findings, actions, and telling respondents.")

SurveyId = Annotated[str, typer.Argument(help="The id svy_….")]
FindingId = Annotated[str, typer.Argument(help="The id fnd_….")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(loops, name="loop")


@loops.command("status")
def status(survey_id: SurveyId, as_json: AsJson = False) -> None:
    """Show how far the loop of a survey is closed, and what is left to do.

    [bold]Example:[/bold] kehu loop status svy_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        found = connected.surveys.get_loop_status(survey_id=survey_id)
    if as_json:
        print_json(as_dict(found))
        return
    rate = f", {found.closure_rate.value:.0%} of them answered" if found.HasField("closure_rate") else ""
    console.print(f"wave {found.wave}: {found.alerts:,} alerts{rate}, {found.overdue:,} overdue")
    for state, count in sorted(found.findings.items()):
        console.print(f"  findings {state.lower().replace('_', ' ')}: {count:,}")
    for each in found.missing:
        console.print(f"  [yellow]left to do[/yellow] {each}")


@loops.command("alerts")
def alerts(survey_id: SurveyId, as_json: AsJson = False) -> None:
    """List the alerts of a survey, the latest first.

    [bold]Example:[/bold] kehu loop alerts svy_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    from libs.command.views.words import moment, name_of, word

    with client() as connected:
        found = list(connected.surveys.list_alerts(filter=f'survey_id = "{survey_id}"', page_size=500))
    if as_json:
        print_json([as_dict(each) for each in found])
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("kind", "number", "due", "outcome", "case", "words", "id"):
        table.add_column(heading)
    for each in found:
        outcome = word(name_of(each, "outcome")) if each.outcome else Text("open", style="red")
        due = moment(each.due_time)
        kind = word(name_of(each, "kind"))
        table.add_row(kind, str(each.number), due, outcome, each.case_id, Text(each.words), Text(each.id, style="dim"))
    console.print(table)


@loops.command("settle")
def settle(
    alert_id: Annotated[str, typer.Argument(help="The id alr_….")],
    outcome: Annotated[str, typer.Argument(help="solved, explained, not-reached or no-action.")],
    case: Annotated[str, typer.Option(help="The case in which it was, case_….")] = "",
    as_json: AsJson = False,
) -> None:
    """Settle an alert, with what came of it.

    [bold]Example:[/bold] kehu loop settle alr_01jd5w3k8e7r9s2t4v6x8y0z1a solved
    """
    word = outcome.upper().replace("-", "_")
    with client() as connected:
        _tell(connected.surveys.settle_alert(alert_id=alert_id, outcome=word, case_id=case), as_json=as_json)


@loops.command("find")
def find(
    survey_id: SurveyId,
    text: Annotated[str, typer.Argument(help="You said: words for respondents.")],
    item: Annotated[str, typer.Option(help="The item that it is about.")] = "",
    as_json: AsJson = False,
) -> None:
    """Keep what a wave taught.

    [bold]Example:[/bold] kehu loop find svy_01jd5w3k8e7r9s2t4v6x8y0z1a "You waited too long" --item nps
    """
    with client() as connected:
        made = connected.surveys.create_finding(finding={"survey_id": survey_id, "text": text, "item": item})
        _tell(made, as_json=as_json)


@loops.command("plan")
def plan(
    finding_id: FindingId,
    action: Annotated[str, typer.Argument(help="We do: words for respondents.")],
    owner: Annotated[str, typer.Option(help="Who does it; you when left out.")] = "",
    due: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day it is to be done.")] = None,
    as_json: AsJson = False,
) -> None:
    """Plan what is done about a finding.

    [bold]Example:[/bold] kehu loop plan fnd_01jd5w3k8e7r9s2t4v6x8y0z1a "Two more people answer in the evening"
    """
    day = {"due_date": due.date()} if due is not None else {}
    with client() as connected:
        planned = connected.surveys.plan_action(finding_id=finding_id, action=action, owner=owner, **day)
        _tell(planned, as_json=as_json)


@loops.command("done")
def done(finding_id: FindingId, as_json: AsJson = False) -> None:
    """Record that an action was done.

    [bold]Example:[/bold] kehu loop done fnd_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.surveys.finish_action(finding_id=finding_id), as_json=as_json)


@loops.command("verify")
def verify(
    finding_id: FindingId,
    confirmed: Annotated[bool, typer.Option("--confirmed/--not-confirmed", help="The later wave confirms it.")] = True,
    as_json: AsJson = False,
) -> None:
    """Record whether a later wave confirms that an action helped.

    [bold]Example:[/bold] kehu loop verify fnd_01jd5w3k8e7r9s2t4v6x8y0z1a --not-confirmed
    """
    with client() as connected:
        _tell(connected.surveys.verify_action(finding_id=finding_id, confirmed=confirmed), as_json=as_json)


@loops.command("share")
def share(survey_id: SurveyId, as_json: AsJson = False) -> None:
    """Record that respondents know the results.

    [bold]Example:[/bold] kehu loop share svy_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.surveys.share_results(survey_id=survey_id), as_json=as_json)


@loops.command("thank")
def thank(survey_id: SurveyId, as_json: AsJson = False) -> None:
    """Record that respondents were thanked.

    [bold]Example:[/bold] kehu loop thank svy_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.surveys.record_thanks(survey_id=survey_id), as_json=as_json)


@loops.command("close")
def close(survey_id: SurveyId, as_json: AsJson = False) -> None:
    """Close a survey whose loop is closed. Otherwise everything that is left to do is told.

    [bold]Example:[/bold] kehu loop close svy_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.surveys.close_survey(survey_id=survey_id), as_json=as_json)


def _tell(entity: Message, *, as_json: bool) -> None:
    """Prints what an entity is now: its id, its state and its own words."""
    from libs.command.views.words import name_of, word

    told = as_dict(entity)
    if as_json:
        print_json(told)
        return
    state = name_of(entity, "state" if "state" in told else "outcome")
    words = " → ".join(filter(None, (told.get("text", ""), told.get("action", "")))) or told.get("display_name", "")
    console.print(Text(f"{told['id']}  {word(state)}  {words}"))
