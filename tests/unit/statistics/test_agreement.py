"""Reliability and agreement against published values."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from libs.statistics.agreement import cohen_kappa, cronbach_alpha, standardized_alpha


def test_alpha_of_the_published_files(reference_data: Path) -> None:
    people = defaultdict[str, list[float | None]](list)
    with (reference_data / "surveys" / "cronbach_alpha_long.csv").open() as file:
        for row in csv.DictReader(file):
            people[row["Subj"]].append(float(row["Scores"]))
    assert cronbach_alpha([*people.values()]) == pytest.approx(0.5917188486, abs=1e-9)
    with (reference_data / "surveys" / "cronbach_wide_missing.csv").open(encoding="utf-8-sig") as file:
        wide = [[float(cell) if cell else None for cell in row.values()] for row in csv.DictReader(file)]
    assert cronbach_alpha(wide) == pytest.approx(0.8016949153, abs=1e-9)
    assert cronbach_alpha(wide, pairwise=True) == pytest.approx(0.7326608352, abs=1e-9)


def test_standardized_alpha_of_the_published_survey(reference_data: Path) -> None:
    with (reference_data / "surveys" / "ecsi_mobile_250.csv").open() as file:
        rows = [*csv.DictReader(file)]
    expected = {"IMAG": 0.723, "CUEX": 0.452, "PERQ": 0.877, "PERV": 0.824, "CUSA": 0.779}
    for scale, alpha in expected.items():
        items = [name for name in rows[0] if name.startswith(scale)]
        assert standardized_alpha([[float(row[item]) for item in items] for row in rows]) == pytest.approx(
            alpha, abs=6e-4
        )


def test_a_scale_where_nobody_differs_has_no_alpha() -> None:
    assert cronbach_alpha([[3, 3], [3, 3], [3, 3]]) is None
    assert cronbach_alpha([[1, None], [2, 3]]) is None
    with pytest.raises(ValueError, match="at least two items"):
        cronbach_alpha([[1], [2]])


def test_kappa_counts_what_chance_does_not_explain() -> None:
    # The textbook table of 50 proposals: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no.
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4)
    assert cohen_kappa(["a", "a"], ["a", "a"]) is None
    assert cohen_kappa([], []) is None
