"""Keys of a process, from the folder of KEHU_TOKEN_KEYS: one that is missing or broken keeps it from starting."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from libs.engine.access import NEXT_SEAL_KEY, OLD_SEAL_KEY, PAGE_KEY, SEAL_KEY
from libs.engine.sealing import Masters
from libs.engine.settings import SettingsError

_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that seal page tokens and personal values."""

    page: bytes
    seal: Masters

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The keys of a folder. SettingsError when one is missing or is no key."""
        page, seal = _key(folder, PAGE_KEY), _key(folder, SEAL_KEY)
        return cls(page, Masters(seal, *(_key(folder, name, optional=True) for name in (OLD_SEAL_KEY, NEXT_SEAL_KEY))))

    @classmethod
    def none(cls) -> Self:
        """For a role that opens nothing. Its page tokens end with it."""
        return cls(secrets.token_bytes(_KEY_BYTES), Masters(b""))


def _key(folder: Path, name: str, *, optional: bool = False) -> bytes:
    path = folder / name
    if not path.exists():
        if optional:
            return b""
        raise SettingsError(f"KEHU_TOKEN_KEYS is {folder}, which holds no {name}; `kehu token keys` makes one")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise SettingsError(f"{path} is no key; allowed are {2 * _KEY_BYTES} hexadecimal digits")
    return key
