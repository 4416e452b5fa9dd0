"""`kehu complaint`: what a customer is not satisfied with, from receipt to the word of the customer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from libs.command.output import AsJson, Misuse, as_dict, client, console, print_json

if TYPE_CHECKING:
    from kehu.interactions.v1.complaints_pb2 import Complaint

complaints = typer.Typer(no_args_is_help=True, help="Complaints after ISO 10002: each stage, and the whole story.")

ComplaintId = Annotated[str, typer.Argument(help="The id cmp_….")]
Days = Annotated[int, typer.Option(min=1, max=400, help="The days until now.")]
Severity = Annotated[str, typer.Option(help="low, medium, high or safety.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(complaints, name="complaint")


@complaints.command("receive")
def receive(
    case_id: Annotated[str, typer.Argument(help="The case that it grew from, cas_….")],
    complained_of: Annotated[str, typer.Argument(help="The matter in the words of the customer.")],
    *,
    wish: Annotated[str, typer.Option(help="The remedy that the customer asks for.")] = "",
    as_json: AsJson = False,
) -> None:
    """Take in a complaint. Its case becomes one, once.

    [bold]Example:[/bold] kehu complaint receive cas_01jd5w3k8e7r9s2t4v6x8y0z1a "Nobody called back" --wish "A call"
    """
    drafted = {"case_id": case_id, "complained_of": complained_of, "requested_remedy": wish}
    with client() as connected:
        _tell(connected.interactions.receive_complaint(complaint=drafted), as_json=as_json)


@complaints.command("list")
def list_complaints(
    filter: Annotated[str, typer.Option("--filter", help="For example: state = RECEIVED.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List complaints, the latest received first.

    [bold]Example:[/bold] kehu complaint list --filter "state = RECEIVED"
    """
    from libs.command.views import complaint

    with client() as connected:
        found = list(islice(connected.interactions.list_complaints(filter=filter, page_size=limit), limit))
    if as_json:
        print_json([as_dict(each) for each in found])
    else:
        console.print(complaint.table(found))


@complaints.command("acknowledge")
def acknowledge(
    complaint_id: ComplaintId,
    plan: Annotated[str, typer.Argument(help="The plan, in words for the customer.")],
    *,
    by: Annotated[str, typer.Option(help="A time of the customer's clock, 2026-09-01T17:00.")] = "",
    zone: Annotated[str, typer.Option(help="The time zone of that clock.")] = "UTC",
    working_days: Annotated[int, typer.Option(min=0, max=366, help="Or so many working days.")] = 0,
    calendar: Annotated[str, typer.Option(help="The calendar of the working days, cal_….")] = "",
    as_json: AsJson = False,
) -> None:
    """Tell the customer the plan, and promise by when.

    [bold]Example:[/bold] kehu complaint acknowledge cmp_01jd5w3k8e7r9s2t4v6x8y0z1a "We ask." --by 2026-09-01T17:00
    """
    if bool(by) == bool(working_days):
        raise Misuse("say either --by or --working-days")
    term: dict[str, Any] = {"working_days": working_days, "calendar_id": calendar}
    if by:
        term = {"civil_time": _civil(by, zone)}
    with client() as connected:
        told = connected.interactions.acknowledge_complaint(complaint_id=complaint_id, plan=plan, term=term)
    _tell(told, as_json=as_json)


@complaints.command("assess")
def assess(
    complaint_id: ComplaintId,
    cause: Annotated[str, typer.Argument(help="The cause, as a path of the taxonomy: staff/attitude.")],
    *,
    severity: Severity = "medium",
    scope: Annotated[str, typer.Option(help="Who else is affected, in words.")] = "this customer",
    touchpoint: Annotated[str, typer.Option(help="The touchpoint behind it.")] = "NOT_ATTRIBUTABLE",
    employee: Annotated[str, typer.Option(help="The employee behind it.")] = "NOT_ATTRIBUTABLE",
    product: Annotated[str, typer.Option(help="The product behind it.")] = "NOT_ATTRIBUTABLE",
    as_json: AsJson = False,
) -> None:
    """Put a complaint to its cause and to what is behind it.

    [bold]Example:[/bold] kehu complaint assess cmp_01jd5w3k8e7r9s2t4v6x8y0z1a broken_promise --severity high
    """
    behind = {"touchpoint": touchpoint, "employee": employee, "product": product}
    with client() as connected:
        told = connected.interactions.assess_complaint(
            complaint_id=complaint_id,
            severity=f"COMPLAINT_SEVERITY_{severity.upper()}",
            scope=scope,
            taxonomy_path=cause,
            attribution=behind,
        )
    _tell(told, as_json=as_json)


