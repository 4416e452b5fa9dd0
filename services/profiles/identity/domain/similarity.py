"""Distance of two words."""

from __future__ import annotations


def edits(a: str, b: str) -> int:
    """The letters to insert, delete, replace or swap with a neighbour to turn one word into the other.

    Optimal string alignment, bit-parallel: H. Hyyrö, "A Bit-Vector Algorithm for Computing Levenshtein and Damerau Edit
    Distances", Nordic Journal of Computing 10 (2003).
    """
    if not a or not b:
        return len(a) or len(b)
    places: dict[str, int] = {}
    for i, letter in enumerate(a):
        places[letter] = places.get(letter, 0) | 1 << i
    full, last = (1 << len(a)) - 1, 1 << len(a) - 1
    rises, falls, diagonal, before, distance = full, 0, 0, 0, len(a)
    for letter in b:
        here = places.get(letter, 0)
        swapped = ((~diagonal & here) << 1) & before
        diagonal = ((((here & rises) + rises) ^ rises) | here | falls | swapped) & full
        up, down = falls | ~(diagonal | rises) & full, diagonal & rises
        distance += bool(up & last) - bool(down & last)
        up = (up << 1) | 1
        rises = ((down << 1) | ~(diagonal | up)) & full
        falls = up & diagonal
        before = here
    return distance


def alike(a: str, b: str) -> float:
    """1 for the same word, 0 for words without anything in common."""
    longest = max(len(a), len(b))
    return 1 - edits(a, b) / longest if longest else 1.0
