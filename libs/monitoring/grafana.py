"""Dashboards for Grafana: a small declaration, and its encoding with Grafana's own typed builders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model

_WIDTH: Final = 24
_HEIGHT: Final = 8
_SOURCE: Final = model.DataSourceRef(type_val="prometheus", uid="$datasource")


@dataclass(frozen=True, slots=True)
class Line:
    """One query of a panel. Its legend names labels as `{{label}}`."""

    expr: str
    legend: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One figure over time."""

    title: str
    about: str
    """Description of the panel: its meaning, and the normal range."""
    unit: str
    """Grafana's name of the unit: `s`, `bytes`, `percentunit`, `reqps`, `ops`. `none` counts things."""
    lines: Sequence[Line]
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side under a heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One page."""

    name: str
    title: str
    about: str
    rows: Sequence[Row]


def encode(page: Dashboard) -> str:
    """The JSON that Grafana imports."""
    built = (
        dashboard.Dashboard(page.title)
        .uid(f"kehu-{page.name}")
        .description(page.about)
        .tags(["kehu"])
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .time("now-3h", "now")
        .refresh("1m")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_variable("namespace", "Namespace", 'label_values(up{role=~"api|web|worker"}, namespace)'))
        .with_variable(
            _variable(
                "service", "Service", 'label_values(up{namespace=~"$namespace", role=~"api|web|worker"}, service)'
            )
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(model.VariableOption(selected=True, text=["All"], value=["$__all"]))
        )
        .link(dashboard.DashboardLink("Kehu").type(model.DashboardLinkType.DASHBOARDS).tags(["kehu"]).as_dropdown(True))
    )
    number = 0
    for row in page.rows:
        number += 1
        built = built.with_row(dashboard.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            built = built.with_panel(_panel(panel, number, _WIDTH // len(row.panels)))
    return JSONEncoder(sort_keys=True, indent=1, ensure_ascii=False).encode(built.build()) + "\n"


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(_SOURCE)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )


def _panel(panel: Panel, number: int, width: int) -> timeseries.Panel:
    built = (
        timeseries.Panel()
        .id(number)
        .title(panel.title)
        .description(panel.about)
        .datasource(_SOURCE)
        .unit(panel.unit)
        .min(0)  # an axis that does not begin at nothing makes mountains of ripples
        .height(_HEIGHT)
        .span(width)
        .line_width(2)
        .fill_opacity(30 if panel.stacked else 0)
        .show_points(options.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(options.LegendDisplayMode.LIST)
            .placement(options.LegendPlacement.BOTTOM)
        )
        .tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING))
    )
    if panel.stacked:
        built = built.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL))
    for letter, line in zip("ABCDEFGH", panel.lines, strict=False):
        built = built.with_target(prometheus.Dataquery().expr(line.expr).legend_format(line.legend).ref_id(letter))
    return built
