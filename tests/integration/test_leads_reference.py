"""Published leads of a bank: every figure is read from our own report, and the model is judged on a held-back third."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from kehu.common.v1.operation_pb2 import Operation
from kehu.opportunities.v1 import leads_pb2 as pb

from libs.chassis.operations import OperationState
from libs.chassis.testing import World
from services.opportunities.__main__ import SERVICE
from services.opportunities.store import OpportunitiesStore
from tests.unit.opportunities.conftest import SCOPES, Sales

NUMBERS = ("age", "balance", "campaign", "previous", "pdays", "duration")
AFTERWARDS = ("duration",)
"""The length of the deciding call, which is 0 when nobody was reached."""
CHUNK = 500


class Bank:
    """The service with the leads of the reference data, and the figures that they should come to."""

    def __init__(self, world: Sales, form: str, expected: Mapping[str, Any]) -> None:
        self.world, self.form, self.expected = world, form, expected

    def operate(self, request: Message, answers: type[Any]) -> Any:
        done = self.world.operate(self.world.call(request, Operation).id)
        assert done.state is OperationState.SUCCEEDED, done.error
        result = answers()
        AnyMessage.FromString(done.result).Unpack(result)
        return result


def values(row: Mapping[str, str]) -> list[dict[str, Any]]:
    """The attributes of a row. `pdays` of -1 means that nobody had called before."""
    told = {key: value for key, value in row.items() if key != "y" and (key, value) != ("pdays", "-1")}
    return [
        {"key": key, "number": float(value)} if key in NUMBERS else {"key": key, "text": value}
        for key, value in told.items()
    ]


@pytest.fixture(scope="module")
def bank(reference_data: Path) -> Iterator[Bank]:
    with (reference_data / "pipeline" / "bank_campaign_leads_sample.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    attributes: list[Any] = [
        {"key": key, "kind": "ATTRIBUTE_KIND_NUMBER", "known_afterwards": key in AFTERWARDS}
        if key in NUMBERS
        else {"key": key, "kind": "ATTRIBUTE_KIND_CATEGORY", "values": sorted({each[key] for each in rows})}
        for key in rows[0]
        if key != "y"
    ]
    with World[OpportunitiesStore](SERVICE, at=datetime(2011, 1, 1, tzinfo=UTC), scopes=SCOPES).entered() as world:
        draft = pb.LeadForm(display_name="Term deposits", attributes=attributes)
        form = world.call(pb.CreateLeadFormRequest(lead_form=draft), pb.LeadForm).id
        for start in range(0, len(rows), CHUNK):
            told = [
                pb.ImportLeadsRequest.Row(
                    lead=pb.Lead(source="bank", source_key=f"{n}", form_id=form, attributes=values(row)),
                    converted=row["y"] == "yes",
                )
                for n, row in enumerate(rows[start : start + CHUNK], start)
            ]
            taken = world.call(pb.ImportLeadsRequest(rows=told), pb.ImportLeadsResponse)
            assert [each.error.message for each in taken.outcomes if not each.created] == []
        yield Bank(world, form, json.loads((reference_data / "expected.json").read_text())["leads"])


def test_every_published_figure(bank: Bank) -> None:
    request = pb.ReportLeadsRequest(lead_form_id=bank.form, attributes=["contact", "poutcome"])
    report = bank.operate(request, pb.LeadReport)
    [whole, *_] = report.counts
    assert (whole.leads, whole.converted) == (bank.expected["rows"], bank.expected["converted"])
    assert whole.rate == pytest.approx(bank.expected["rate"], abs=5e-6)
    found: dict[str, dict[str, list[int]]] = {"contact": {}, "poutcome": {}}
    for each in report.counts[1:]:
        found[each.attribute][each.value] = [each.leads, each.converted]
    assert found["contact"] == bank.expected["by_contact"]
    assert found["poutcome"] == bank.expected["by_previous_outcome"]


def test_the_model_is_calibrated_on_leads_that_it_had_not_seen(bank: Bank) -> None:
    """A third is held back: the model is better than the rate alone, and what it tells is about what happens."""
    model = bank.operate(pb.LearnLeadModelRequest(lead_form_id=bank.form), pb.LeadModel)
    held = model.held_back
    assert model.leads == bank.expected["rows"]
    assert not {each.attribute for each in model.weights} & {*AFTERWARDS}
    assert abs(held.leads - model.leads / 3) < 100
    assert held.brier < 0.95 * held.rate_brier
    assert held.expected_error < 0.03
    assert sum(each.leads for each in held.bins) == held.leads
    fullest = max(held.bins, key=lambda each: each.leads)
    assert fullest.predicted == pytest.approx(fullest.observed, abs=0.03)
