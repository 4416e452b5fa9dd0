"""Rows of leads: a shipped mapping fills what `ImportLeads` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from kehu.opportunities.v1.leads_pb2 import ImportLeadsRequest

from libs.command.imports.mapping import load
from libs.command.imports.rows import open_rows
from libs.command.imports.targets import target


def test_the_shipped_mapping_fills_leads_with_their_outcome(tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text("form_id,job,contact,poutcome,age,y\nform_1,services,cellular,failure,33,no\nform_1,,x,y,40,yes\n")
    mapping = load(Path("bank_leads"))
    chunk = target(cast(Any, None), "leads").prepare(list(open_rows(file, mapping)), mapping)
    assert chunk.refused == [None, None]
    first, second = (cast(ImportLeadsRequest.Row, each) for each in chunk.messages)
    assert (first.lead.source, first.lead.source_key, first.lead.form_id) == ("bank", "1", "form_1")
    told = {each.key: each.text or each.number for each in first.lead.attributes}
    assert told == {"job": "services", "contact": "cellular", "poutcome": "failure", "age": 33.0}
    assert (first.converted, second.converted) == (False, True)
    assert "job" not in {each.key for each in second.lead.attributes}
