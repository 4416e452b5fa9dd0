"""`kehu care`: programs from files, what they would do, the calendar of a week, tasks, and reasons."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from libs.command.commands import retention
from libs.command.output import AsJson, Failure, Misuse, as_dict, client, console, print_json
from libs.engine.exits import Exit

if TYPE_CHECKING:
    from kehu.care.v1.programs_pb2 import Program
    from kehu.care.v1.touches_pb2 import Touch

care = typer.Typer(no_args_is_help=True, help="Care: programs of attention, what comes when, and the tasks of people.")
programs = typer.Typer(no_args_is_help=True, help="Standing programs, written in a file.")
tasks = typer.Typer(no_args_is_help=True, help="What people do for customers.")
care.add_typer(programs, name="program")
care.add_typer(tasks, name="task")

ProgramId = Annotated[str, typer.Argument(help="The id prog_….")]
TouchId = Annotated[str, typer.Argument(help="The id tch_….")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A TOML file with the program.")]
Days = Annotated[int, typer.Option(min=1, max=400, help="For how many days.")]
TOUCHES_MAX = 5000
"""Touches of a week that are read."""


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    retention.register(care)
    app.add_typer(care, name="care")


# ------------------------------------------------------------------------------------------------------------ programs


@programs.command("validate")
def validate(file: File, as_json: AsJson = False) -> None:
    """Tell everything that is wrong with the program of a file. Nothing is stored.

    [bold]Example:[/bold] kehu care program validate birthdays.toml
    """
    with client() as connected:
        found = connected.care.check_program(program=_read(file)).violations
    if as_json:
        print_json([as_dict(each) for each in found])
    for each in () if as_json else found:
        console.print(f"[red]{each.field}[/red] {each.description}", soft_wrap=True)
    if found:
        raise typer.Exit(Exit.FAILED)
    if not as_json:
        console.print("[green]sound[/green]: no offer, no unknown field, a day and words for every plan")


@programs.command("create")
def create(file: File, as_json: AsJson = False) -> None:
    """Create a program from a file, as a draft.

    [bold]Example:[/bold] kehu care program create birthdays.toml
    """
    with client() as connected:
        _tell(connected.care.create_program(program=_read(file)), as_json=as_json)


@programs.command("revise")
def revise(program_id: ProgramId, file: File, as_json: AsJson = False) -> None:
    """Write a program anew from a file. What was not sent yet follows the new version.

    [bold]Example:[/bold] kehu care program revise prog_01jd5w3k8e7r9s2t4v6x8y0z1a birthdays.toml
    """
    draft = _read(file)
    draft.id = program_id
    with client() as connected:
        _tell(connected.care.revise_program(program=draft), as_json=as_json)


@programs.command("list")
def list_programs(as_json: AsJson = False) -> None:
    """List programs by name.

    [bold]Example:[/bold] kehu care program list
    """
    from libs.command.views import care as views

    with client() as connected:
        found = list(connected.care.list_programs(page_size=500))
    if as_json:
        print_json([as_dict(each) for each in found])
    else:
        console.print(views.programs(found))


@programs.command("review")
def review(program_id: ProgramId, days: Days = 30, as_json: AsJson = False) -> None:
    """Play a draft through, show what would come and why not, and take it for reviewed.

    [bold]Example:[/bold] kehu care program review prog_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    from libs.command.views import care as views

    with client(timeout=60) as connected:
        seen = connected.care.review_program(program_id=program_id, days=days)
    if as_json:
        print_json(as_dict(seen))
        return
    console.print(views.simulation(seen.simulation))
    _tell(seen.program, as_json=False)


@programs.command("simulate")
def simulate(
    program_id: ProgramId,
    start: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day.")] = None,
    days: Days = 30,
    as_json: AsJson = False,
) -> None:
    """Show who would get what of a program, when, and why others would not. Nothing is stored.

    [bold]Example:[/bold] kehu care program simulate prog_01jd5w3k8e7r9s2t4v6x8y0z1a --from 2026-09-01 --days 60
    """
    from libs.command.views import care as views

    asked: dict[str, Any] = {"program_id": program_id, "days": days}
    if start is not None:
        asked["start_date"] = start.date()
    with client(timeout=60) as connected:
        played = connected.care.simulate_program(**asked)
    if as_json:
        print_json(as_dict(played))
    else:
        console.print(views.simulation(played))


