"""With `CI=true`, a skipped test is a failed one unless its reason is listed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.skips import ALLOWED, LONG

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest

@pytest.fixture
def tool():
    pytest.skip("There is no tool.")

def test_in_a_fixture(tool): ...
def test_in_the_body(): pytest.skip("Not today.")
@pytest.mark.skip(reason="A mark.")
def test_by_a_mark(): ...
@pytest.mark.xfail(reason="It is known.", strict=True)
def test_known(): assert False
def test_allowed(): pytest.skip("{allowed} /somewhere.")
def test_that_runs(): ...
"""


def outcomes(folder: Path, ci: str) -> dict[str, int]:
    """Outcome → number of tests, of a run of pytest of its own."""
    file = folder / "test_it.py"
    file.write_text(TESTS.replace("{allowed}", next(iter(ALLOWED))))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.support.skips", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, f"--rootdir={folder}", "-c", os.devnull, file],
        cwd=ROOT,
        env={**os.environ, "CI": ci, "PYTEST_ADDOPTS": "-p no:pytest_nameko"},
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stdout.strip().splitlines()[-1]
    return {name.rstrip("s"): int(number) for number, name in re.findall(r"(\d+) (\w+)", last.partition(" in ")[0])}


@pytest.mark.parametrize(
    ("ci", "failed", "skipped"), [("true", 3, 1), ("", 0, 4)], ids=["where nobody looks", "on a desk"]
)
def test_a_skip_is_a_failure_where_ci_is_set(tmp_path: Path, ci: str, failed: int, skipped: int) -> None:
    seen = outcomes(tmp_path, ci)
    broken = seen.get("failed", 0) + seen.get("error", 0)
    assert (broken, seen["skipped"], seen["passed"], seen["xfailed"]) == (failed, skipped, 1, 1)


def test_every_allowed_reason_is_given_by_a_test() -> None:
    """A line that nothing needs any more would only hide the next skip."""
    texts = [file.read_text() for file in (ROOT / "tests").rglob("*.py")]
    for reason in ALLOWED:
        given = "pytestmark = long_run" if reason == LONG else f'pytest.skip(f"{reason}'
        assert any(given in text for text in texts), reason
