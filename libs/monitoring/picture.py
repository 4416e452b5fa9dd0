"""A dashboard drawn as SVG from live data: the panels, queries, legends and units are those of its JSON.

It is for pages that cannot show Grafana. Axes begin at nothing, gaps in the data are gaps in the line, and what does
not fit into a legend is counted there.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

from libs.monitoring.prometheus import Api

_COLUMN: Final = 50
_UNIT: Final = 27
_MARGIN: Final = 20
_HEAD: Final = 64
_FOOT: Final = 34
_COLUMNS: Final = 24
_POINTS: Final = 120
"""Points of a line. One every few pixels."""
_COLOURS: Final = ("#2f6fde", "#e0822f", "#2a9d78", "#c2417c", "#7a5bd0", "#a88a1c", "#3aa0c9", "#8a5a44")
_LIMIT: Final = "#9aa3af"
"""The colour of what is allowed, which is dashed."""
_STYLE: Final = (
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:#1f2933}"
    ".q{fill:#6b7683}.h{font-weight:600}"
)
_LETTER: Final = 6.3
"""Pixels of an average letter of size 11."""


@dataclass(frozen=True, slots=True)
class _Line:
    legend: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Frame of a panel's lines: pixels, and the moments and figures that they stand for."""

    left: float
    top: float
    width: float
    height: float
    start: float
    end: float
    most: float

    def x(self, at: float) -> float:
        """The place of a moment."""
        return self.left + (at - self.start) / (self.end - self.start) * self.width

    def y(self, value: float) -> float:
        """The place of a figure."""
        return self.top + self.height * (1 - min(value, self.most) / self.most)


def draw(source: str, prometheus: Api, *, minutes: float = 15.0, now: float | None = None) -> str:
    """The SVG of a dashboard (its JSON) over the last `minutes`. StackError when Prometheus does not answer."""
    page = json.loads(source)
    end = time.time() if now is None else now
    start = end - minutes * 60
    step = max(1.0, (end - start) / _POINTS)
    window = f"{max(4 * step, 20):.0f}s"
    low = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in page["panels"])
    width, height = _COLUMNS * _COLUMN + 2 * _MARGIN, _HEAD + low * _UNIT + _FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#f3f5f8"/>',
        _text(_MARGIN + 4, 32, page["title"], size=20, kind="h"),
        _text(_MARGIN + 4, 52, page["description"], size=12, kind="q"),
    ]
    for panel in page["panels"]:
        place = panel["gridPos"]
        x, y = _MARGIN + place["x"] * _COLUMN, _HEAD + place["y"] * _UNIT
        if panel["type"] == "row":
            parts.append(_text(x + 4, y + 19, panel["title"].upper(), size=11, kind="q h", spaced=True))
        else:
            lines = [
                line
                for target in panel["targets"]
                for line in _lines(prometheus, target, (start, end), step, window=window)
            ]
            parts += _panel(
                panel, lines, (x + 4, y + 4, place["w"] * _COLUMN - 8, place["h"] * _UNIT - 8), (start, end)
            )
    told = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(end))
    parts.append(
        _text(
            _MARGIN + 4,
            height - 14,
            f"Drawn by `python -m libs.monitoring picture` from a Prometheus that scraped the running services:"
            f" {minutes:g} minutes until {told}, rates over {window}.",
            size=11,
            kind="q",
        )
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _lines(
    prometheus: Api, target: Mapping[str, Any], span: tuple[float, float], step: float, *, window: str
) -> list[_Line]:
    expr = target["expr"].replace("$__rate_interval", window).replace("$namespace", "").replace("$service", ".*")
    found = prometheus.query_range(expr, *span, step)
    named = [_Line(_legend_text(target["legendFormat"], each.labels), each.points) for each in found]
    return sorted(named, key=lambda line: line.legend)


def _legend_text(template: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), template)