@programs.command("activate")
def activate(program_id: ProgramId, as_json: AsJson = False) -> None:
    """Put a reviewed or paused program to work.

    [bold]Example:[/bold] kehu care program activate prog_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.care.activate_program(program_id=program_id), as_json=as_json)


@programs.command("pause")
def pause(program_id: ProgramId, as_json: AsJson = False) -> None:
    """Stop a program for a while. What is due meanwhile waits, and lapses when it is no longer useful.

    [bold]Example:[/bold] kehu care program pause prog_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.care.pause_program(program_id=program_id), as_json=as_json)


@programs.command("preview")
def preview(file: File) -> None:
    """Show the words of every plan of a file with examples in place of its merge fields.

    [bold]Example:[/bold] kehu care program preview birthdays.toml
    """
    from libs.command.views import care as views

    draft = _read(file)
    with client() as connected:
        for plan in draft.plans:
            for content in plan.contents:
                shown = connected.care.preview_content(content=content, purpose=draft.purpose)
                console.print(views.letter(content.language_code, shown.subject, shown.body))


# ------------------------------------------------------------------------------------------------------ what comes when


@care.command("week")
def week(
    day: Annotated[
        datetime | None, typer.Argument(formats=["%Y-%m-%d"], help="A day of the week; today when left out.")
    ] = None,
    zone: Annotated[str, typer.Option(help="The zone whose clock is shown.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show the calendar of a week: what comes to whom at which hour, festivals, and what became of it.

    [bold]Example:[/bold] kehu care week 2026-09-21 --zone Asia/Shanghai
    """
    from zoneinfo import ZoneInfo

    from libs.command.views import care as views

    try:
        here = ZoneInfo(zone) if zone else None
    except (KeyError, ValueError, OSError) as error:
        raise Misuse(f"--zone {zone} is no IANA time zone; one is for example Asia/Shanghai") from error
    today = day.date() if day is not None else datetime.now(UTC).astimezone(here).date()
    monday = today - timedelta(days=today.weekday())
    begin = datetime(monday.year, monday.month, monday.day).astimezone(here) if here is None else None
    begin = begin or datetime(monday.year, monday.month, monday.day, tzinfo=here)
    filter = f'planned_time >= "{_stamp(begin)}" AND planned_time < "{_stamp(begin + timedelta(days=7))}"'
    with client() as connected:
        found = list(islice(connected.care.list_touches(filter=filter, page_size=500), TOUCHES_MAX))
        names = {each.id: each.display_name for each in connected.care.list_programs(page_size=500)}
        feasts = connected.care.resolve_festivals(first_year=monday.year, last_year=(monday + timedelta(days=6)).year)
    if as_json:
        print_json([as_dict(each) for each in found])
        return
    console.print(views.week(monday, found, names, _feasts(feasts.days), here))


@care.command("explain")
def explain(touch_id: TouchId, as_json: AsJson = False) -> None:
    """Explain why something was not sent: every reason as it was stored, and as things stand now.

    [bold]Example:[/bold] kehu care explain tch_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    from libs.command.views import care as views

    with client() as connected:
        found = connected.care.explain_suppression(touch_id=touch_id)
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(views.explanation(found))


@care.command("pressure")
def pressure(
    customer_id: Annotated[str, typer.Argument(help="The id cus_….")],
    channel: Annotated[str, typer.Option(help="email, sms, messenger, voice, visit or letter.")] = "email",
    purpose: Annotated[str, typer.Option(help="care, marketing, survey or service.")] = "care",
    as_json: AsJson = False,
) -> None:
    """Show how much has reached a customer, and whether one more message fits.

    [bold]Example:[/bold] kehu care pressure cus_01jd5w3k8e7r9s2t4v6x8y0z1a --channel sms --purpose marketing
    """
    from libs.command.views import care as views

    with client() as connected:
        found = connected.care.check_contact_pressure(
            customer_id=customer_id, channel=channel.upper(), purpose=purpose.upper()
        )
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(views.pressure(found))


# ---------------------------------------------------------------------------------------------------------------- tasks


@tasks.command("list")
def list_tasks(
    of: Annotated[str, typer.Option("--of", help="Whose; mine when left out.")] = "", as_json: AsJson = False
) -> None:
    """List open tasks, the first due first.

    [bold]Example:[/bold] kehu care task list
    """
    from libs.command.views import care as views

    with client() as connected:
        found = list(connected.care.list_tasks(assignee=of, page_size=500))
    if as_json:
        print_json([as_dict(each) for each in found])
    else:
        console.print(views.tasks(found, datetime.now(UTC)))


@tasks.command("done")
def done(
    touch_id: TouchId,
    note: Annotated[str, typer.Option(help="What there is to say about it.")] = "",
    *,
    more: Annotated[str, typer.Option(help="What else we can do, in the words of the customer.")] = "",
    nothing_more: Annotated[bool, typer.Option("--nothing-more", help="Asked, and nothing is wanted.")] = False,
    as_json: AsJson = False,
) -> None:
    """End a task that was done. It asks what else we can do for the customer.

    [bold]Example:[/bold] kehu care task done tch_01jd5w3k8e7r9s2t4v6x8y0z1a --more "A larger garden chair"
    """
    if not more and not nothing_more:
        more = typer.prompt("What else can we do", default="", show_default=False).strip()
        nothing_more = not more
    with client() as connected:
        ended = connected.care.complete_task(
            touch_id=touch_id, outcome="DONE", note=note, more=more, nothing_more=nothing_more
        )
    _task(ended, as_json=as_json)


@tasks.command("failed")
def failed(
    touch_id: TouchId,
    note: Annotated[str, typer.Option(help="What there is to say about it.")] = "",
    declined: Annotated[bool, typer.Option("--declined", help="The customer did not want it.")] = False,
    as_json: AsJson = False,
) -> None:
    """End a task that did not come about: nobody was reached, or the customer declined.

    [bold]Example:[/bold] kehu care task failed tch_01jd5w3k8e7r9s2t4v6x8y0z1a --note "Nobody at home"
    """
    outcome = "DECLINED" if declined else "NOT_REACHED"
    with client() as connected:
        _task(connected.care.complete_task(touch_id=touch_id, outcome=outcome, note=note), as_json=as_json)


@care.command("senders")
def senders(as_json: AsJson = False) -> None:
    """List through whom messages go.

    [bold]Example:[/bold] kehu care senders
    """
    from libs.command.views import care as views

    with client() as connected:
        found = list(connected.care.list_senders())
    if as_json:
        print_json([as_dict(each) for each in found])
    else:
        console.print(views.senders(found))


# -------------------------------------------------------------------------------------------------------------- helpers


def _read(file: Path) -> Program:
    from libs.command.files.programs import ProgramFileError, read

    try:
        return read(file)
    except ProgramFileError as error:
        raise Failure(str(error)) from error


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _feasts(days: Any) -> dict[date, list[str]]:
    found: dict[date, list[str]] = {}
    for each in days:
        found.setdefault(date(each.date.year, each.date.month, each.date.day), []).append(each.names["zh"])
    return found


def _tell(program: Program, *, as_json: bool) -> None:
    from libs.command.views.words import name_of, word

    if as_json:
        print_json(as_dict(program))
        return
    state = name_of(program, "state")
    then = {"DRAFT": "review", "REVIEW": "activate", "ACTIVE": "pause", "PAUSED": "activate"}.get(state)
    console.print(
        f"{program.id}  [bold]{program.display_name}[/bold] version {program.version} is {word(state)}"
        + (f"; `kehu care program {then} {program.id}`" if then else "")
    )


def _task(touch: Touch, *, as_json: bool) -> None:
    from libs.command.views.words import name_of, word

    if as_json:
        print_json(as_dict(touch))
    else:
        console.print(f"{touch.id}  {word(name_of(touch, 'form'))}: {word(name_of(touch.task, 'outcome'))}")