@complaints.command("investigate")
def investigate(
    complaint_id: ComplaintId,
    finding: Annotated[list[str], typer.Option(help="Something that was found; may be repeated.")] = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Begin to look for the causes, or add what was found.

    [bold]Example:[/bold] kehu complaint investigate cmp_01jd5w3k8e7r9s2t4v6x8y0z1a --finding "The note was lost"
    """
    from libs.command.views.words import name_of

    with client() as connected:
        told = connected.interactions.get_complaint(complaint_id=complaint_id)
        if name_of(told, "state") != "INVESTIGATING":
            told = connected.interactions.investigate_complaint(complaint_id=complaint_id)
        for each in finding:
            told = connected.interactions.add_finding(complaint_id=complaint_id, finding=each)
    _tell(told, as_json=as_json)


@complaints.command("propose")
def propose(
    complaint_id: ComplaintId,
    decision: Annotated[str, typer.Argument(help="The answer with its reasons.")],
    goodwill: Annotated[list[str], typer.Option(help="Goodwill that is posted, gdw_…; may be repeated.")] = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Answer a complaint, with goodwill that is posted.

    [bold]Example:[/bold] kehu complaint propose cmp_01jd5w3k8e7r9s2t4v6x8y0z1a "You get the fee back."
    """
    with client() as connected:
        told = connected.interactions.propose_remedy(
            complaint_id=complaint_id, decision=decision, goodwill_ids=goodwill
        )
    _tell(told, as_json=as_json)


@complaints.command("accept")
def accept(complaint_id: ComplaintId, as_json: AsJson = False) -> None:
    """Note that the customer takes the remedy.

    [bold]Example:[/bold] kehu complaint accept cmp_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.interactions.accept_remedy(complaint_id=complaint_id), as_json=as_json)


@complaints.command("reject")
def reject(complaint_id: ComplaintId, as_json: AsJson = False) -> None:
    """Note that the customer does not take the remedy.

    [bold]Example:[/bold] kehu complaint reject cmp_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.interactions.reject_remedy(complaint_id=complaint_id), as_json=as_json)


@complaints.command("appeal")
def appeal(
    complaint_id: ComplaintId,
    reason: Annotated[str, typer.Argument(help="The reason in the words of the customer.")],
    as_json: AsJson = False,
) -> None:
    """Take in that the customer asks for another decision. The case goes on.

    [bold]Example:[/bold] kehu complaint appeal cmp_01jd5w3k8e7r9s2t4v6x8y0z1a "Half of it is still missing"
    """
    with client() as connected:
        _tell(connected.interactions.appeal_complaint(complaint_id=complaint_id, reason=reason), as_json=as_json)


@complaints.command("complete")
def complete(
    complaint_id: ComplaintId,
    feedback: Annotated[str, typer.Argument(help="The words in which the customer is told.")],
    as_json: AsJson = False,
) -> None:
    """Tell that the remedy is done. The case is resolved, past no guard.

    [bold]Example:[/bold] kehu complaint complete cmp_01jd5w3k8e7r9s2t4v6x8y0z1a "The fee is back on your account."
    """
    with client() as connected:
        _tell(connected.interactions.complete_remedy(complaint_id=complaint_id, feedback=feedback), as_json=as_json)


@complaints.command("confirm")
def confirm(complaint_id: ComplaintId, as_json: AsJson = False) -> None:
    """Note that the customer says it is made good. The case closes.

    [bold]Example:[/bold] kehu complaint confirm cmp_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.interactions.confirm_complaint(complaint_id=complaint_id), as_json=as_json)


@complaints.command("story")
def story(complaint_id: ComplaintId, as_json: AsJson = False) -> None:
    """Tell the whole story of a complaint in the order of time: stages, promises, goodwill and its case.

    [bold]Example:[/bold] kehu complaint story cmp_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    from libs.command.views import complaint

    with client() as connected:
        told = connected.interactions.get_complaint_story(complaint_id=complaint_id)
    if as_json:
        print_json(as_dict(told))
    else:
        console.print(complaint.story(told))


@complaints.command("report")
def report(days: Days = 31, as_json: AsJson = False) -> None:
    """Show the complaints of some days by product and cause, the most frequent first, with the share in time.

    [bold]Example:[/bold] kehu complaint report --days 90
    """
    from libs.command.views import complaint

    now = datetime.now(UTC)
    span = {"start_time": now - timedelta(days=days), "end_time": now}
    with client() as connected:
        found = connected.interactions.get_complaint_report(**span)
        satisfied = connected.interactions.get_satisfaction(**span)
    if as_json:
        print_json({"report": as_dict(found), "satisfaction": as_dict(satisfied)})
    else:
        console.print(complaint.report(found, satisfied))


def _civil(text: str, zone: str) -> dict[str, Any]:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Misuse(f"--by {text} is not like 2026-09-01T17:00") from error
    return {"date": at.date(), "minute": at.hour * 60 + at.minute, "time_zone": zone}


def _tell(told: Complaint, *, as_json: bool) -> None:
    from libs.command.views import complaint

    if as_json:
        print_json(as_dict(told))
    else:
        console.print(complaint.card(told))
