from __future__ import annotations

import json
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from libs.command.ops.bundle import Bundle, redact, redact_object
from libs.command.ops.warnings import gather
from libs.command.output import Unreachable
from tests.support.objects import event, model

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("mongodb://kehu:pa:ss@db:27017/x", "mongodb://[hidden]@db:27017/x"),
        ("Authorization: Bearer abcdefgh12345678", "Authorization: [hidden]"),
        ("got eyJhbGciOiJFZ.eyJzdWIi.sig-1 here", "got [hidden] here"),
        ('{"password": "hunter2", "n": 1}', '{"password": "[hidden]", "n": 1}'),
        ("-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----", "[hidden]"),
        ("from xiaoming.wang@example.cn at 13800138000 or +86 138 0013 8000.", "from [mail] at [phone] or [phone]."),
        ("cus_01jd at 2026-03-01T08:00:00.123456Z took 1234567890 ns on 10.96.13.8", None),
        ("image localhost/kehu:dev@sha256:13800138000abc", None),
    ],
)
def test_what_must_not_leave_the_house_is_taken_out(text: str, left: str | None) -> None:
    assert redact(text) == (text if left is None else left)


def test_values_of_environment_variables_are_hidden_by_name_unless_they_only_say_where() -> None:
    env = [
        {"name": "KEHU_MONGODB_URI", "value": "mongodb://x"},
        {"name": "KEHU_AMQP_URI", "value": "file:/etc/kehu/rabbitmq/uri"},
        {"name": "API_TOKEN", "value": "abc"},
        {"name": "KEHU_LOG_LEVEL", "value": "info"},
    ]
    made = redact_object({"metadata": {"managedFields": [1], "name": "a"}, "env": env})
    assert [each["value"] for each in made["env"]] == ["[hidden]", "file:/etc/kehu/rabbitmq/uri", "[hidden]", "info"]
    assert made["metadata"] == {"name": "a"}


def test_a_bundle_keeps_what_could_be_had_and_tells_what_could_not(tmp_path: Path) -> None:
    bundle = Bundle(tmp_path / "kehu.tar.gz")

    def broken() -> None:
        raise Unreachable("the bus at amqp://u:p@b does not answer")

    bundle.attempt("queues", broken)
    bundle.attempt("status", lambda: bundle.json("status.json", lambda: {"by": "a@b.cn"}))
    assert bundle.close() == ["queues: the bus at amqp://u:p@b does not answer"]
    with tarfile.open(tmp_path / "kehu.tar.gz") as archive:
        told = {name: archive.extractfile(name).read().decode() for name in archive.getnames()}  # type: ignore[union-attr]
    assert json.loads(told["kehu/status.json"]) == {"by": "[mail]"}
    assert told["kehu/missing.txt"] == "queues: the bus at amqp://[hidden]@b does not answer\n"
    with pytest.raises(FileExistsError):
        Bundle(tmp_path / "kehu.tar.gz")


def test_complaints_about_the_pods_of_one_process_are_one() -> None:
    events = [
        event(
            f"Pod/kehu-profiles-api-6bb7659955-{name}",
            "BackOff",
            f"Back-off restarting container kehu in pod kehu-profiles-api-6bb7659955-{name}_kehu({uid})",
            f"2026-03-01T08:3{n}:00Z",
        )
        for n, (name, uid) in enumerate(
            [("95lqm", "a02c6715-0a7d-416c-a99b-cc46e84e1257"), ("85xk8", "180bfbe0-a7f4-4403-a1d4-669a088ddad5")]
        )
    ]
    [one] = gather([model("CoreV1Event", each) for each in events], ["kehu"], now=NOW, since=timedelta(hours=1))
    assert (one.name, one.others, one.count) == ("kehu-profiles-api-6bb7659955-85xk8", 1, 2)


def test_complaints_that_say_the_same_are_one() -> None:
    events = [
        event("Pod/kehu-profiles-api-1", "Unhealthy", "probe failed after 3 s", "2026-03-01T08:30:00Z", count=4),
        event("Pod/kehu-profiles-api-1", "Unhealthy", "probe failed after 5 s", "2026-03-01T08:40:00Z"),
        event("Pod/kehu-profiles-api-1", "Pulled", "image is there", "2026-03-01T08:41:00Z", type="Normal"),
        event("Pod/kehu-profiles-api-1", "BackOff", "long ago", "2026-03-01T07:30:00Z"),
        event("Pod/somebody-else", "BackOff", "not ours", "2026-03-01T08:50:00Z"),
        event("Job/kehu-profiles-migrate", "BackoffLimitExceeded", "gave up", "2026-03-01T08:35:00Z"),
    ]
    found = gather([model("CoreV1Event", each) for each in events], ["kehu"], now=NOW, since=timedelta(hours=1))
    assert [(one.name, one.message, one.count) for one in found] == [
        ("kehu-profiles-migrate", "gave up", 1),
        ("kehu-profiles-api-1", "probe failed after 5 s", 5),
    ]
    every = gather(
        [model("CoreV1Event", e) for e in events], ["kehu"], now=NOW, since=timedelta(hours=1), everything=True
    )
    assert [one.reason for one in every] == ["BackoffLimitExceeded", "Unhealthy", "Pulled"]
