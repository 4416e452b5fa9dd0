"""The release: it installs, changes only what was changed, and goes back, with and without being asked."""

from __future__ import annotations

import time
from typing import Any

import pytest
from helm_python import HelmError

from libs.localstack.processes import wait_until
from tests.cluster.suite import RELEASE, WORKLOADS, Suite
from tests.cluster.trial import Trial


def test_install(suite: Suite, figures: dict[str, Any]) -> None:
    with suite.helm() as helm:
        helm.uninstall(RELEASE, wait="watcher", timeout=120)
    wait_until(lambda: not suite.pods(), 120, "Pods of the last release do not end")
    begun = time.monotonic()
    suite.install()
    figures["cold start of the suite"] = f"{time.monotonic() - begun:.0f} s"
    suite.wait_ready()
    assert len(suite.pods()) == 2 * len(WORKLOADS)
    assert suite.restarts() == 0


def test_one_event_goes_through_the_suite(suite: Suite, figures: dict[str, Any]) -> None:
    suite.wait_ready()
    begun = time.monotonic()
    with suite.helm() as helm:
        done = helm.test(RELEASE, timeout=180, logs=True)
    figures["helm test"] = f"{time.monotonic() - begun:.0f} s"
    print(done.get("logs"))


def test_upgrade_rolls_only_what_changed(trial: Trial) -> None:
    before = _pods(trial.suite)
    with trial.under_load():
        trial.suite.upgrade(services={"profiles": {"logLevel": "warning"}})
    after = _pods(trial.suite)
    for workload in WORKLOADS:
        changed = workload.startswith(f"{RELEASE}-profiles-")
        assert before[workload].isdisjoint(after[workload]) == changed, workload


def test_failed_upgrade_goes_back_by_itself(trial: Trial) -> None:
    before = _pods(trial.suite)
    with trial.under_load():
        begun = time.monotonic()
        with pytest.raises(HelmError):
            trial.suite.upgrade(services={"profiles": {"image": {"tag": "missing"}}}, timeout=45, rollback=True)
        trial.figures["back after"] = f"{time.monotonic() - begun:.0f} s"
    after = _pods(trial.suite)
    # What ran, ran on: the new pods never became ready, so none of the old ones had to go.
    assert after[f"{RELEASE}-interactions-api"] == before[f"{RELEASE}-interactions-api"]
    assert not any(_image(pod).endswith(":missing") for pod in trial.suite.pods())


def test_rollback(trial: Trial) -> None:
    trial.suite.upgrade(services={"interactions": {"logLevel": "debug"}})
    with trial.under_load(), trial.suite.helm() as helm:
        helm.rollback(RELEASE, wait="watcher", timeout=180)
    levels = {_environment(pod)["KEHU_LOG_LEVEL"] for pod in trial.suite.pods(f"{RELEASE}-interactions-api")}
    assert "debug" not in levels


def _pods(suite: Suite) -> dict[str, set[str]]:
    return {workload: {pod["metadata"]["uid"] for pod in suite.pods(workload)} for workload in WORKLOADS}


def _image(pod: dict[str, Any]) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def _environment(pod: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in pod["spec"]["containers"][0]["env"]}
