"""Tokens and scopes."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.scopes import covers
from libs.engine import access
from libs.engine.access import Unauthenticated, Verifier


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder of new keys."""
    access.make_keys(tmp_path / "keys")
    return tmp_path / "keys"


def forged(keys: Path, *, key: Any = None, algorithm: str = "EdDSA", kid: str = "dev", **claims: Any) -> str:
    """A token with chosen claims. None removes one."""
    now = int(time.time())
    usual: dict[str, Any] = {
        "iss": "kehu",
        "aud": "kehu",
        "sub": "user:1",
        "tenant": "acme",
        "scope": "profiles.* interactions.read",
        "iat": now,
        "exp": now + 60,
    }
    content = {name: value for name, value in (usual | claims).items() if value is not None}
    private = key if key is not None else load_pem_private_key((keys / access.PRIVATE_KEY).read_bytes(), None)
    return jwt.encode(content, private, algorithm=algorithm, headers={"kid": kid})


def reason(verifier: Verifier, token: str) -> str | None:
    """Why the token is refused, if it is."""
    try:
        verifier.verify(token)
    except Unauthenticated as refused:
        return str(refused)
    return None


def test_an_issued_token_speaks_for_its_subject(keys: Path) -> None:
    token = access.issue(keys, subject="user:1", tenant="acme", scopes=["b.read", "a.*"])
    principal = Verifier(keys).verify(token)
    assert (principal.subject, principal.tenant, principal.scopes) == ("user:1", "acme", {"a.*", "b.read"})
    assert principal.may("b.read")
    assert not principal.may("b.write")


def test_a_made_folder_is_kept(keys: Path) -> None:
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    access.make_keys(keys)
    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before
    assert set(before) == {"dev.pub.pem", access.PRIVATE_KEY, access.PAGE_KEY, access.SEAL_KEY}
    assert (keys / access.PRIVATE_KEY).stat().st_mode & 0o077 == 0


def test_a_token_that_is_not_ours_is_refused(keys: Path) -> None:
    now = int(time.time())
    tokens = {
        "no token": "",
        "not a token": "a.b.c",
        "algorithm none": forged(keys, key="", algorithm="none"),
        "the public key as a shared secret": forged(keys, key="x" * 64, algorithm="HS256"),
        "another key": forged(keys, key=Ed25519PrivateKey.generate()),
        "an unknown key id": forged(keys, kid="../dev"),
        "expired": forged(keys, iat=now - 120, exp=now - 60),
        "valid in future only": forged(keys, nbf=now + 120),
        "issued in future": forged(keys, iat=now + 120),
        "for another audience": forged(keys, aud="other"),
        "from another issuer": forged(keys, iss="other"),
        "without an end": forged(keys, exp=None),
        "for more than a day": forged(keys, exp=now + 25 * 3600),
        "without a tenant": forged(keys, tenant=None),
        "with an empty tenant": forged(keys, tenant=""),
        "with a tenant of another type": forged(keys, tenant=["acme"]),
        "without scopes": forged(keys, scope=None),
        "without a subject": forged(keys, sub=None),
    }
    verifier = Verifier(keys)
    reasons = {name: reason(verifier, token) for name, token in tokens.items()}
    assert [name for name, why in reasons.items() if why is None] == []
    assert [name for name, why in reasons.items() if tokens[name] and tokens[name] in str(why)] == []


def test_a_clock_may_be_off_a_little(keys: Path) -> None:
    now = int(time.time())
    assert Verifier(keys).verify(forged(keys, iat=now - 60, exp=now - 10)).tenant == "acme"


def test_a_remembered_token_is_looked_at_again_once_it_has_expired(keys: Path) -> None:
    verifier = Verifier(keys)
    token = access.issue(keys, subject="u", tenant="acme", scopes=["*"])
    assert verifier.verify(token) is verifier.verify(token)
    expired = forged(keys, iat=1, exp=2)
    verifier._verified[expired] = replace(verifier.verify(token), expires=2)
    with pytest.raises(Unauthenticated, match="expired"):
        verifier.verify(expired)


def test_the_memory_of_tokens_is_bounded(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_CACHED", 3)
    verifier = Verifier(keys)
    for number in range(10):
        verifier.verify(forged(keys, sub=f"user:{number}"))
    assert len(verifier._verified) <= 3


def test_keys_are_rotated_without_a_restart(keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_LOOK_EVERY", 0.0)
    verifier = Verifier(keys)
    old = access.issue(keys, subject="u", tenant="acme", scopes=["*"])
    access.make_keys(tmp_path / "next", key_id="next")
    new = access.issue(tmp_path / "next", subject="u", tenant="acme", scopes=["*"])
    with pytest.raises(Unauthenticated):
        verifier.verify(new)

    (keys / "next.pub.pem").write_bytes((tmp_path / "next" / "next.pub.pem").read_bytes())
    assert verifier.verify(new).tenant == verifier.verify(old).tenant == "acme"

    (keys / "dev.pub.pem").unlink()
    assert verifier.verify(new).tenant == "acme"
    with pytest.raises(Unauthenticated):
        verifier.verify(old)


def test_a_broken_key_file_does_not_take_the_others_away(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_LOOK_EVERY", 0.0)
    verifier = Verifier(keys)
    token = access.issue(keys, subject="u", tenant="acme", scopes=["*"])
    (keys / "broken.pub.pem").write_text("half a file")
    os.utime(keys / "broken.pub.pem")
    assert verifier.verify(token).tenant == "acme"
    with pytest.raises(ValueError, match=r"broken\.pub\.pem is not a public key"):
        Verifier(keys)


def test_a_folder_without_keys_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no"):
        Verifier(tmp_path)


@pytest.mark.parametrize(
    ("held", "wanted", "covered"),
    [
        ("profiles.customers.read", "profiles.customers.read", True),
        ("profiles.customers.read", "profiles.customers.write", False),
        ("profiles.*", "profiles.customers.read", True),
        ("profiles.*", "profiles", False),
        ("profiles.*", "profilesx.customers.read", False),
        ("profiles*", "profiles.customers.read", False),
        ("*.read", "profiles.customers.read", False),
        ("*", "profiles.customers.read", True),
        ("", "profiles.customers.read", False),
    ],
)
def test_a_wildcard_stands_for_the_rest_of_a_name(held: str, wanted: str, covered: bool) -> None:
    assert covers([held], wanted) is covered


@given(st.lists(st.from_regex(r"[a-z]{1,3}(\.[a-z]{1,3}){0,2}", fullmatch=True), max_size=4), st.data())
def test_scopes_without_wildcards_cover_themselves_alone(held: list[str], data: st.DataObject) -> None:
    wanted = data.draw(st.sampled_from([*held, "zz.zz"]))
    assert covers(held, wanted) == (wanted in held)
