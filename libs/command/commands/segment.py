"""`kehu segment`: groups of customers, who belongs to them, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from libs.command.output import AsJson, as_dict, client, console, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kehu.profiles.v1.segments_pb2 import Segment, SegmentReason

segments = typer.Typer(no_args_is_help=True, help="Segments: groups of customers told by a filter, and who is in them.")

Name = Annotated[str, typer.Argument(help="The key, or the id seg_….")]
Limit = Annotated[int, typer.Option(help="How many at most.", min=1)]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(segments, name="segment")


@segments.command("define")
def define(
    key: Annotated[str, typer.Argument(help="A short lower-case name such as quiet-buyers.")],
    filter: Annotated[str, typer.Argument(help="Who belongs to it.")],
    name: Annotated[str, typer.Option(help="The name for people.")] = "",
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: AsJson = False,
) -> None:
    """Define a segment, or another version of the one with this key. Everybody is looked at in the background.

    [bold]Example:[/bold] kehu segment define quiet-buyers "sale_count >= 2 AND days_since_last_contact >= 90"
    """
    draft = {"key": key, "filter": filter, "display_name": name, "description": description}
    with client() as connected:
        defined = connected.profiles.define_segment(segment=draft)
    if as_json:
        print_json(as_dict(defined))
    else:
        console.print(f"{defined.id}  {escape(key)} version {defined.version}; `kehu segment show {key}` tells more")


@segments.command("list")
def show_all(
    *,
    retired: Annotated[bool, typer.Option("--retired", help="Those out of use too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the segments.

    [bold]Example:[/bold] kehu segment list
    """
    with client() as connected:
        found = list(connected.profiles.list_segments(show_retired=retired, page_size=500))
    if as_json:
        print_json([as_dict(each) for each in found])
        return
    if not found:
        console.print("there is none; `kehu segment define` makes one")
        return
    table = _table("key", "name", "version", "members", "filter")
    for each in found:
        table.add_row(
            Text(each.key, style="bold"), each.display_name, _version(each), f"{each.member_count:,}", Text(each.filter)
        )
    console.print(table)


@segments.command("show")
def show(name: Name, limit: Limit = 20, as_json: AsJson = False) -> None:
    """Show a segment with the customers who came last, and what brought each.

    [bold]Example:[/bold] kehu segment show quiet-buyers --limit 5
    """
    from libs.command.views.words import ago, moment

    with client() as connected:
        segment = connected.profiles.get_segment(segment=name)
        pager = connected.profiles.list_segment_members(segment=name, page_size=min(limit, 500))
        members = list(islice(pager, limit))
        ids = [each.customer_id for each in members]
        known = connected.profiles.batch_get_customers(customer_ids=ids).customers if ids else ()
        names = {customer.id: customer.display_name for customer in known}
    if as_json:
        print_json({"segment": as_dict(segment), "members": [as_dict(each) for each in members]})
        return
    console.print(f"[bold]{escape(segment.display_name or segment.key)}[/bold]  {escape(segment.description)}")
    console.print(Text(segment.filter, style="cyan"))
    looked = f", counted {moment(segment.evaluate_time)}" if segment.HasField("evaluate_time") else ""
    console.print(f"version {_version(segment)}, {segment.member_count:,} members{looked}\n", highlight=False)
    table = _table("customer", "since", "because", "id")
    for each in members:
        since = ago(each.enter_time, datetime.now(UTC))
        table.add_row(
            names.get(each.customer_id, ""), since, _because(each.reasons), Text(each.customer_id, style="dim")
        )
    console.print(table if members else "nobody is in it")


@segments.command("preview")
def preview(
    filter: Annotated[str, typer.Argument(help="Who would belong.")],
    customer: Annotated[list[str] | None, typer.Option(help="A customer to ask about, cus_…; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=100)] = 20,
    as_json: AsJson = False,
) -> None:
    """Try a filter on the newest customers, or ask why somebody is in or out. Nothing is stored.

    [bold]Examples:[/bold]

      kehu segment preview "lifecycle = ACTIVE AND -last_contact_time:*"\n
      kehu segment preview "sale_count >= 2" --customer cus_01jd…
    """
    with client() as connected:
        found = connected.profiles.preview_segment(filter=filter, customer_ids=customer or [], sample_size=limit)
    if as_json:
        print_json(as_dict(found))
        return
    more = " so far" if found.partial else ""
    console.print(f"{found.matched_count:,} of {found.examined_count:,} customers{more} meet it\n")
    table = _table("", "customer", "because", "id")
    for each in found.verdicts:
        mark = Text("✓", style="green") if each.matches else Text("✗", style="red")
        table.add_row(mark, each.display_name, _because(each.reasons), Text(each.customer_id, style="dim"))
    if found.verdicts:
        console.print(table)


@segments.command("retire")
def retire(name: Name) -> None:
    """Take a segment out of use. Its members leave it in the background.

    [bold]Example:[/bold] kehu segment retire quiet-buyers
    """
    with client() as connected:
        retired = connected.profiles.retire_segment(segment=name)
    console.print(f"{escape(retired.key)} is out of use")


def _version(segment: Segment) -> str:
    if segment.State.Name(segment.state) == "STATE_RETIRED":
        return "retired"
    pending = segment.evaluated_version < segment.version
    return f"{segment.version}" + (" (everybody is being looked at)" if pending else "")


def _because(reasons: Iterable[SegmentReason]) -> Text:
    lines = (f"{each.clause}  [{each.value}]" if each.value else each.clause for each in reasons)
    return Text("\n".join(lines))


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        if heading in ("id", "key"):
            table.add_column(heading, no_wrap=True, min_width=30 if heading == "id" else 0)
        else:
            table.add_column(heading)
    return table
