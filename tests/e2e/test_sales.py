"""From a lead to a forecast, across services: published sales loaded and read back, and conversions that are killed."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import uuid
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kehu.common.v1.operation_pb2 import Operation
from kehu.opportunities.v1 import leads_pb2

from libs.client import Client, KehuError, Retry
from libs.command.imports.mapping import SHIPPED
from tests.integration.test_opportunities_reference import STAGES, YEAR, rows
from tests.support.patience import eventually
from tests.support.skips import long_run
from tests.support.stack import KEHU, System

pytestmark = long_run

API, CONVERTED = "opportunities-api", leads_pb2.LEAD_STATE_CONVERTED
STEPS = [
    ("calls.after_call", 1, "nobody looked yet whether the lead is a customer"),
    ("store.after_write", 1, "the conversion is begun"),
    ("calls.after_call", 2, "the customer of the lead was looked for"),
    ("calls.after_call", 3, "the customer is made, and nobody here knows"),
    ("store.after_write", 2, "the lead has its customer"),
    ("store.before_commit", 1, "the deal is written, and not committed"),
    ("store.after_commit", 1, "all is done, and nobody was told"),
]


# ------------------------------------------------------------------------------------------------------ conversions


def lead(client: Client, key: str) -> Any:
    points = [{"type": "EMAIL", "value": f"ann.{key}@example.com"}]
    told = {"source": "web", "source_key": key, "display_name": f"Ann {key}", "contact_points": points}
    return client.opportunities.capture_lead(lead={**told, "needs": ["an engine"], "owner": "li.na"})


def pipeline(client: Client) -> str:
    told = {"display_name": "Hardware", "currency_code": "USD", "time_zone": "UTC", "stages": STAGES}
    return str(client.opportunities.create_pipeline(pipeline=told).id)


def convert(client: Client, lead_id: str, pipeline_id: str) -> Any:
    wanted = {"pipeline_id": pipeline_id, "deal_name": "An engine"}
    return client.opportunities.convert_lead(lead_id=lead_id, conversion=wanted)


def require_whole(client: Client, lead_id: str) -> None:
    """One customer, one deal, all links."""
    converted = client.opportunities.get_lead(lead_id=lead_id)
    [customer] = client.profiles.list_customers()
    [deal] = client.opportunities.list_deals()
    assert (converted.state, converted.customer_id) == (CONVERTED, customer.id)
    assert (converted.conversion.deal_id, deal.customer_id, deal.owner) == (deal.id, customer.id, "li.na")
    assert [(each.contact_id, each.role) for each in deal.contacts] == [(customer.id, "contact")]
    assert [each.number for each in client.opportunities.list_deal_changes(deal_id=deal.id)] == [1]
    assert [(each.system, each.id) for each in customer.external_ids] == [("kehu-lead", lead_id)]


@pytest.mark.parametrize("step", STEPS, ids=[left for *_, left in STEPS])
def test_a_conversion_that_is_killed_goes_on(
    stack: System, tenant: str, client: Client, step: tuple[str, int, str]
) -> None:
    """The api process dies, as of a kill, at each step. Whoever asks again finds the rest done, once."""
    point, time, _ = step
    taken, through = lead(client, f"{point}-{time}"), pipeline(client)
    stack.restart(API, KEHU_CRASH_AT=f"{point}:{time}")
    try:
        client.opportunities.get_lead(lead_id=taken.id)  # so that the channel has found the new process
        with stack.client(tenant, retry=Retry(attempts=1)) as impatient, pytest.raises(KehuError):
            convert(impatient, taken.id, through)
        eventually(lambda: not stack.alive(API))
    finally:
        stack.restart(API)
    assert convert(client, taken.id, through).state == CONVERTED
    require_whole(client, taken.id)


def test_two_who_convert_at_once_make_one_deal(client: Client) -> None:
    taken, through = lead(client, "twice"), pipeline(client)
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(convert, client, taken.id, through) for _ in range(8)]
    assert [each.result().state for each in asked] == [CONVERTED] * 8
    require_whole(client, taken.id)


# ------------------------------------------------------------------------------------------------- published figures


def write(path: Path, told: Sequence[Mapping[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, [*told[0]])
        out.writeheader()
        out.writerows(told)
    return path


def load_killed_half_way(stack: System, tenant: str, entity: str, file: Path, mapping: str) -> None:
    """Loads a file, kills that with -9 on its way, and loads it again: every row is there, once."""
    command = [KEHU, "import", entity, file, "--mapping", mapping, "--json"]
    running = subprocess.Popen(command, env=stack.environment(tenant), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    progress = file.with_name(f"{file.name}.rejected.progress")
    try:
        eventually(lambda: running.poll() is not None or progress.exists(), seconds=60)
    finally:
        running.kill()
        _, told_wrong = running.communicate()
    with file.open(newline="", encoding="utf-8") as whole:
        count = sum(1 for _ in csv.DictReader(whole))
    assert (running.returncode, progress.exists()) == (-signal.SIGKILL, True), told_wrong
    assert 0 < json.loads(progress.read_text())["done"] < count, "it was killed on its way"
    done = stack.kehu(tenant, "import", entity, file, "--mapping", mapping, "--json", seconds=300)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["rows"], told["rejected"], told["accepted"] + told["repeated"]) == (count, 0, count)


def results(client: Client, through: str, dimension: str = "ALL", *, by_month: bool = False) -> dict[str, Any]:
    asked = {"pipeline_id": through, "dimension": dimension, "by_month": by_month}
    found = client.opportunities.get_sales_report(**asked, **YEAR).results
    return {each.month or each.key: each for each in found}


def published(client: Client, through: str) -> dict[str, Any]:
    """Our own figures, read from reports, in the shape of the published ones."""
    [whole] = results(client, through).values()
    [dollars] = client.opportunities.get_forecast(pipeline_id=through, **YEAR).currencies
    opened = {each.stage.capitalize(): each.sums for each in dollars.stages}
    stages = {"Won": whole.won, "Lost": whole.lost} | {name: each.deals for name, each in opened.items()}
    agents = sorted(results(client, through, "OWNER").items(), key=lambda item: -item[1].revenue)
    return {
        "rows": sum(stages.values()),
        "stages": stages,
        "win_rate": round(whole.win_rate, 6),
        "revenue_won": whole.revenue / 100,
        "average_won": round(whole.revenue / whole.won / 100, 5),
        "cycle_days_won_mean": round(whole.won_days_mean, 6),
        "cycle_days_won_median": whole.won_days_median,
        "cycle_days_lost_mean": round(whole.lost_days_mean, 6),
        "blank_account": sum(1 for _ in client.opportunities.list_deals(filter='customer_id = ""', page_size=500)),
        "revenue_by_agent_top5": {name: each.revenue / 100 for name, each in agents[:5]},
        "by_manager": {
            name: {
                "closed": each.won + each.lost,
                "won": each.won,
                "revenue": each.revenue / 100,
                "win_rate": round(each.win_rate, 6),
            }
            for name, each in results(client, through, "TEAM").items()
        },
        "revenue_by_region": {name: each.revenue / 100 for name, each in results(client, through, "TERRITORY").items()},
        "won_by_product": {
            name: [each.won, each.revenue / 100] for name, each in results(client, through, "PRODUCT").items()
        },
        "by_close_month": {
            month: {"won": each.won, "lost": each.lost, "revenue": each.revenue / 100}
            for month, each in results(client, through, by_month=True).items()
        },
        "open_list_value": {name: each.amount / 100 for name, each in opened.items()},
    }


def sold(folder: Path, through: str, accounts: Mapping[str, str]) -> Iterable[dict[str, str]]:
    """The published rows, with what their mapping takes from other tables. Open deals are worth their list price."""
    prices = {each["product"].replace(" ", ""): each["sales_price"] for each in rows(folder, "products.csv")}
    teams = {each["sales_agent"]: each for each in rows(folder, "sales_teams.csv")}
    for each in rows(folder, "opportunities_to_2017-09.csv"):
        listed = prices[each["product"].replace(" ", "")]
        yield {
            **each,
            "amount": each["close_value"] if each["deal_stage"] == "Won" else listed,
            "manager": teams[each["sales_agent"]]["manager"],
            "regional_office": teams[each["sales_agent"]]["regional_office"],
            "pipeline_id": through,
            "customer_id": accounts[each["account"]] if each["account"] else "",
        }


def accounts_of(client: Client, folder: Path) -> dict[str, str]:
    """Name of an account → id of the customer that it becomes."""
    names = [each["account"] for each in rows(folder, "accounts.csv")]
    drafts = [
        {"request_id": str(uuid.uuid4()), "customer": {"kind": "ORGANISATION", "display_name": name}} for name in names
    ]
    taken = client.profiles.import_customers(rows=drafts).outcomes
    return dict(zip(names, [each.id for each in taken], strict=True))


@pytest.mark.timeout(900)
def test_published_sales_are_read_from_our_own_reports(
    stack: System, tenant: str, client: Client, tmp_path: Path, reference_data: Path
) -> None:
    through = pipeline(client)
    told = [*sold(reference_data, through, accounts_of(client, reference_data))]
    file = write(tmp_path / "sales.csv", told)
    mapping = tmp_path / "sales.toml"
    shipped = (SHIPPED / "sales_deals.toml").read_text()
    mapping.write_text(shipped + 'deal.customer_id = { column = "customer_id" }\n')
    load_killed_half_way(stack, tenant, "deals", file, str(mapping))
    stack.settle(600)
    expected = json.loads((reference_data / "expected.json").read_text())["pipeline"]
    assert published(client, through) == expected


@pytest.mark.timeout(600)
def test_published_leads_are_read_from_our_own_report(
    stack: System, tenant: str, client: Client, tmp_path: Path, reference_data: Path
) -> None:
    told, asked = rows(reference_data, "bank_campaign_leads_sample.csv"), ("contact", "poutcome")
    kinds = {"job": "CATEGORY", "contact": "CATEGORY", "poutcome": "CATEGORY", "age": "NUMBER"}
    attributes = [
        {
            "key": key,
            "kind": f"ATTRIBUTE_KIND_{kind}",
            "values": sorted({each[key] for each in told}) if kind == "CATEGORY" else [],
        }
        for key, kind in kinds.items()
    ]
    form = client.opportunities.create_lead_form(lead_form={"display_name": "Deposits", "attributes": attributes}).id
    file = write(tmp_path / "leads.csv", [{**each, "form_id": form} for each in told])
    load_killed_half_way(stack, tenant, "leads", file, "bank_leads")
    report = leads_pb2.LeadReport()
    started = client.opportunities.report_leads(lead_form_id=form, attributes=asked)
    ended = eventually(lambda: _done(client, started.id), seconds=120)
    assert ended.result.Unpack(report), ended
    whole, found = report.counts[0], {name: dict[str, list[int]]() for name in asked}
    for each in report.counts[1:]:
        found[each.attribute][each.value] = [each.leads, each.converted]
    expected = json.loads((reference_data / "expected.json").read_text())["leads"]
    assert {
        "rows": whole.leads,
        "converted": whole.converted,
        "rate": round(whole.rate, 5),
        "by_contact": found["contact"],
        "by_previous_outcome": found["poutcome"],
    } == expected


def _done(client: Client, operation_id: str) -> Any:
    found = client.opportunities.get_operation(operation_id=operation_id)
    return found if found.state in (Operation.STATE_SUCCEEDED, Operation.STATE_FAILED) else None
