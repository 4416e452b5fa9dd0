"""The surveys service over the store in memory, with a survey to ask."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pytest
from kehu.surveys.v1 import questionnaires_pb2 as pb

from libs.chassis.testing import World
from services.surveys.__main__ import SERVICE
from services.surveys.store import SurveysStore

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
AREAS = ("questionnaires", "sampling", "collection", "results", "loop")
SCOPES = {f"surveys.{area}.{right}" for area in AREAS for right in ("read", "write", "launch", "answer")}
SCOPES |= {"surveys.responses.read", "surveys.invitation_links.read", "surveys.subject_data.read"}
ITEMS: list[Any] = [
    {
        "key": "nps",
        "type": "ITEM_TYPE_NPS_0_10",
        "texts": {"en": "Recommend us?", "zh": "推荐我们吗？"},
        "required": True,
    },
    {
        "key": "why",
        "type": "ITEM_TYPE_TEXT",
        "texts": {"en": "Why {{nps}}?", "zh": "为什么？"},
        "asked_when": [{"item": "nps", "comparison": "COMPARISON_AT_MOST", "values": ["6"]}],
    },
]
Field: TypeAlias = World[SurveysStore]


@pytest.fixture
def world() -> Iterator[Field]:
    """An empty service on a Monday."""
    with World(SERVICE, at=NOW, scopes=SCOPES).entered() as world:
        yield world


def asked(**fields: Any) -> pb.Questionnaire:
    """A questionnaire as it is sent."""
    return pb.Questionnaire(**{"languages": ["en", "zh"], "items": ITEMS, **fields})


def drafted(**fields: Any) -> pb.Survey:
    """A survey as it is sent."""
    told = {
        "display_name": "After the call",
        "kind": "SURVEY_KIND_NPS",
        "questionnaire": asked(),
        "design": "DESIGN_METHOD_CENSUS",
        "owner": "ann",
    }
    return pb.Survey(**{**told, **fields})


@pytest.fixture
def draft(world: Field) -> pb.Survey:
    """A survey that nobody is asked yet."""
    return world.call(pb.CreateSurveyRequest(survey=drafted()), pb.Survey)


@pytest.fixture
def survey(world: Field, draft: pb.Survey) -> pb.Survey:
    """A survey in the field."""
    return world.call(pb.LaunchSurveyRequest(survey_id=draft.id), pb.Survey)
