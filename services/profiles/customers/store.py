"""What a request for a list tells the store."""

from __future__ import annotations

from typing import Protocol


class ListRequest(Protocol):
    """Any request for a list: how much is wanted, and after which page."""

    page_size: int
    page_token: str
