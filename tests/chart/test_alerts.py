"""Alerts ask what exists, fire when they should and only then, and each tells the person it wakes what to do."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from typer.main import get_command

from libs.command.app import app
from libs.engine import metrics
from libs.engine.settings import Role
from libs.localstack.processes import StackError
from libs.monitoring import files, queries
from libs.monitoring.alerts import ALERTS
from libs.monitoring.model import Alert
from libs.monitoring.prometheus import Programs, find_programs
from libs.monitoring.runbooks import SECTIONS
from tests.support import promql
from tests.support.alert_cases import CASES, Given

RULES = files.FOLDER / "alerts" / "kehu.yaml"
each_alert = pytest.mark.parametrize("alert", [pytest.param(alert, id=alert.name) for alert in ALERTS])


@pytest.fixture(scope="session")
def programs() -> Programs:
    """Prometheus' own tools."""
    try:
        return find_programs()
    except StackError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def shown() -> set[str]:
    """Every series that a service can show, by the text that it serves. And what Prometheus adds."""
    process = CollectorRegistry()
    metrics.watch_process(process)
    text = (generate_latest(metrics.REGISTRY) + generate_latest(process)).decode()
    found = {"up", *(rule["record"] for rule in rules() if "record" in rule)}
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        found |= {f"{name}_bucket", f"{name}_count", f"{name}_sum"} if kind == "histogram" else {name}
    return found


def rules() -> Iterator[Mapping[str, Any]]:
    """The rules of the chart."""
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        yield from group["rules"]


def test_the_chart_has_what_is_declared() -> None:
    assert files.differences(files.FOLDER, files.generate()) == [], "run `python -m libs.monitoring`"


def test_every_question_names_series_and_labels_that_exist(shown: set[str]) -> None:
    known = {"le", *queries.TARGET}.union(*queries.declared().values())
    for rule in rules():
        assert promql.names(rule["expr"]), rule
        assert promql.names(rule["expr"]) <= shown, rule
        assert promql.labels(rule["expr"]) <= known, rule


@pytest.mark.parametrize(
    ("name", "labels"),
    [("kehu_outbox_oldest", {}), ("kehu_ready", {"subscription": "x"}), ("kehu_lease_held", {"le": "1"})],
)
def test_a_misspelt_series_or_label_is_refused(name: str, labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"no service has the series|has no label"):
        queries.series(name, **labels)


def test_a_bound_that_a_histogram_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no bound at 0\.3 s; it has \[0\.001, "):
        queries.slower("grpc_server_handling_seconds", 0.3, "5m", queries.SERVICE)


@each_alert
def test_an_alert_says_what_is_the_case_and_where_to_read_on(alert: Alert) -> None:
    [rule] = [rule for rule in rules() if rule.get("alert") == alert.name]
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")
    assert (files.FOLDER / rule["annotations"]["runbook_url"]).is_file()


@each_alert
def test_a_runbook_has_all_its_sections(alert: Alert) -> None:
    text = (files.FOLDER / "runbooks" / f"{alert.name}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[: len(SECTIONS)] == list(SECTIONS)
    assert all(re.findall(rf"^## {section}\n\n(.+)$", text, re.MULTILINE) for section in SECTIONS)
    assert commands(text), "a runbook names a command to begin with"
    named = set(re.findall(r"\*(Kehu\w+)\*", text))
    assert named <= {other.name for other in ALERTS}, "it sends people to alerts that there are"


@each_alert
def test_the_commands_of_a_runbook_exist(alert: Alert) -> None:
    text = (files.FOLDER / "runbooks" / f"{alert.name}.md").read_text(encoding="utf-8")
    for command in commands(text):
        _, first, *rest = shlex.split(command)
        if first == "SERVICE":
            assert rest in [[role] for role in get_args(Role)], command
        else:
            understood([first, *rest])


def commands(text: str) -> list[str]:
    """The commands of ours in a runbook: in its blocks, and in its sentences."""
    lines = re.findall(r"^(kehu .+?)(?:\s+#.*)?$", text, re.MULTILINE)
    return [*lines, *re.findall(r"`(kehu [^`]+)`", text)]


def understood(words: list[str]) -> None:
    """Fails unless the command line would take these words. Nothing is run."""
    command: Any = get_command(app)
    while hasattr(command, "commands"):
        assert words, "a group is no command"
        assert words[0] in command.commands, f"there is no {words[0]!r} among {sorted(command.commands)}"
        command, words = command.commands[words[0]], words[1:]
    with command.make_context("kehu", list(words)):
        pass


def test_every_alert_is_tried_and_nothing_else() -> None:
    assert CASES.keys() == {alert.name for alert in ALERTS}
    assert all(case.silent for case in CASES.values())


def test_alerts_fire_when_they_should_and_only_then(programs: Programs, tmp_path: Path) -> None:
    paths = [tried(name, tmp_path) for name in CASES]
    done = subprocess.run(
        [programs.promtool, "test", "rules", *paths], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def tried(alert: str, folder: Path) -> Path:
    """A file for `promtool`: an alert as the chart has it, with the recorded figures that it asks, in all its cases."""
    [rule] = [rule for rule in rules() if rule.get("alert") == alert]
    needed = [other for other in rules() if other.get("record") in promql.names(rule["expr"])]
    (folder / f"{alert}.rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": alert, "rules": [*needed, rule]}]}))
    path = folder / f"{alert}.test.yaml"
    path.write_text(
        yaml.safe_dump(
            {"rule_files": [f"{alert}.rules.yaml"], "evaluation_interval": "1m", "tests": list(trials(alert, rule))}
        )
    )
    return path


def trials(alert: str, rule: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The cases of an alert, as `promtool` reads them."""
    case = CASES[alert]
    fired = {
        "exp_labels": {**case.labels, **rule["labels"]},
        "exp_annotations": {key: told(text, case.labels, case.value) for key, text in rule["annotations"].items()},
    }
    yield trial(f"{alert} fires", case.firing, [{"alertname": alert, "eval_time": case.at, "exp_alerts": [fired]}])
    for number, given in enumerate(case.silent):
        looks = [{"alertname": alert, "eval_time": f"{minute}m"} for minute in range(0, int(case.at[:-1]) + 1, 5)]
        yield trial(f"{alert} stays silent ({number})", given, looks)


def trial(name: str, given: Given, looks: list[dict[str, Any]]) -> dict[str, Any]:
    """One case for `promtool`."""
    series = [{"series": series, "values": values} for series, values in given.items()]
    return {"name": name, "interval": "1m", "input_series": series, "alert_rule_test": looks}


def told(text: str, labels: Mapping[str, str], value: str) -> str:
    """A template of Prometheus with its labels and its figure."""
    text = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)
    return re.sub(r"\{\{ \$value[^}]*\}\}", value, text)
