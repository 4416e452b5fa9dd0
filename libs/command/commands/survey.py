"""`kehu survey`: designing, asking and reading surveys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from libs.command.output import AsJson, Failure, Misuse, as_dict, client, console, print_json
from libs.engine.exits import Exit

if TYPE_CHECKING:
    from kehu.surveys.v1.questionnaires_pb2 import Survey
    from kehu.surveys.v1.results_pb2 import Score

    from libs.client.client import Client

surveys = typer.Typer(no_args_is_help=True, help="Surveys: designing them in a file, asking, and reading the results.")

SurveyId = Annotated[str, typer.Argument(help="The id svy_….")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A TOML file with the survey.")]
Wave = Annotated[int, typer.Option(min=0, help="The wave; all of them when 0.")]
Language = Annotated[str, typer.Option(help="The language, for example zh; the first one when left out.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(surveys, name="survey")


@surveys.command("validate")
def validate(file: File, as_json: AsJson = False) -> None:
    """Tell everything that is wrong with the questionnaire of a file. Nothing is stored.

    [bold]Example:[/bold] kehu survey validate after-the-call.toml
    """
    with client() as connected:
        found = connected.surveys.validate_questionnaire(questionnaire=_read(file).questionnaire).violations
    if as_json:
        print_json([as_dict(each) for each in found])
    for each in () if as_json else found:
        console.print(f"[red]{each.field}[/red] {each.description}", markup=True, soft_wrap=True)
    if found:
        raise typer.Exit(Exit.FAILED)
    if not as_json:
        console.print("[green]sound[/green]: every item can be reached, and every way ends")


@surveys.command("preview")
def preview(
    file: File,
    answers: Annotated[list[str] | None, typer.Option("--answer", help="key=answer, again for each answer.")] = None,
    language: Language = "",
    as_json: AsJson = False,
) -> None:
    """Show the questionnaire of a file as respondents who answer so would go through it. Nothing is stored.

    [bold]Example:[/bold] kehu survey preview after-the-call.toml --answer nps=3 --answer reason=price
    """
    from libs.command.files.surveys import answer
    from libs.command.views import survey as views

    draft = _read(file)
    items = {item.key: item for item in draft.questionnaire.items}
    given = {}
    for text in answers or ():
        key, equals, value = text.partition("=")
        if not equals or key not in items:
            raise Misuse(f"--answer {text} is no answer: write key=answer; the items are {', '.join(items)}")
        try:
            given[key] = answer(items[key], value)
        except ValueError as error:
            raise Misuse(f"--answer {text}: {error}") from error
    with client() as connected:
        route = connected.surveys.preview_route(questionnaire=draft.questionnaire, answers=given)
    if as_json:
        print_json(as_dict(route))
    else:
        console.print(views.questionnaire(draft.questionnaire, route, language))


@surveys.command("create")
def create(file: File, as_json: AsJson = False) -> None:
    """Create a survey from a file, as a draft.

    [bold]Example:[/bold] kehu survey create after-the-call.toml
    """
    with client() as connected:
        _tell(connected.surveys.create_survey(survey=_read(file)), "kehu survey launch", as_json=as_json)


@surveys.command("redefine")
def redefine(survey_id: SurveyId, file: File, as_json: AsJson = False) -> None:
    """Write a survey anew from a file. One that was launched gets its next version. Answers keep the one they answered.

    [bold]Example:[/bold] kehu survey redefine svy_01jd5w3k8e7r9s2t4v6x8y0z1a after-the-call.toml
    """
    draft = _read(file)
    draft.id = survey_id
    with client() as connected:
        _tell(connected.surveys.redefine_survey(survey=draft), "kehu survey show", as_json=as_json)


@surveys.command("list")
def list_surveys(
    filter: Annotated[str, typer.Option("--filter", help="An AIP-160 filter, for example 'state = LIVE'.")] = "",
    as_json: AsJson = False,
) -> None:
    """List surveys, the latest first.

    [bold]Example:[/bold] kehu survey list --filter "state = LIVE"
    """
    from libs.command.views import survey as views

    with client() as connected:
        found = list(connected.surveys.list_surveys(filter=filter, page_size=500))
    if as_json:
        print_json([as_dict(each) for each in found])
    else:
        console.print(views.listing(found))


@surveys.command("show")
def show(survey_id: SurveyId, as_json: AsJson = False) -> None:
    """Show a survey: its items, where it stands, and how full its quotas are.

    [bold]Example:[/bold] kehu survey show svy_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    from libs.command.views import survey as views

    with client() as connected:
        found = connected.surveys.get_survey(survey_id=survey_id)
        quotas = connected.surveys.get_quotas(survey_id=survey_id).quotas
    if as_json:
        print_json({"survey": as_dict(found), "quotas": [as_dict(each) for each in quotas]})
        return
    console.print(views.survey(found))
    if quotas:
        console.print(views.quotas(quotas))


