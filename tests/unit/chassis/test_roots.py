"""Signed roots are read as they were signed, and not otherwise."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from libs.engine.journal import Root
from libs.engine.roots import RootForged, SignedRoot, known, read

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
AT = datetime(2026, 5, 4, 9, tzinfo=UTC)


def root(tenant: str = "acme", position: int = 7, service: str = "profiles") -> SignedRoot:
    return SignedRoot(service=service, tenant=tenant, time=AT, root=Root(position, bytes(range(32))))


def test_a_signed_root_is_read_as_it_was_signed() -> None:
    assert read(root().line(KEY), KEY.public_key()) == root()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tenant", "bolt"),
        ("service", "care"),
        ("position", 8),
        ("hash", "00" * 32),
        ("time", "2026-05-04T10:00:00+00:00"),
    ],
)
def test_a_root_that_was_changed_is_refused(name: str, value: object) -> None:
    told = json.loads(root().line(KEY))
    with pytest.raises(RootForged, match="not that of the key"):
        read(json.dumps({**told, name: value}), KEY.public_key())


@pytest.mark.parametrize("line", ["", "{}", "[1]", "null", '{"signature": "x"}', "no json"])
def test_what_is_no_root_is_refused(line: str) -> None:
    with pytest.raises(RootForged, match="is no signed root"):
        read(line, KEY.public_key())


def test_a_root_of_another_signer_is_refused_whatever_journal_it_is_of() -> None:
    lines = [root().line(KEY), root("bolt").line(OTHER)]
    with pytest.raises(RootForged, match="not that of the key"):
        known(lines, KEY.public_key(), service="profiles", tenant="acme")


def test_only_roots_of_the_journal_at_hand_are_used() -> None:
    lines = [root().line(KEY), root("bolt").line(KEY), root(service="care").line(KEY), root(position=0).line(KEY), ""]
    assert known(lines, KEY.public_key(), service="profiles", tenant="acme") == [root().root]
