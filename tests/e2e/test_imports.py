"""Loading files: exact counts, whatever interrupts it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from libs.client import Client
from tests.support.patience import eventually
from tests.support.stack import KEHU, System

MAPPING = """
entity = "customers"
key = "crm:{id}"
[fields]
kind = "PERSON"
names.0.family = { column = "family" }
names.0.given = { column = "given" }
contact_points.0.type = "PHONE"
contact_points.0.raw = { column = "phone" }
contact_points.0.region_code = "CN"
external_ids.0.system = "crm"
external_ids.0.id = { column = "id" }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a mapping."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crm.toml").write_text(MAPPING)
    return tmp_path


def write(path: Path, rows: int, *, wrong: frozenset[int] = frozenset()) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["id", "family", "given", "phone"])
        for number in range(rows):
            phone = "12" if number in wrong else f"138{number:08d}"
            out.writerow([number, "王", f"第{number}", phone])
    return path


def load(stack: System, tenant: str, *arguments: str | Path, code: int = 0) -> dict[str, int]:
    done = stack.kehu(tenant, "import", *arguments, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_wrong_rows_are_told_and_spoil_no_others(stack: System, tenant: str, client: Client, folder: Path) -> None:
    file = write(folder / "crm.csv", 1200, wrong=frozenset({3, 700}))
    told = load(stack, tenant, "customers", file, "--mapping", "crm.toml", code=1)
    assert {name: told[name] for name in ("rows", "accepted", "repeated", "rejected")} == {
        "rows": 1200,
        "accepted": 1198,
        "repeated": 0,
        "rejected": 2,
    }
    with (folder / "crm.csv.rejected.csv").open(encoding="utf-8") as refused:
        rejects = list(csv.DictReader(refused))
    assert [(row["row"], row["field"]) for row in rejects] == [
        ("4", "customer.contact_points[0].raw"),
        ("701", "customer.contact_points[0].raw"),
    ]
    assert json.loads(rejects[0]["original"])["phone"] == "12"
    mended = load(stack, tenant, "customers", write(folder / "crm.csv", 1200), "--mapping", "crm.toml")
    assert (mended["accepted"], mended["repeated"], mended["rejected"]) == (2, 1198, 0)
    assert not (folder / "crm.csv.rejected.csv").exists()
    assert len(list(client.profiles.list_customers(page_size=500))) == 1200


def test_a_killed_load_is_run_again(stack: System, tenant: str, client: Client, folder: Path) -> None:
    rows = 6000
    file = write(folder / "crm.csv", rows)
    command = [KEHU, "import", "customers", file, "--mapping", "crm.toml", "--json"]
    running = subprocess.Popen(command, env=stack.environment(tenant), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        progress = folder / "crm.csv.rejected.progress"
        eventually(progress.exists)
        time.sleep(0.3)
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
    assert running.returncode == -signal.SIGKILL
    done = json.loads(progress.read_text())["done"]
    assert 0 < done < rows
    told = load(stack, tenant, "customers", file, "--mapping", "crm.toml")
    assert (told["rows"], told["rejected"]) == (rows, 0)
    assert told["accepted"] + told["repeated"] == rows
    assert len({c.id for c in client.profiles.list_customers(page_size=500)}) == rows
    assert not progress.exists()


def test_losing_the_progress_costs_time_only(stack: System, tenant: str, client: Client, folder: Path) -> None:
    file = write(folder / "crm.csv", 700)
    assert load(stack, tenant, "customers", file, "--mapping", "crm.toml")["accepted"] == 700
    assert load(stack, tenant, "customers", file, "--mapping", "crm.toml")["repeated"] == 700
    assert len(list(client.profiles.list_customers(page_size=500))) == 700


def test_a_dry_run_sends_nothing(stack: System, tenant: str, client: Client, folder: Path) -> None:
    file = write(folder / "crm.csv", 10)
    assert load(stack, tenant, "customers", file, "--mapping", "crm.toml", "--dry-run")["accepted"] == 10
    assert client.profiles.list_customers().first() is None
    assert [path.name for path in sorted(folder.iterdir())] == ["crm.csv", "crm.toml"]


def test_public_purchases_add_up(
    stack: System, tenant: str, client: Client, folder: Path, reference_data: Path
) -> None:
    file = reference_data / "transactions" / "cdnow_sample_transactions.csv"
    customers = load(stack, tenant, "customers", file, "--mapping", "cdnow_customers")
    assert (customers["rows"], customers["accepted"]) == (2357, 2357)
    told = load(stack, tenant, "transactions", file, "--mapping", "cdnow_transactions")
    assert (told["rows"], told["accepted"], told["rejected"]) == (6919, 6919, 0)
    again = load(stack, tenant, "transactions", file, "--mapping", "cdnow_transactions")
    assert (again["accepted"], again["repeated"]) == (0, 6919)
    stack.settle()
    buyer = client.profiles.lookup_customer(external_id={"system": "cdnow", "id": "0001"}).first()
    summary = client.profiles.get_transaction_summary(customer_id=buyer.id)
    assert (summary.count, summary.totals[0].amount.minor_units) == (4, 2933 + 2973 + 1496 + 2648)


def test_public_complaints_become_contacts(
    stack: System, tenant: str, client: Client, folder: Path, reference_data: Path
) -> None:
    file = reference_data / "cases" / "cfpb_complaints_2015-01.csv.gz"
    areas = load(stack, tenant, "customers", file, "--mapping", "cfpb_areas")
    assert areas["accepted"] == 6433
    told = load(stack, tenant, "interactions", file, "--mapping", "cfpb_complaints")
    assert (told["rows"], told["accepted"], told["rejected"]) == (12600, 12600, 0)
    again = load(stack, tenant, "interactions", file, "--mapping", "cfpb_complaints")
    assert (again["accepted"], again["repeated"]) == (0, 12600)
    stack.settle()
    area = client.profiles.lookup_customer(external_id={"system": "cfpb-area", "id": "AZ-85015"}).first()
    assert client.interactions.list_timeline(customer_id=area.id).first().topic