def _panel(
    panel: Mapping[str, Any], lines: Sequence[_Line], box: tuple[float, float, float, float], span: tuple[float, float]
) -> list[str]:
    x, y, width, height = box
    unit = panel["fieldConfig"]["defaults"]["unit"]
    top = max((value for line in lines for _, value in line.points if math.isfinite(value)), default=0.0)
    ticks = _ticks(top, unit)
    frame = _Frame(x + 58, y + 42, width - 74, height - 112, *span, ticks[-1])
    parts = [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="#fff" stroke="#dde2e8"/>',
        _text(x + 14, y + 24, panel["title"], size=13, kind="h"),
        *(_horizontal(frame, tick, _figure(tick, unit)) for tick in ticks),
        *_moments(frame),
    ]
    if not lines:
        parts.append(_text(x + width / 2, y + height / 2, "no data", size=12, kind="q", anchor="middle"))
    colours = iter(_COLOURS * (len(lines) // len(_COLOURS) + 1))
    coloured = [(line, _LIMIT if line.legend == "allowed" else next(colours)) for line in lines]
    parts += [_path(frame, line, colour) for line, colour in coloured]
    return [*parts, *_legend(coloured, x + 14, y + height - 32, width - 28)]


def _horizontal(frame: _Frame, tick: float, figure: str) -> str:
    y = frame.y(tick)
    line = f'<path d="M{frame.left:.1f} {y:.1f}h{frame.width:.1f}" stroke="{"#c3cad3" if tick == 0 else "#edf0f3"}"/>'
    return line + _text(frame.left - 8, y + 4, figure, size=11, kind="q", anchor="end")


def _moments(frame: _Frame) -> list[str]:
    """Marks on the axis of time, at round minutes."""
    minutes = (frame.end - frame.start) / 60
    every = next((each for each in (1, 2, 5, 10, 15, 30, 60, 120, 360) if minutes / each <= 5), 720) * 60
    first = math.ceil(frame.start / every) * every
    return [
        _text(frame.x(at), frame.top + frame.height + 16, _clock(at), size=11, kind="q", anchor="middle")
        for at in range(int(first), int(frame.end), every)
    ]


def _clock(at: float) -> str:
    return time.strftime("%H:%M", time.gmtime(at))


def _path(frame: _Frame, line: _Line, colour: str) -> str:
    """The line, interrupted where there are no figures."""
    step = (frame.end - frame.start) / _POINTS
    words: list[str] = []
    before = -math.inf
    for at, value in line.points:
        if math.isfinite(value):
            words.append(f"{'L' if at - before < 2.5 * step else 'M'}{frame.x(at):.1f} {frame.y(value):.1f}")
            before = at
    dashes = ' stroke-dasharray="5 4"' if colour == _LIMIT else ""
    return (
        f'<path d="{"".join(words)}" fill="none" stroke="{colour}" stroke-width="1.8" stroke-linejoin="round"{dashes}/>'
        if words
        else ""
    )


def _legend(lines: Sequence[tuple[_Line, str]], x: float, y: float, width: float) -> list[str]:
    """Names in two lines at most. How many there are more where they do not all fit."""
    placed: list[tuple[float, int]] = []
    at, row = x, 0
    for line, _ in lines:
        needed = 20 + len(line.legend) * _LETTER
        if at + needed > x + width and at > x:
            at, row = x, row + 1
        if row > 1:
            break
        placed.append((at, row))
        at += needed + 16
    if len(placed) < len(lines):
        while placed and placed[-1][1] == 1 and placed[-1][0] > x + width - 90:
            placed.pop()
        if placed[-1][1] == 1:
            at, row = placed.pop()
        else:
            at, row = x, 1
    parts = []
    for (line, colour), (left, down) in zip(lines, placed, strict=False):
        middle = y + down * 18
        parts.append(f'<rect x="{left:.1f}" y="{middle - 6:.1f}" width="14" height="3" rx="1.5" fill="{colour}"/>')
        parts.append(_text(left + 20, middle, line.legend, size=11))
    if len(placed) < len(lines):
        parts.append(_text(at, y + row * 18, f"and {len(lines) - len(placed)} more", size=11, kind="q"))
    return parts


def _ticks(most: float, unit: str) -> list[float]:
    """Round figures from 0 to above the greatest one."""
    least = {"percentunit": 0.01, "s": 0.001, "bytes": 1024.0**2}.get(unit, 1.0)
    most = max(most * 1.05, least)
    base = 1024.0 ** max(0, math.floor(math.log(most, 1024))) if unit == "bytes" else 1.0
    rough = most / base / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999) * base
    if unit == "none":
        step = max(1.0, round(step))  # there is no half a process
    return [number * step for number in range(math.ceil(most / step - 1e-9) + 1)]


def _figure(value: float, unit: str) -> str:
    """A figure with its unit, as a person would write it."""
    if not value:
        return "0"
    match unit:
        case "s":
            scale = next((each for each in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")) if value >= each[0]), (1e-6, "µs"))
            return f"{value / scale[0]:g} {scale[1]}"
        case "percentunit":
            return f"{value * 100:g} %"
        case "bytes":
            scale = next(
                each for each in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")) if value >= each[0]
            )
            return f"{value / scale[0]:g} {scale[1]}"
        case "reqps" | "ops":
            return f"{value:g}/s"
        case _:
            return f"{value:g}"


def _text(
    x: float, y: float, text: str, *, size: int, kind: str = "", anchor: str = "start", spaced: bool = False
) -> str:
    extra = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor != "start" else "")
    extra += ' letter-spacing="1"' if spaced else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}"{extra}>{escape(text)}</text>'