@surveys.command("launch")
def launch(
    survey_id: SurveyId,
    pilot: Annotated[bool, typer.Option("--pilot", help="Only try it with a few.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open the field of a survey.

    [bold]Example:[/bold] kehu survey launch svy_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        launched = connected.surveys.launch_survey(survey_id=survey_id, pilot=pilot)
        _tell(launched, "kehu survey results", as_json=as_json)


@surveys.command("move")
def move(
    survey_id: SurveyId,
    to: Annotated[str, typer.Argument(help="pause, resume, end, analysed or next-wave.")],
    as_json: AsJson = False,
) -> None:
    """Pause the field, resume it, end it, record that results were read, or open the next wave.

    [bold]Example:[/bold] kehu survey move svy_01jd5w3k8e7r9s2t4v6x8y0z1a end
    """
    calls = {
        "pause": "pause_survey",
        "resume": "resume_survey",
        "end": "close_field",
        "analysed": "confirm_analysis",
        "next-wave": "start_wave",
    }
    if to not in calls:
        raise Misuse(f"{to} is none of {', '.join(calls)}")
    with client() as connected:
        _tell(getattr(connected.surveys, calls[to])(survey_id=survey_id), "kehu survey show", as_json=as_json)


@surveys.command("invite")
def invite(
    survey_id: SurveyId,
    customer: Annotated[str, typer.Argument(help="The customer, cus_….")],
    *,
    cause: Annotated[str, typer.Option(help="What it is about, for example a case.")] = "",
    channel: Annotated[str, typer.Option(help="The channel, for example EMAIL.")] = "",
    language: Language = "",
    as_json: AsJson = False,
) -> None:
    """Ask one customer, or tell every reason against it.

    [bold]Example:[/bold] kehu survey invite svy_01jd5w3k8e7r9s2t4v6x8y0z1a cus_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    from libs.command.views.words import name_of, word

    told = {"survey_id": survey_id, "customer_id": customer, "cause_ref": cause, "language": language}
    with client() as connected:
        found = connected.surveys.invite_customer(invitation={**told, "channel": channel})
    if as_json:
        print_json(as_dict(found))
        return
    reasons = ", ".join(word(name_of(found, "reasons", each)) for each in found.reasons)
    console.print(f"{found.id}  {word(name_of(found, 'state'))}{': ' if reasons else ''}{reasons}")


@surveys.command("links")
def links(
    survey_id: SurveyId,
    base: Annotated[str, typer.Option(help="Where the page for respondents is served.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the links of a survey, for whoever sends them. Needs a scope of its own.

    [bold]Example:[/bold] kehu survey links svy_01jd5w3k8e7r9s2t4v6x8y0z1a --base https://ask.example.com
    """
    with client() as connected:
        found = list(connected.surveys.list_invitation_links(filter=f'survey_id = "{survey_id}"', page_size=500))
    if as_json:
        print_json([as_dict(each) for each in found])
        return
    for each in found:
        console.print(f"{each.invitation.customer_id}  {base.rstrip('/')}/s/{each.survey_token}", soft_wrap=True)


@surveys.command("results")
def results(
    survey_id: SurveyId,
    *,
    wave: Wave = 0,
    by: Annotated[str, typer.Option(help="A kind of group, for example tier.")] = "",
    group: Annotated[list[str] | None, typer.Option(help="A group of that kind, again for each.")] = None,
    unweighted: Annotated[bool, typer.Option("--unweighted", help="Each answer counts once.")] = False,
    trend: Annotated[bool, typer.Option("--trend", help="By month instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the scores of a survey with their intervals, as bars. Of two groups also whether they differ.

    [bold]Examples:[/bold]

      kehu survey results svy_01jd5w3k8e7r9s2t4v6x8y0z1a\n
      kehu survey results svy_01jd5w3k8e7r9s2t4v6x8y0z1a --by tier --group A --group C
    """
    from libs.command.views import survey as views
    from libs.command.views.words import name_of

    if bool(by) is not bool(group):
        raise Misuse("--by names a kind of group and --group its groups: give both or none")
    with client(timeout=30) as connected:
        found = connected.surveys.get_survey(survey_id=survey_id)
        scored = {
            item.key: views.METRICS[name_of(item, "type")]
            for item in found.questionnaire.items
            if name_of(item, "type") in views.METRICS
        }
        if trend:
            _trend(connected, survey_id, scored, by, group or [""], as_json=as_json)
            return
        weighting = "NONE" if unweighted else "DESIGN"
        told: list[tuple[str, Score]] = []
        for key, metric in scored.items():
            asked = {"survey_id": survey_id, "item": key, "metric": metric, "wave": wave, "weighting": weighting}
            for each in group or [""]:
                name = f"{key}  {each}" if each else key
                told.append((name, connected.surveys.get_score(**asked, dimension=by, group=each)))
        pairs = any(name_of(each, "type").startswith("PAIR") for each in found.questionnaire.items)
        gaps = connected.surveys.get_gap_analysis(survey_id=survey_id, wave=wave) if pairs else None
        rate = connected.surveys.get_response_rate(survey_id=survey_id, wave=wave)
        compared = _compared(connected, survey_id, scored, by, group or [])
    if as_json:
        print_json(
            {
                "scores": {name: as_dict(score) for name, score in told},
                "gaps": as_dict(gaps) if gaps is not None else None,
                "response_rate": as_dict(rate),
                "comparisons": {key: as_dict(each) for key, each in compared},
            }
        )
        return
    console.print(views.rate(rate))
    if compared:
        for key, each in compared:
            console.print(f"[bold]{key}[/bold]", views.comparison((group or [])[0:2], each))  # type: ignore[arg-type]
    elif told:
        console.print(views.scores(told))
    if gaps is not None:
        console.print(views.gaps(gaps))


@surveys.command("export")
def export(
    survey_id: SurveyId,
    file: Annotated[Path, typer.Argument(help="What to write: a name that ends with .csv, .jsonl or .parquet.")],
    *,
    wave: Wave = 0,
    language: Language = "",
    as_json: AsJson = False,
) -> None:
    """Write all responses as a table, with a codebook beside it.

    [bold]Example:[/bold] kehu survey export svy_01jd5w3k8e7r9s2t4v6x8y0z1a answers.csv --language en
    """
    from libs.command import exports as tables

    with client(timeout=600) as connected:
        found = connected.surveys.get_survey(survey_id=survey_id)
        shown = tables.columns(found.questionnaire, language)
        responses = connected.surveys.export_responses(survey_id=survey_id, wave=wave)
        try:
            count = tables.write(file, shown, responses)
        except tables.FormatUnknown as error:
            raise Misuse(str(error)) from error
        except (tables.ParquetMissing, OSError) as error:
            raise Failure(str(error)) from error
    codebook = tables.codebook_of(file)
    if as_json:
        print_json({"responses": count, "file": str(file), "codebook": str(codebook)})
    else:
        console.print(f"{count:,} responses in {file}; {codebook} tells what its columns are", soft_wrap=True)


def _trend(
    connected: Client, survey_id: str, scored: dict[str, str], by: str, groups: Sequence[str], *, as_json: bool
) -> None:
    from libs.command.views import survey as views

    asked = [(key, metric, each) for key, metric in scored.items() for each in groups]
    found = {
        f"{key} {each}".strip(): connected.surveys.get_trend(
            survey_id=survey_id, item=key, metric=metric, dimension=by, group=each
        ).points
        for key, metric, each in asked
    }
    if as_json:
        print_json({name: [as_dict(point) for point in points] for name, points in found.items()})
        return
    for name, points in found.items():
        console.print(f"[bold]{name}[/bold]", views.trend(points))


def _compared(
    connected: Client, survey_id: str, scored: dict[str, str], by: str, groups: Sequence[str]
) -> Sequence[tuple[str, Any]]:
    """(item, comparison) of exactly two groups."""
    if len(groups) != 2:
        return []
    asked = {"survey_id": survey_id, "dimension": by, "first_group": groups[0], "second_group": groups[1]}
    return [(key, connected.surveys.compare_groups(**asked, item=key, metric=metric)) for key, metric in scored.items()]


def _read(file: Path) -> Survey:
    from libs.command.files.surveys import DesignError, read

    try:
        return read(file)
    except DesignError as error:
        raise Failure(str(error)) from error


def _tell(survey: Survey, then: str, *, as_json: bool) -> None:
    from libs.command.views.words import name_of, word

    if as_json:
        print_json(as_dict(survey))
        return
    console.print(
        f"{survey.id}  [bold]{survey.display_name}[/bold] is {word(name_of(survey, 'state'))}; `{then} {survey.id}`"
    )
