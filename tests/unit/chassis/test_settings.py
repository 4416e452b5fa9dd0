"""The environment of a process: read once, wrong in no silent way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from libs.engine.settings import OTHER_PREFIXES, OTHERS, Secret, Settings, SettingsError

MONGODB = "mongodb://kehu:canary@db.example:27017/?replicaSet=kehu"
AMQP = "amqp://kehu:canary@mq.example:5672/%2F"


def environment(folder: Path, **others: str) -> dict[str, str]:
    """A complete one."""
    return {"KEHU_MONGODB_URI": MONGODB, "KEHU_AMQP_URI": AMQP, "KEHU_TOKEN_KEYS": str(folder), **others}


def test_absent_settings_take_their_defaults(tmp_path: Path) -> None:
    settings = Settings.read("api", environment(tmp_path))
    assert settings.mongodb_uri.read() == MONGODB
    assert settings.token_keys == tmp_path
    assert (settings.token_issuer, settings.threads, settings.reflection) == ("kehu", 16, True)
    assert (settings.lease, settings.lease_prefix, settings.connection_age_seconds) == ("mongodb", "kehu", 300)


def test_a_process_that_is_asked_to_end_does_so_a_second_before_it_is_killed(tmp_path: Path) -> None:
    """A pod's grace period is drain + grace + 5 seconds."""
    given = environment(tmp_path, KEHU_DRAIN_SECONDS="3", KEHU_GRACE_SECONDS="600")
    assert Settings.read("api", given).stop_budget == 3 + 600 + 4
    assert Settings.read("api", environment(tmp_path)).stop_budget == 5 + 20 + 4


def test_a_role_needs_only_what_it_uses(tmp_path: Path) -> None:
    assert Settings.read("migrate", {"KEHU_MONGODB_URI": MONGODB, "KEHU_AMQP_URI": AMQP}).amqp_uri.read() == AMQP
    assert not Settings.read("api", {"KEHU_MONGODB_URI": MONGODB, "KEHU_TOKEN_KEYS": str(tmp_path)}).amqp_uri
    with pytest.raises(SettingsError, match=r"^KEHU_AMQP_URI is missing; the worker role needs amqp://"):
        Settings.read("worker", {"KEHU_MONGODB_URI": MONGODB, "KEHU_TOKEN_KEYS": str(tmp_path)})
    for role in ("api", "worker", "operation"):
        with pytest.raises(SettingsError, match=rf"^KEHU_TOKEN_KEYS is missing; the {role} role needs a folder"):
            Settings.read(role, {"KEHU_MONGODB_URI": MONGODB, "KEHU_AMQP_URI": AMQP})


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("KEHU_THREADS", "0", "KEHU_THREADS is '0'; allowed is a whole number from 1 to 256"),
        ("KEHU_THREADS", "many", "KEHU_THREADS is 'many'; allowed is a whole number from 1 to 256"),
        ("KEHU_LISTEN", "50051", "KEHU_LISTEN is '50051'; allowed is host:port"),
        ("KEHU_LISTEN", "localhost:99999", "KEHU_LISTEN is 'localhost:99999'; allowed is host:port"),
        ("KEHU_LOG_LEVEL", "loud", "KEHU_LOG_LEVEL is 'loud'; allowed is debug, info, warning or error"),
        ("KEHU_REFLECTION", "true", "KEHU_REFLECTION is 'true'; allowed is yes or no"),
        ("KEHU_GRACE_SECONDS", "601", "KEHU_GRACE_SECONDS is '601'; allowed is a whole number from 0 to 600"),
        ("KEHU_LEASE", "etcd", "KEHU_LEASE is 'etcd'; allowed is mongodb or kubernetes"),
        ("KEHU_LEASE_PREFIX", "Kehu", "KEHU_LEASE_PREFIX is 'Kehu'; allowed is lower case letters, digits and dashes"),
        (
            "KEHU_LEASE_PREFIX",
            "kehu-",
            "KEHU_LEASE_PREFIX is 'kehu-'; allowed is lower case letters, digits and dashes",
        ),
        ("KEHU_MONGODB_URI", "http://u:canary@db", "KEHU_MONGODB_URI is http://***@db; allowed is mongodb://"),
    ],
)
def test_a_malformed_setting_is_refused_with_what_is_allowed(
    tmp_path: Path, name: str, value: str, sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read("api", environment(tmp_path, **{name: value}))
    assert str(refused.value).startswith(sentence)


def test_an_unknown_name_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^unknown KEHU_MONGO_URI; allowed are KEHU_MONGODB_URI, KEHU_AMQP_URI"):
        Settings.read("api", environment(tmp_path, KEHU_MONGO_URI=MONGODB))


def test_names_of_the_client_and_the_tests_are_accepted(tmp_path: Path) -> None:
    names = [*OTHERS, *(f"{prefix}X" for prefix in OTHER_PREFIXES)]
    Settings.read("api", environment(tmp_path, **dict.fromkeys(names, "anything")))


def test_nothing_printed_shows_a_credential(tmp_path: Path) -> None:
    settings = Settings.read("api", environment(tmp_path))
    assert "canary" not in f"{settings} {settings!r} {settings.describe()}"
    assert settings.describe()["KEHU_MONGODB_URI"] == "mongodb://***@db.example:27017/"


def test_a_secret_of_unknown_form_is_masked_whole() -> None:
    assert str(Secret("canary")) == "***"
    assert str(Secret("")) == ""


def test_a_secret_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "uri"
    file.write_text(f"{MONGODB}\n")
    secret = Settings.read("check", environment(tmp_path, KEHU_MONGODB_URI=f"file:{file}")).mongodb_uri
    assert secret.read() == MONGODB
    assert str(secret) == f"file:{file}"

    file.write_text("mongodb://other")
    os.utime(file, (1, 1))
    assert secret.read() == "mongodb://other"
