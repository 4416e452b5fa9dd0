"""What `kehu` imports before it knows what it is for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import libs.client
from libs.client.stack import Stack, StackUnknown


def test_nothing_heavy_is_imported_before_a_worker_patches_the_world() -> None:
    code = (
        "import sys, runpy\n"
        "import libs.command.entry as entry\n"
        "runpy.run_module = lambda name, **_: print(name, sys.argv[1:])\n"
        "sys.argv = ['kehu', 'profiles', 'worker']\n"
        "entry.main()\n"
        "print('eventlet' in sys.modules)\n"
        "print(sorted({'grpc', 'typer', 'rich', 'google.protobuf', 'pymongo', 'amqp'}"
        " & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["services.profiles ['worker']", "True", "[]"]


def test_the_public_names_are_these() -> None:
    assert libs.client.__all__ == [
        "AlreadyExists",
        "Client",
        "Conflict",
        "DeadlineExceeded",
        "FieldErrors",
        "InvalidArgument",
        "KehuError",
        "NotFound",
        "PermissionDenied",
        "PreconditionFailed",
        "RateLimited",
        "Retry",
        "ServerFault",
        "TooLarge",
        "Unauthenticated",
        "Unavailable",
        "from_date",
        "from_money",
        "from_timestamp",
        "to_date",
        "to_money",
        "to_timestamp",
    ]
    assert all(getattr(libs.client, name).__name__ == name for name in libs.client.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Clint'"):
        libs.client.Clint  # noqa: B018


def test_the_environment_wins_over_the_local_stack(tmp_path: object) -> None:
    file = tmp_path / "stack.json"  # type: ignore[operator]
    file.write_text(
        '{"mongodb_uri": "mongodb://a", "amqp_uri": "amqp://a", "token_keys": "keys",'
        ' "management_uri": "http://a",'
        ' "targets": {"profiles": "a:1", "interactions": "a:2"}, "ports": {"profiles.api": 3, "interactions.api": 4}}'
    )
    stack = Stack.find({"KEHU_TARGET_PROFILES": "b:1", "KEHU_AMQP_URI": "amqp://b", "KEHU_TENANT": "acme"}, file)
    assert (stack.target("profiles"), stack.target("interactions")) == ("b:1", "a:2")
    assert (stack.mongodb_uri, stack.amqp_uri, stack.tenant) == ("mongodb://a", "amqp://b", "acme")
    assert stack.admin == {"interactions.api": "127.0.0.1:4"}
    assert Stack.find({}, file).management_uri == "http://a"
    with pytest.raises(StackUnknown, match="KEHU_MANAGEMENT_URI is not set"):
        stack.management_uri  # noqa: B018  (that of the local stack belongs to another broker)


@pytest.mark.parametrize(
    ("ask", "advice"),
    [
        (lambda stack: stack.target("profiles"), "KEHU_TARGET_PROFILES=host:port"),
        (lambda stack: stack.mongodb_uri, "KEHU_MONGODB_URI is not set"),
        (lambda stack: stack.token, "set KEHU_TOKEN"),
    ],
)
def test_what_is_not_known_says_how_to_tell(tmp_path: object, ask: object, advice: str) -> None:
    with pytest.raises(StackUnknown, match=advice):
        ask(Stack.find({}, tmp_path / "stack.json"))  # type: ignore[operator]
