"""Sample designs: how many to ask, whom to draw, and what each answer weighs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, fsum
from statistics import median
from typing import Final

from libs.chassis.domain import InvalidArgument
from libs.statistics.estimates import CONFIDENCE, quantile

WEIGHT_TRIM: Final = 5.0
"""Multiple of the median at which weights are cut."""


class FrameTooSmall(InvalidArgument):
    """The frame has {frame_size} customers and {sample_size} were to be drawn: draw at most as many as there are."""

    wrong_field = "sample_size"
    frame_size: int
    sample_size: int


class StratumUncovered(InvalidArgument):
    """Nobody of stratum {stratum} answered, and {size} customers are in it: merge it with another or ask more."""

    wrong_field = "strata"
    stratum: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Answers that a margin needs, and invitations that these need."""

    answers: int
    invitations: int


def plan(
    *,
    margin: float,
    frame_size: int = 0,
    response_rate: float = 1.0,
    proportion: float = 0.5,
    confidence: float = CONFIDENCE,
) -> Plan:
    """Sample size for a share: `n0 = z²·p(1-p)/e²`, and `n0 / (1 + (n0 - 1)/N)` in a frame of N (Cochran 1977).

    `margin` is half the width of the interval, `frame_size` 0 stands for a frame without end.
    """
    for name, value in (("margin", margin), ("proportion", proportion), ("response_rate", response_rate)):
        if not 0 < value <= 1 or (name == "proportion" and value == 1):
            raise InvalidArgument.field(name, f"{value} is not a share above 0")
    z = quantile(confidence)
    needed = z * z * proportion * (1 - proportion) / margin**2
    if frame_size:
        needed /= 1 + (needed - 1) / frame_size
    answers = ceil(round(needed, 6))
    return Plan(answers=answers, invitations=ceil(round(answers / response_rate, 6)))


def apportion(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Whole numbers in proportion to shares that add up to the total, by largest remainder. Ties by name."""
    everything = fsum(shares.values())
    if everything <= 0:
        raise InvalidArgument.field("strata", "all are empty")
    exact = {name: Fraction(total) * Fraction(share) / Fraction(everything) for name, share in shares.items()}
    given = {name: floor(each) for name, each in exact.items()}
    rest = sorted(exact, key=lambda name: (given[name] - exact[name], name))[: total - sum(given.values())]
    return {name: count + (name in rest) for name, count in given.items()}


def proportional(total: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """Answers of each stratum in proportion to its size."""
    return apportion(total, {name: float(size) for name, size in sizes.items()})


def neyman(total: int, sizes: Mapping[str, int], deviations: Mapping[str, float]) -> dict[str, int]:
    """Answers of each stratum that make the variance least: `n·N_h·S_h / sum of N_k·S_k` (Neyman 1934)."""
    return apportion(total, {name: size * deviations[name] for name, size in sizes.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One of the frame, with the chance it had to be drawn."""

    customer_id: str
    stratum: str
    probability: float
    selected: bool


def draw(frame: Sequence[str], count: int, *, seed: int, stratum: str = "") -> list[Drawn]:
    """A simple random sample without replacement that the seed reproduces, whatever the order of the frame.

    Every customer has a number that follows from the seed and the id, and the least numbers are drawn.
    """
    if count > len(frame):
        raise FrameTooSmall(frame_size=len(frame), sample_size=count)
    chosen = set(sorted(frame, key=lambda customer_id: _number(seed, customer_id))[:count])
    return [
        Drawn(customer_id=each, stratum=stratum, probability=count / len(frame), selected=each in chosen)
        for each in sorted(frame)
    ]


def draw_systematic(frame: Sequence[str], count: int, *, seed: int) -> list[Drawn]:
    """Every k-th of the frame in its order, from a start that the seed chooses. K may be a fraction."""
    if count > len(frame):
        raise FrameTooSmall(frame_size=len(frame), sample_size=count)
    if not count:
        return [Drawn(customer_id=each, stratum="", probability=0.0, selected=False) for each in frame]
    step = Fraction(len(frame), count)
    start = step * Fraction(_number(seed, "start"), 2**64)
    chosen = {floor(start + step * i) for i in range(count)}
    return [
        Drawn(customer_id=each, stratum="", probability=count / len(frame), selected=place in chosen)
        for place, each in enumerate(frame)
    ]


def draw_by_size(frame: Mapping[str, float], count: int, *, seed: int) -> list[Drawn]:
    """A systematic sample with probability proportional to size (Madow 1949), from a frame in random order.

    Whoever is so large that it would be drawn more than once is drawn for certain, and the rest share what is left.
    """
    if count > sum(size > 0 for size in frame.values()):
        raise FrameTooSmall(frame_size=sum(size > 0 for size in frame.values()), sample_size=count)
    certain = set[str]()
    while True:
        rest = {each: size for each, size in frame.items() if each not in certain and size > 0}
        total, left = fsum(rest.values()), count - len(certain)
        large = {each for each, size in rest.items() if left and size * left >= total}
        if not large:
            break
        certain |= large
    chosen, reached, next_hit = set(certain), 0.0, _number(seed, "start") / 2**64
    for each in sorted(rest, key=lambda customer_id: _number(seed, customer_id)):
        reached += rest[each] * left / total
        if reached > next_hit and len(chosen) < count:
            chosen.add(each)
            next_hit += 1
    return [
        Drawn(
            customer_id=each,
            stratum="",
            probability=1.0 if each in certain else (rest[each] * left / total if each in rest else 0.0),
            selected=each in chosen,
        )
        for each in sorted(frame)
    ]


def _number(seed: int, name: str) -> int:
    digest = hashlib.blake2b(name.encode(), key=seed.to_bytes(8, "little", signed=True), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def weights(sizes: Mapping[str, int], answered: Mapping[str, int], *, trim: float = WEIGHT_TRIM) -> dict[str, float]:
    """Post-stratification weight of each stratum, `(N_h/N) / (n_h/n)`, cut at a multiple of the median.

    StratumUncovered when nobody answered of a stratum that has customers. Cut weights are scaled back, so that the
    weights of all answers still add up to their number.
    """
    if uncovered := next((name for name, size in sizes.items() if size and not answered.get(name)), None):
        raise StratumUncovered(stratum=uncovered, size=sizes[uncovered])
    people, answers = sum(sizes.values()), sum(answered.values())
    exact = {name: (sizes[name] / people) / (n / answers) for name, n in answered.items() if n and sizes.get(name)}
    limit = trim * median(exact[name] for name, n in answered.items() if name in exact for _ in range(n))
    cut = {name: min(weight, limit) for name, weight in exact.items()}
    scale = answers / fsum(weight * answered[name] for name, weight in cut.items())
    return {name: weight * scale for name, weight in cut.items()}
