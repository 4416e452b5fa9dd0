"""`kehu case`: what a customer needs done, from opening it to the word of the customer, and its clocks explained."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from libs.command.output import AsJson, Misuse, as_dict, client, console, print_json

if TYPE_CHECKING:
    from kehu.interactions.v1.cases_pb2 import Case

cases = typer.Typer(no_args_is_help=True, help="Cases: opening them, working on them, and their clocks explained.")

CaseId = Annotated[str, typer.Argument(help="The id cas_….")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(cases, name="case")


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
def clock(
    case_id: CaseId,
    when: Annotated[
        datetime | None, typer.Option("--at", formats=["%Y-%m-%dT%H:%M"], help="Look at them at a time, in UTC.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Explain the clocks of a case: each stretch that counted or did not, and the rule that says so.

    [bold]Example:[/bold] kehu case clock cas_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    from libs.command.views import case

    with client() as connected:
        told = connected.interactions.explain_clocks(
            case_id=case_id, time=when.replace(tzinfo=UTC) if when is not None else None
        )
    if as_json:
        print_json(as_dict(told))
    else:
        console.print(case.clocks(told.clocks))


@cases.command("start")
def start(case_id: CaseId, as_json: AsJson = False) -> None:
    """Go on with a case.

    [bold]Example:[/bold] kehu case start cas_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.interactions.start_case(case_id=case_id), as_json=as_json)


@cases.command("wait")
def wait(
    case_id: CaseId,
    next_step: Annotated[str, typer.Argument(help="The next step, in words for the customer.")],
    until: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="Its time, in UTC.")],
    *,
    whom: Annotated[str, typer.Option("--for", help="customer, third_party or date.")] = "customer",
    as_json: AsJson = False,
) -> None:
    """Let a case wait for somebody, or for a date. The clocks whose policy says so are paused.

    [bold]Example:[/bold] kehu case wait cas_01jd5w3k8e7r9s2t4v6x8y0z1a "Please send the receipt" 2026-09-01
    """
    states = {"customer": "WAITING_CUSTOMER", "third_party": "WAITING_THIRD_PARTY", "date": "SCHEDULED"}
    if whom not in states:
        raise Misuse(f"--for is one of {', '.join(states)}, not {whom}")
    at = until.replace(tzinfo=UTC)
    with client() as connected:
        told = connected.interactions.wait_case(case_id=case_id, state=states[whom], next_step=next_step, next_time=at)
    _tell(told, as_json=as_json)


@cases.command("resolve")
def resolve(
    case_id: CaseId,
    cause: Annotated[str, typer.Argument(help="The cause.")],
    explanation: Annotated[str, typer.Argument(help="The outcome, in words for the customer.")],
    as_json: AsJson = False,
) -> None:
    """Resolve a case, past no guard.

    [bold]Example:[/bold] kehu case resolve cas_01jd5w3k8e7r9s2t4v6x8y0z1a "late bill" "The invoice is on its way."
    """
    with client() as connected:
        told = connected.interactions.resolve_case(case_id=case_id, cause=cause, explanation=explanation)
    _tell(told, as_json=as_json)


@cases.command("reopen")
def reopen(
    case_id: CaseId,
    reason: Annotated[str, typer.Argument(help="The reason for which it came back.")],
    as_json: AsJson = False,
) -> None:
    """Go on with a case that came back: the same one within its window, else one that follows it.

    [bold]Example:[/bold] kehu case reopen cas_01jd5w3k8e7r9s2t4v6x8y0z1a "The invoice is wrong"
    """
    with client() as connected:
        _tell(connected.interactions.reopen_case(case_id=case_id, reason=reason), as_json=as_json)


@cases.command("confirm")
def confirm(case_id: CaseId, as_json: AsJson = False) -> None:
    """Note that the customer is satisfied. The case closes.

    [bold]Example:[/bold] kehu case confirm cas_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.interactions.confirm_case(case_id=case_id), as_json=as_json)


def _tell(told: Case, *, as_json: bool) -> None:
    from libs.command.views import case

    if as_json:
        print_json(as_dict(told))
    else:
        console.print(case.card(told))
