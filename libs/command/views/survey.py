"""Surveys in a terminal: questionnaires as they are asked, and scores as bars with their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from libs.command.views.words import moment, name_of, word

if TYPE_CHECKING:
    from kehu.surveys.v1.collection_pb2 import Quota
    from kehu.surveys.v1.questionnaires_pb2 import Item, Questionnaire, Route, Rule, Survey
    from kehu.surveys.v1.results_pb2 import Estimate, GroupComparison, ResponseRate, Score, Servqual, TrendPoint

BAR: Final = 40
"""Characters of a bar."""
ENDS: Final[Mapping[str, tuple[float, float]]] = {"NPS": (-100, 100), "CSAT": (0, 1), "CES": (1, 7)}
"""Metric → ends of its scale."""
METRICS: Final[Mapping[str, str]] = {"NPS_0_10": "NPS", "CSAT_1_5": "CSAT", "CES_1_7": "CES"}
"""Type of an item → the metric that it is scored by."""
_COMPARED: Final = {"AT_MOST": "<=", "AT_LEAST": ">=", "ONE_OF": "is", "NONE_OF": "is not"}


def survey(found: Survey) -> RenderableType:
    """What a survey is and where it stands, with its questionnaire."""
    head = Text(found.display_name, style="bold")
    head.append(f"  {word(name_of(found, 'state'))}", style="cyan")
    version = f"  version {found.version}, wave {found.wave}" if found.version else ""
    head.append(f"  {word(name_of(found, 'kind'))}, {word(name_of(found, 'anonymity'))}{version}  ", style="dim")
    head.append(found.id, style="dim")
    return Group(head, questionnaire(found.questionnaire))


def questionnaire(asked: Questionnaire, route: Route | None = None, language: str = "") -> RenderableType:
    """Items in their order. With a route, those that are not asked are crossed out and the next one is marked."""
    spoken = language if language in asked.languages else asked.languages[0]
    lines: list[RenderableType] = []
    if words := asked.introduction.get(spoken):
        lines.append(Text(words, style="italic"))
    for item in asked.items:
        hidden = route is not None and item.key not in route.shown
        mark = "→ " if route is not None and route.next == item.key else "  "
        line = Text(mark, style="bold green")
        line.append(item.key, style="bold")
        line.append(f"  {item.texts[spoken]}", style="strike dim" if hidden else "")
        line.append("  required" if item.required else "", style="yellow")
        lines += [line, *_answers(item, spoken)]
        if item.asked_when:
            lines.append(Text(f"      asked when {', '.join(map(rule, item.asked_when))}", style="dim"))
        for jump in asked.jumps:
            if jump.after == item.key:
                goal = "screened out" if jump.screens_out else jump.to or "end"
                when = f" when {', '.join(map(rule, jump.when))}" if jump.when else ""
                lines.append(Text(f"      then to {goal}{when}", style="dim"))
    if route is not None:
        lines.append(Text(f"{word(name_of(route, 'ending'))}: {len(route.shown)} of {len(asked.items)} items"))
    return Group(*lines)


def _answers(item: Item, language: str) -> Iterable[Text]:
    kind = name_of(item, "type")
    choices = [f"{each.key} {each.texts[language]}" for each in item.options]
    scale = f" {item.low} to {item.high}" if item.high > item.low else ""
    rows = [each.texts[language] for each in item.rows]
    told = " · ".join([*rows, *choices])
    yield Text(f"      {word(kind)}{scale}{': ' if told else ''}{told}", style="dim")


def rule(each: Rule) -> str:
    """A rule as it is written in a file."""
    comparison = name_of(each, "comparison")
    if comparison in _COMPARED:
        return f"{each.item} {_COMPARED[comparison]} {', '.join(each.values)}"
    return f"{each.item} {comparison.lower()}"


def listing(found: Sequence[Survey]) -> RenderableType:
    """A line for each survey."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("survey", "kind", "state", "wave", "launched", "id"):
        table.add_column(heading)
    for each in found:
        launched = moment(each.launch_time) if each.HasField("launch_time") else ""
        name = Text(each.display_name, style="bold")
        kind, state = word(name_of(each, "kind")), word(name_of(each, "state"))
        table.add_row(name, kind, state, str(each.wave or ""), launched, Text(each.id, style="dim"))
    return table


