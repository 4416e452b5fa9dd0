"""Enough PromQL to take a question apart: which series and labels it names, and what it compares."""

from __future__ import annotations

import re

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_MATCHERS = re.compile(r"\{([^}]*)\}")
_WORD = re.compile(r"[A-Za-z_:][\w:]*(?!\w|\s*\()")
_SPLIT = re.compile(r"\s(?:and|unless|==|!=|>=|<=|>|<)\s")
_KEYWORDS = {"and", "or", "unless", "offset", "bool"}


def names(expr: str) -> set[str]:
    """The series that an expression names."""
    bare = re.sub(r"\[[^\]]*\]|offset \w+", "", _MATCHERS.sub("", _GROUPING.sub("", _TEXT.sub('""', expr))))
    return {word for word in _WORD.findall(bare) if word not in _KEYWORDS}


def labels(expr: str) -> set[str]:
    """The labels that an expression groups by or matches."""
    bare = _TEXT.sub('""', expr)
    grouped = {label.strip() for _, inside in _GROUPING.findall(bare) for label in inside.split(",")}
    matched = {
        part.partition("=")[0].rstrip("!").strip() for inside in _MATCHERS.findall(bare) for part in inside.split(",")
    }
    return (grouped | matched) - {""}


def operands(expr: str) -> list[str]:
    """What an expression compares and combines at its outermost level, without the bare numbers."""
    hidden = list(expr)
    depth = 0
    for place, character in enumerate(_TEXT.sub(lambda found: "#" * len(found[0]), expr)):
        depth += (character in "([{") - (character in ")]}")
        if depth:
            hidden[place] = "#"
    ends = [0, *(at for found in _SPLIT.finditer("".join(hidden)) for at in found.span()), len(expr)]
    parts = [expr[begin:end].strip() for begin, end in zip(ends[::2], ends[1::2], strict=True)]
    return [part for part in parts if not re.fullmatch(r"[\d.e+-]+", part)]
