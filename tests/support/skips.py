"""A test that does not run proves nothing: where `CI` is set, only what is listed here may be skipped."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from typing import Final

import pytest

LONG: Final = "It takes minutes: set KEHU_TEST_LONG=1."
long_run: Final = pytest.mark.skipif(not os.environ.get("KEHU_TEST_LONG"), reason=LONG)
"""Marks a test that is run by hand, before a release."""
ALLOWED: Final[Mapping[str, str]] = {
    LONG: "what it proves at length stands in shorter tests beside it",
    "There is no kube-apiserver under": "it is built from sources with the node of `make cluster`, for half an hour",
    "There is no reference data at": "public data of several licenses is no part of this repository",
}
"""Beginning of the reason that a skipped test gives → why it may be skipped."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns a skip that nobody allowed into a failure."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        reason = _reason(report)
        if not reason.startswith(tuple(ALLOWED)):
            report.outcome = "failed"
            report.longrepr = (
                f"{item.nodeid} was skipped with CI=true, where nothing may be but {list(ALLOWED)}: {reason}"
            )
    return report


def _reason(report: pytest.TestReport) -> str:
    """The text that a skip gave, without the word before it."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
