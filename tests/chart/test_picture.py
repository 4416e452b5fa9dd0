"""What a drawn dashboard tells is legible and true: round figures, axes from nothing, gaps, and no name lost."""

from __future__ import annotations

import pytest

from libs.monitoring import picture


@pytest.mark.parametrize(
    ("most", "unit", "expected"),
    [
        (0.0, "none", ["0", "1"]),
        (1.0, "none", ["0", "1", "2"]),
        (7.0, "none", ["0", "2", "4", "6", "8"]),
        (0.0, "percentunit", ["0", "0.25 %", "0.5 %", "0.75 %", "1 %"]),
        (0.23, "s", ["0", "100 ms", "200 ms", "300 ms"]),
        (3e8, "bytes", ["0", "100 MiB", "200 MiB", "300 MiB", "400 MiB"]),
        (18.0, "reqps", ["0", "5/s", "10/s", "15/s", "20/s"]),
    ],
)
def test_an_axis_has_round_figures_from_nothing_to_above_the_greatest(
    most: float, unit: str, expected: list[str]
) -> None:
    ticks = picture._ticks(most, unit)
    assert [picture._figure(tick, unit) for tick in ticks] == expected
    assert ticks[0] == 0
    assert ticks[-1] >= most


def test_where_there_are_no_figures_the_line_has_a_gap() -> None:
    frame = picture._Frame(0, 0, 120, 10, 0, 120, 10)
    points = [(0, 1.0), (1, 2.0), (2, float("nan")), (3, float("nan")), (4, 3.0), (5, 3.0)]
    path = picture._path(frame, picture._Line("a", points), "#000")
    assert 'd="M0.0 9.0L1.0 8.0M4.0 7.0L5.0 7.0"' in path


def test_names_that_do_not_fit_are_counted() -> None:
    lines = [(picture._Line(f"a long name, number {n}", ()), "#000") for n in range(9)]
    drawn = "".join(picture._legend(lines, 0, 0, 400))
    shown = drawn.count("a long name")
    assert 0 < shown < 9
    assert f"and {9 - shown} more" in drawn
    assert "more" not in "".join(picture._legend(lines[:2], 0, 0, 400))
