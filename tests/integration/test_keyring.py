"""Replacing the key that personal values hang on, in MongoDB, by the steps of the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient

from libs.engine import access
from libs.engine.sealing import KeyringError, Masters
from libs.engine.sealing import mongo as sealing
from libs.engine.sealing.mongo import MongoKeyring


def key(folder: Path, name: str) -> bytes:
    path = folder / name
    return bytes.fromhex(path.read_text()) if path.exists() else b""


def masters(folder: Path) -> Masters:
    return Masters(*(key(folder, name) for name in (access.SEAL_KEY, access.OLD_SEAL_KEY, access.NEXT_SEAL_KEY)))


def test_a_key_is_replaced_step_by_step(mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "DATABASE", f"keyring_{uuid4().hex[:8]}")
    access.make_keys(tmp_path)
    with MongoClient[dict[str, Any]](mongodb_uri, tz_aware=True) as client:
        first = MongoKeyring(client, masters(tmp_path))
        kept, doomed = first.take("acme"), first.take("acme")
        sealed, token = kept.seal(b"x", "y"), first.blind_index("acme", "phone", "1")
        access.make_next_seal_key(tmp_path)
        prepared = MongoKeyring(client, masters(tmp_path))
        access.take_next_seal_key(tmp_path)
        with pytest.raises(FileExistsError, match="has to end first"):
            access.make_next_seal_key(tmp_path)
        taken = MongoKeyring(client, masters(tmp_path))
        fresh = taken.take("acme")
        for each in (prepared, taken):
            found = each.find("acme", [kept.id, fresh.id])
            assert found[kept.id].open(sealed, "y") == b"x"  # type: ignore[union-attr]
            assert found[fresh.id] is not None
            assert each.blind_index("acme", "phone", "1") == token
        prepared.destroy("acme", [doomed.id])
        assert (taken.rotate(), taken.rotate()) == (1, 0)
        (tmp_path / access.OLD_SEAL_KEY).unlink()
        after = MongoKeyring(client, masters(tmp_path))
        found = after.find("acme", [kept.id, doomed.id])
        assert found[doomed.id] is None
        assert found[kept.id].open(sealed, "y") == b"x"  # type: ignore[union-attr]
        assert after.blind_index("acme", "phone", "1") == token
        with pytest.raises(KeyringError):
            MongoKeyring(client, bytes(32)).find("acme", [kept.id])
        client.drop_database(sealing.DATABASE)


def test_the_command_says_what_to_do_next(tmp_path: Path) -> None:
    access.make_keys(tmp_path)

    def rotate(step: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("kehu")), "token", "rotate", step, "--keys", str(tmp_path)]
        return subprocess.run(
            command, env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True, check=False
        )

    assert "seal.next.key is not there" in rotate("take").stderr
    assert "restart every service now, then `kehu token rotate take`" in rotate("prepare").stdout
    assert "then `kehu token rotate rewrap`" in rotate("take").stdout
    assert {path.name for path in tmp_path.glob("seal*")} == {"seal.key", "seal.old.key"}
    assert "the steps are prepare, take, rewrap and finish" in rotate("undo").stderr
