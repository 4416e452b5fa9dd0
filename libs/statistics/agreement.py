"""Reliability of a scale of several items, and agreement between two people who sort the same things."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from math import fsum, sqrt


def _covariance(first: Sequence[float], second: Sequence[float]) -> float:
    n = len(first)
    of_first, of_second = fsum(first) / n, fsum(second) / n
    return fsum((a - of_first) * (b - of_second) for a, b in zip(first, second, strict=True)) / (n - 1)


def _matrix(rows: Sequence[Sequence[float | None]], *, pairwise: bool) -> list[list[float]] | None:
    width = {len(row) for row in rows}
    if len(width) != 1 or (k := width.pop()) < 2:
        raise ValueError("a scale has at least two items, the same ones for everybody")
    whole = [row for row in rows if None not in row]
    matrix = list[list[float]]()
    for i in range(k):
        line = list[float]()
        for j in range(k):
            pairs = (
                [(a, b) for row in rows if (a := row[i]) is not None and (b := row[j]) is not None]
                if pairwise
                else [(row[i] or 0.0, row[j] or 0.0) for row in whole]
            )
            if len(pairs) < 2:
                return None
            line.append(_covariance([a for a, _ in pairs], [b for _, b in pairs]))
        matrix.append(line)
    return matrix


def cronbach_alpha(rows: Sequence[Sequence[float | None]], *, pairwise: bool = False) -> float | None:
    """Internal consistency (Cronbach 1951): `k/(k-1) * (1 - sum of item variances / variance of the total)`.

    One row for each respondent, one place for each item, None where an answer is missing. Rows with a gap are left out
    unless `pairwise`, which works out every covariance from those who answered both items. None where fewer than two
    respondents are left or nobody differs.
    """
    matrix = _matrix(rows, pairwise=pairwise)
    if matrix is None:
        return None
    k, total = len(matrix), fsum(map(fsum, matrix))
    if total <= 0:
        return None
    return k / (k - 1) * (1 - fsum(matrix[i][i] for i in range(k)) / total)


def standardized_alpha(rows: Sequence[Sequence[float | None]]) -> float | None:
    """Cronbach's alpha of standardized items: `k*r / (1 + (k-1)*r)`, with r the mean correlation between items."""
    matrix = _matrix(rows, pairwise=False)
    if matrix is None or any(matrix[i][i] <= 0 for i in range(len(matrix))):
        return None
    k = len(matrix)
    r = fsum(matrix[i][j] / sqrt(matrix[i][i] * matrix[j][j]) for i in range(k) for j in range(i)) / (k * (k - 1) / 2)
    return k * r / (1 + (k - 1) * r)


def cohen_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Agreement of two coders beyond chance (Cohen 1960): `(observed - expected) / (1 - expected)`.

    Both name one code for each text, in the same order. None without texts, or where both used one code only, because
    chance alone explains that.
    """
    n = len(first)
    observed = sum(a == b for a, b in zip(first, second, strict=True))
    if not n:
        return None
    of_first, of_second = Counter(first), Counter(second)
    expected = sum(of_first[code] * of_second[code] for code in of_first) / n
    if expected == n:
        return None
    return (observed - expected) / (n - expected)