def scores(found: Sequence[tuple[str, Score]]) -> RenderableType:
    """A bar for each score with its interval, or the reason why it is not shown."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for number, heading in enumerate(("", "", "score", "95 % interval", "answers", "worth")):
        table.add_column(heading, justify="right" if number > 1 else "left")
    for name, each in found:
        metric = name_of(each, "metric")
        counted = (f"{each.base:,}", f"{each.effective_base:,.0f}")
        if not each.HasField("estimate"):
            missing = Text(f"not shown below {each.suppressed_below} answers", style="yellow")
            table.add_row(Text(name, style="bold"), missing, "", "", *counted)
            continue
        interval = f"{figure(metric, each.estimate.lower)} to {figure(metric, each.estimate.upper)}"
        value = Text(figure(metric, each.estimate.value), style="bold")
        table.add_row(Text(name, style="bold"), bar(each.estimate, ENDS[metric]), value, interval, *counted)
    return table


def bar(estimate: Estimate, ends: tuple[float, float]) -> Text:
    """A scale with the interval as a band and the value as a point."""
    low, high = ends
    places = [
        min(BAR - 1, max(0, int((number - low) / (high - low) * BAR)))
        for number in (estimate.lower, estimate.value, estimate.upper)
    ]
    text = Text("─" * places[0], style="dim")
    text.append("━" * (places[1] - places[0]), style="cyan")
    text.append("●", style="bold green")
    text.append("━" * (places[2] - places[1]), style="cyan")
    text.append("─" * (BAR - 1 - places[2]), style="dim")
    return text


def figure(metric: str, value: float) -> str:
    """A score as it is said: a signed whole scale, a share, or a mean."""
    return {"NPS": f"{value:+.1f}", "CSAT": f"{value:.1%}", "CES": f"{value:.2f}"}[metric]


def trend(points: Sequence[TrendPoint]) -> RenderableType:
    """A line for each month. Other words begin another line of the trend."""
    parts: list[RenderableType] = []
    run: list[tuple[str, Score]] = []
    for each in points:
        if each.breaks:
            parts += [scores(run), Text("  other words from here on: not to be compared", style="yellow")]
            run = []
        run.append((each.month, each.score))
    return Group(*parts, scores(run))


def comparison(names: tuple[str, str], found: GroupComparison) -> RenderableType:
    """Two groups, and the interval of their difference."""
    shown: list[RenderableType] = [scores([(names[0], found.first), (names[1], found.second)])]
    if found.HasField("difference"):
        metric, gap = name_of(found.first, "metric"), found.difference
        told = f"difference {figure(metric, gap.value)}, between {figure(metric, gap.lower)} and "
        told += figure(metric, gap.upper)
        verdict = "more than chance" if found.significant else "may be chance"
        shown.append(Text(f"{told}: {verdict}", style="bold" if found.significant else ""))
    return Group(*shown)


def gaps(found: Servqual) -> RenderableType:
    """A line for each dimension of service quality, the widest gap first."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", title="service quality", title_style="bold")
    for number, heading in enumerate(("dimension", "expected", "perceived", "gap", "95 % interval", "")):
        table.add_column(heading, justify="right" if 0 < number < 5 else "left")
    rated = [each for each in found.dimensions if each.HasField("gap")]
    widest = max((abs(each.gap.value) for each in rated), default=1.0) or 1.0
    for each in sorted(rated, key=lambda one: one.gap.value):
        style = "red" if each.gap.upper < 0 else "green" if each.gap.lower > 0 else "dim"
        table.add_row(
            each.dimension,
            f"{each.expectation.value:.2f}",
            f"{each.perception.value:.2f}",
            Text(f"{each.gap.value:+.2f}", style=f"bold {style}"),
            f"{each.gap.lower:+.2f} to {each.gap.upper:+.2f}",
            Text("█" * round(abs(each.gap.value) / widest * BAR / 2), style=style),
        )
    return table


def rate(found: ResponseRate) -> Text:
    """The share of those reached who answered, and what became of the others."""
    if not found.HasField("rate"):
        return Text("nobody was reached by an invitation", style="dim")
    interval = f"{found.rate.lower:.0%} to {found.rate.upper:.0%}"
    text = Text(f"{found.answered:,} of {found.reached:,} answered: {found.rate.value:.1%} ({interval})  ")
    others = ", ".join(f"{word(state)} {count:,}" for state, count in sorted(found.states.items()))
    return text.append(others, style="dim")


def quotas(found: Iterable[Quota]) -> RenderableType:
    """A bar for each quota."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for each in found:
        filled = min(BAR, each.counted * BAR // max(each.limit, 1))
        shown = Text("█" * filled, style="green").append("░" * (BAR - filled), style="dim")
        table.add_row(each.key, shown, f"{each.counted:,} of {each.limit:,}")
    return table
