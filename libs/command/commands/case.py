"""`kehu case` and `kehu complaint`: what a customer needs done, its clocks, and the whole story of a complaint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from libs.command.output import AsJson, as_dict, client, console, print_json

if TYPE_CHECKING:
    from kehu.interactions.v1.cases_pb2 import Case

cases = typer.Typer(no_args_is_help=True, help="Cases: opening them, working on them, and their clocks explained.")
complaints = typer.Typer(no_args_is_help=True, help="Complaints: their stages, and the whole story of each.")

CaseId = Annotated[str, typer.Argument(help="The id cas_….")]
ComplaintId = Annotated[str, typer.Argument(help="The id cmp_….")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(cases, name="case")
    app.add_typer(complaints, name="complaint")


@cases.command("open")
def open_case(
    subject: Annotated[str, typer.Argument(help="What it is about.")],
    *,
    type: Annotated[str, typer.Option(help="inquiry, request, incident, complaint or service_change.")] = "request",
    customer: Annotated[str, typer.Option(help="The customer, cus_….")] = "",
    owner: Annotated[str, typer.Option(help="Who answers for it.")] = "",
    policy: Annotated[str, typer.Option(help="The service policy, sla_…; that of the terms when left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Open a case.

    [bold]Example:[/bold] kehu case open "No invoice" --type incident --owner ada
    """
    draft = {"subject": subject, "type": f"CASE_TYPE_{type.upper()}", "customer_id": customer}
    with client() as connected:
        made = connected.interactions.create_case(case=draft, owner=owner, policy_id=policy)
    _tell(made, as_json=as_json)


@cases.command("show")
def show(case_id: CaseId, as_json: AsJson = False) -> None:
    """Show a case with its episodes, owners and clocks.

    [bold]Example:[/bold] kehu case show cas_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.interactions.get_case(case_id=case_id), as_json=as_json)


@cases.command("list")
def list_cases(
    filter: Annotated[str, typer.Option("--filter", help='For example: owner = "ada" AND state = OPEN.')] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List cases, the latest opened first.

    [bold]Example:[/bold] kehu case list --filter "state = OPEN" --limit 20
    """
    from itertools import islice

    from libs.command.views import case

    with client() as connected:
        found = list(islice(connected.interactions.list_cases(filter=filter, page_size=limit), limit))
    if as_json:
        print_json([as_dict(each) for each in found])
    else:
        console.print(case.table(found))


@cases.command("clock")
def clock(case_id: CaseId, as_json: AsJson = False) -> None:
    """Explain the clocks of a case: each stretch that counted or did not, and the rule that says so.

    [bold]Example:[/bold] kehu case clock cas_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    from libs.command.views import case

    with client() as connected:
        told = connected.interactions.explain_clocks(case_id=case_id)
    if as_json:
        print_json(as_dict(told))
    else:
        console.print(case.clocks(told.clocks))


@complaints.command("story")
def story(complaint_id: ComplaintId, as_json: AsJson = False) -> None:
    """Tell the whole story of a complaint: stages, promises, goodwill and its case.

    [bold]Example:[/bold] kehu complaint story cmp_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    from libs.command.views import case

    with client() as connected:
        told = connected.interactions.get_complaint_story(complaint_id=complaint_id)
    if as_json:
        print_json(as_dict(told))
    else:
        console.print(case.story(told))


def _tell(told: Case, *, as_json: bool) -> None:
    from libs.command.views import case

    if as_json:
        print_json(as_dict(told))
    else:
        console.print(case.card(told))
