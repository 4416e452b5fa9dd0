"""Programs that are fetched once and kept, shared by all checkouts of a user."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path


def fetched(name: str, fetch: Callable[[Path], None]) -> Path:
    """The folder of this name. `fetch` makes it, whole or not at all, when there is none yet."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "kehu" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            fetch(folder)
    return folder
