"""Reading the next portion while the present one is worked on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def ahead(portions: Iterator[T]) -> Iterator[T]:
    """The same portions, each fetched on another thread, in the caller's context, while the one before is in use."""
    here = copy_context()

    def fetch() -> list[T]:
        return list(islice(portions, 1))

    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        coming = pool.submit(here.run, fetch)
        while portion := coming.result():
            coming = pool.submit(here.run, fetch)
            yield from portion
