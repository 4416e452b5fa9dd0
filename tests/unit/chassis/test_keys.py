"""A process without its keys does not start, and says which one it lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from libs.engine.access import NEXT_SEAL_KEY, OLD_SEAL_KEY, PAGE_KEY, SEAL_KEY, make_keys, make_next_seal_key
from libs.engine.run.keys import Keys
from libs.engine.settings import SettingsError

MISUSED = 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_keys(tmp_path)
    return tmp_path


def test_keys_are_read_with_those_that_are_there_while_one_is_replaced(folder: Path) -> None:
    before = Keys.read(folder)
    assert (len(before.page), before.seal.old, before.seal.next) == (32, b"", b"")
    make_next_seal_key(folder)
    (folder / OLD_SEAL_KEY).write_text("00" * 32)
    after = Keys.read(folder)
    assert after.seal.old == bytes(32)
    assert after.seal.next == bytes.fromhex((folder / NEXT_SEAL_KEY).read_text())


@pytest.mark.parametrize("name", [PAGE_KEY, SEAL_KEY])
def test_a_missing_key_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(SettingsError, match=f"which holds no {name}; `kehu token keys` makes one"):
        Keys.read(folder)


@pytest.mark.parametrize("name", [PAGE_KEY, SEAL_KEY, OLD_SEAL_KEY, NEXT_SEAL_KEY])
@pytest.mark.parametrize("content", ["", "00" * 16, "zz" * 32])
def test_what_is_no_key_is_named(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(SettingsError, match=f"{name} is no key; allowed are 64 hexadecimal digits"):
        Keys.read(folder)


@pytest.mark.parametrize(
    ("role", "missing"),
    [
        (["api"], PAGE_KEY),
        (["api"], SEAL_KEY),
        (["api"], "dev.pub.pem"),
        (["worker"], PAGE_KEY),
        (["worker"], SEAL_KEY),
        (["operation", "acme", "op_1"], PAGE_KEY),
        (["operation", "acme", "op_1"], SEAL_KEY),
    ],
)
def test_no_role_that_reads_data_starts_without_one(folder: Path, role: list[str], missing: str) -> None:
    (folder / missing).unlink()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KEHU_")}
    environment |= {"KEHU_MONGODB_URI": "mongodb://127.0.0.1:1", "KEHU_AMQP_URI": "amqp://127.0.0.1:1"}
    environment |= {"KEHU_LISTEN": "127.0.0.1:0", "KEHU_ADMIN_LISTEN": "127.0.0.1:0", "KEHU_TOKEN_KEYS": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.ledger_service", *role],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == MISUSED
    assert missing.removeprefix("dev") in done.stderr
