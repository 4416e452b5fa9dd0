"""A form for leads, and leads to work with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kehu.opportunities.v1 import leads_pb2 as pb

from tests.unit.opportunities.conftest import Sales

ATTRIBUTES: list[Any] = [
    {"key": "channel", "kind": "ATTRIBUTE_KIND_CATEGORY", "values": ["fair", "list"]},
    {"key": "staff", "kind": "ATTRIBUTE_KIND_NUMBER"},
    {"key": "duration", "kind": "ATTRIBUTE_KIND_NUMBER", "known_afterwards": True},
]
Capture = Callable[..., pb.Lead]


@pytest.fixture
def form(world: Sales) -> pb.LeadForm:
    """The form that leads of the tests are described by."""
    draft = pb.LeadForm(display_name="Companies", attributes=ATTRIBUTES)
    return world.call(pb.CreateLeadFormRequest(lead_form=draft), pb.LeadForm)


@pytest.fixture
def captured(world: Sales, form: pb.LeadForm) -> Capture:
    """Captures a lead of the web, unless said otherwise, each with a key of its own."""
    count = iter(range(1_000_000))

    def make(**fields: Any) -> pb.Lead:
        told = {"source": "web", "source_key": f"{next(count)}", "form_id": form.id, **fields}
        return world.call(pb.CaptureLeadRequest(lead=pb.Lead(**told)), pb.Lead)

    return make
