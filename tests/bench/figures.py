"""A figure: what was measured, what it is held against, and whether it reaches what was set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Self

from rich.table import Table

from libs import generated

PAGE = generated.ROOT / "docs" / "figures.md"
FIRST, LAST = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of the table."""

    name: str
    baseline: str
    """Baseline of the same run. Empty for an absolute figure."""
    ours: float
    bare: float | None
    value: float
    """The ratio, or the absolute figure."""
    reach: str
    ok: bool

    @classmethod
    def ratio(cls, name: str, baseline: str, rates: Mapping[str, float], *, reach: float | None = None) -> Self:
        """`ours` per second over `bare` per second, which should be at least `reach` if that is given."""
        value = rates["ours"] / rates["bare"]
        return cls(
            name=name,
            baseline=baseline,
            ours=rates["ours"],
            bare=rates["bare"],
            value=value,
            reach="" if reach is None else f">= {reach:g}",
            ok=reach is None or value >= reach,
        )

    @classmethod
    def limit(cls, name: str, value: float, *, most: float) -> Self:
        """An absolute figure that should be at most so much."""
        return cls(name=name, baseline="", ours=value, bare=None, value=value, reach=f"<= {most:g}", ok=value <= most)

    @classmethod
    def stated(cls, name: str, value: float) -> Self:
        """An absolute figure to which no limit is set."""
        return cls(name=name, baseline="", ours=value, bare=None, value=value, reach="", ok=True)

    @classmethod
    def growth(cls, name: str, before: float, after: float, *, most: float, baseline: str = "the same before") -> Self:
        """A cost over the one it is held against, such as that before growth, which should be at most so much."""
        value = after / before
        return cls(
            name=name,
            baseline=baseline,
            ours=after,
            bare=before,
            value=value,
            reach=f"<= {most:g}",
            ok=value <= most,
        )


def table(figures: Sequence[Figure]) -> Table:
    """The figures for a person."""
    shown = Table(title="Figures, each beside its bare baseline in the same run", title_justify="left")
    for heading, justify in (
        ("figure", "left"),
        ("baseline", "left"),
        ("ours", "right"),
        ("bare", "right"),
        ("result", "right"),
        ("reach", "right"),
        ("", "left"),
    ):
        shown.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for figure in figures:
        shown.add_row(
            figure.name,
            figure.baseline,
            _number(figure.ours),
            _number(figure.bare),
            f"{figure.value:.2f}",
            figure.reach,
            "[green]OK[/green]" if figure.ok else "[red]missed[/red]",
        )
    return shown


def record(figures: Sequence[Figure], page: Path = PAGE, on: date | None = None) -> None:
    """Puts the figures into their rows of docs/figures.md, below those that are there when they are new."""
    text = page.read_text()
    _, _, rest = text.partition(FIRST)
    kept = dict(_rows(rest.partition(LAST)[0]))
    kept |= {each.name: _row(each, on or datetime.now(UTC).date()) for each in figures}
    head = "| figure | ours | bare | result | wanted | measured |\n| --- | ---: | ---: | ---: | --- | --- |\n"
    page.write_text(generated.between(text, FIRST, LAST, f"\n{head}{''.join(kept.values())}\n"))


def _rows(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines(keepends=True):
        name = line.removeprefix("| ").partition(" |")[0]
        if line.startswith("| ") and name not in {"figure", "---"}:
            yield name.partition(" ‖ ")[0], line


def _row(figure: Figure, on: date) -> str:
    name = f"{figure.name} ‖ {figure.baseline}" if figure.baseline else figure.name
    missed = "" if figure.ok else ", missed"
    ours, bare = _number(figure.ours), _number(figure.bare)
    return f"| {name} | {ours} | {bare} | {figure.value:.2f} | {figure.reach}{missed} | {on} |\n"


def as_json(figures: Sequence[Figure]) -> list[dict[str, object]]:
    """The figures for a program."""
    return [asdict(figure) for figure in figures]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"
