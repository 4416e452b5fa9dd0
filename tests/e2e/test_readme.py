"""What the README tells people to type does what it says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from libs.client import Client
from tests.support.patience import eventually
from tests.support.stack import KEHU, System

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.partition("  #")[0].strip()
    for language, block in BLOCKS
    if language == "sh"
    for line in block.splitlines()
    if line.startswith("kehu ")
]
WITHOUT_END = ("--follow", "events tail")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the README's commands name."""
    (tmp_path / "people.csv").write_text("id,name\n1,Ada\n")
    (tmp_path / "people.toml").write_text(
        'entity = "customers"\nkey = "{id}"\n[fields]\nkind = "PERSON"\ndisplay_name = { column = "name" }\n'
    )
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs_as_it_stands(stack: System, tenant: str, client: Client, folder: Path, command: str) -> None:
    customer = client.profiles.create_customer(customer={"kind": "PERSON", "display_name": "王小明"})
    eventually(lambda: stack.kehu(tenant, "context", customer.id).returncode == 0)
    arguments = [customer.id if word == "cus_…" else word for word in shlex.split(command)[1:]]
    environment = stack.environment(tenant)
    with subprocess.Popen(
        [str(KEHU), *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout is not None
        if any(words in command for words in WITHOUT_END):
            first = running.stdout.readline()
            running.terminate()
            assert first.strip()
            return
        printed, _ = running.communicate(timeout=60)
        assert (running.returncode, "Traceback" in printed) == (0, False), printed


@pytest.mark.parametrize("code", [block for language, block in BLOCKS if language == "python"])
def test_the_python_runs_as_it_stands(stack: System, tenant: str, code: str) -> None:
    environment = {**stack.environment(tenant), "PYTHONPATH": "build/gen"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
