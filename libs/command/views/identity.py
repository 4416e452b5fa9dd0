"""Views of proposed duplicates and of merges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kehu.profiles.v1.consent_pb2 import ConsentDecision
from kehu.profiles.v1.customer_pb2 import Customer
from kehu.profiles.v1.duplicates_pb2 import DuplicateCandidate, Evidence, Match
from kehu.profiles.v1.identity_pb2 import FieldOrigin
from kehu.profiles.v1.merges_pb2 import FieldDecision, MergeRecord, PreviewMergeResponse
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from libs.client.values import enum_name
from libs.command.views.words import moment, name_of, word

_COLOURS = {"LIKELY": "bold green", "POSSIBLE": "yellow"}


def duplicates(rows: Iterable[tuple[str, Match | DuplicateCandidate]]) -> Table:
    """A table of those who may be the same: (who, how alike)."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading, justify in (("score", "right"), ("", "left"), ("why", "left"), ("who", "left")):
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for who, match in rows:
        name = name_of(match, "band")
        why = ", ".join(escape(line) for line in _reasons(match.evidence))
        table.add_row(f"{match.score:.1f}", f"[{_COLOURS.get(name, 'dim')}]{word(name)}[/]", why, who)
    return table


def preview(found: PreviewMergeResponse, names: dict[str, str]) -> RenderableType:
    """Shows the result of a merge: the evidence, the values that stand, and what forbids it."""
    parts: list[RenderableType] = [duplicates([("", match)]) for match in found.matches]
    parts += [Text(), *(_decision(each, names) for each in found.field_decisions)]
    reach = ", ".join(point.canonical for point in found.customer.contact_points) or "nothing"
    parts.append(Text(f"  then reached by {reach}", style="dim"))
    refusals = [each for each in found.customer.consent.decisions if name_of(each, "state") in ("DENIED", "WITHDRAWN")]
    if refusals:
        parts.append(Text(f"  then refused: {', '.join(sorted({_scope(each) for each in refusals}))}", style="dim"))
    parts += [Text(f"  forbidden: {word(enum_name(Match.Veto.DESCRIPTOR, v))}", style="bold red") for v in found.vetoes]
    return Group(*parts)


def merge_line(merge: MergeRecord, names: dict[str, str]) -> Text:
    """One merge in the list of merges."""
    losers = ", ".join(_name(id, names) for id in merge.loser_ids)
    line = f"{moment(merge.create_time)}  {merge.id}  {losers} → {_name(merge.survivor_id, names)}  by {merge.actor}"
    if merge.reason:
        line += f": {merge.reason}"
    if name_of(merge, "state") == "UNMERGED":
        line += f"  undone {moment(merge.unmerge_time)} by {merge.unmerge_actor}"
        line += f": {merge.unmerge_reason}" if merge.unmerge_reason else ""
        return Text(line, style="dim")
    return Text(line)


def origin_table(origins: Iterable[FieldOrigin]) -> Table:
    """A table of where the fields of a customer come from."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("field", "since", "revision", "by", "how"):
        table.add_column(heading, overflow="fold")
    for each in origins:
        how = word(each.event_type.split(".")[-2])
        if each.rule:
            how += f": {word(name_of(each, 'rule'))}"
        if each.customer_id:
            how += f" from {each.customer_id}"
        table.add_row(word(each.field), moment(each.change_time), str(each.revision), escape(each.actor), how)
    return table


def label(customer: Customer) -> str:
    """A customer in a table."""
    return f"[bold]{escape(customer.display_name or '–')}[/bold] [dim]{customer.id}[/dim]"


def _reasons(evidence: Sequence[Evidence]) -> Iterator[str]:
    """`birth same +13`, what counts most first, for the features that say something."""
    telling = sorted((each for each in evidence if each.weight), key=lambda each: -abs(each.weight))
    for each in telling[:6]:
        yield f"{word(name_of(each, 'feature'))} {word(name_of(each, 'agreement'))} {each.weight:+g}"


def _decision(decision: FieldDecision, names: dict[str, str]) -> Text:
    rule, who = name_of(decision, "rule"), _name(decision.customer_id, names)
    told = {
        "SURVIVOR": f"stays that of {who}",
        "FILLED": f"comes from {who}",
        "CHOSEN": f"is that of {who}, as chosen",
        "UNITED": "of all of them",
        "FURTHEST": "the one nearest to buying",
        "MOST_RESTRICTIVE": "the most restrictive of all of them",
    }
    return Text(f"  {word(decision.field)}: {told.get(rule, word(rule))}")


def _scope(decision: ConsentDecision) -> str:
    purpose = word(name_of(decision, "purpose"))
    return f"{purpose} at {decision.contact_point}" if decision.contact_point else purpose


def _name(id: str, names: dict[str, str]) -> str:
    return f"{names[id]} ({id})" if names.get(id) else id
