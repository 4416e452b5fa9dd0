"""Requests that the tests of surveys send again and again."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message
from kehu.surveys.v1 import collection_pb2 as pb
from kehu.surveys.v1 import questionnaires_pb2, sampling_pb2

from libs.chassis import identity
from libs.chassis.domain import DomainError
from tests.unit.surveys.conftest import Field


def refusal(world: Field, request: Message, **caller: Any) -> DomainError:
    """Returns the refusal of a request."""
    with pytest.raises(DomainError) as refused:
        world.call(request, questionnaires_pb2.Survey, **caller)
    return refused.value


def invited(world: Field, survey_id: str, **fields: Any) -> sampling_pb2.Invitation:
    """A customer who is asked, unless something is in the way."""
    told = {"survey_id": survey_id, "customer_id": identity.new_id("cus"), **fields}
    return world.call(
        sampling_pb2.InviteCustomerRequest(invitation=sampling_pb2.Invitation(**told)), sampling_pb2.Invitation
    )


def link(world: Field, survey_id: str, **fields: Any) -> str:
    """The survey token of a customer who is asked."""
    return token_of(world, invited(world, survey_id, **fields))


def token_of(world: Field, invitation: sampling_pb2.Invitation) -> str:
    """The survey token of an invitation, as whoever sends it gets it."""
    request = sampling_pb2.ListInvitationLinksRequest(filter=f'survey_id = "{invitation.survey_id}"', page_size=500)
    page = world.call(request, sampling_pb2.ListInvitationLinksResponse)
    return next(each.survey_token for each in page.links if each.invitation.id == invitation.id)


def started(world: Field, survey_token: str, **fields: Any) -> pb.Progress:
    """The response of a link, started or gone on with."""
    return world.call(pb.StartResponseRequest(survey_token=survey_token, **fields), pb.Progress)


def saved(world: Field, sheet_id: str, sequence: int = 1, device: str = "", **answers: Any) -> pb.Progress:
    """Answers of a sheet: a number, a text, choices, or None for a blank."""
    told = [pb.ItemAnswer(item=key, answer=answer(value), sequence=sequence) for key, value in answers.items()]
    return world.call(pb.SaveAnswersRequest(sheet_id=sheet_id, answers=told, device=device), pb.Progress)


def answer(value: Any) -> questionnaires_pb2.Answer:
    """An answer as it is sent."""
    match value:
        case None:
            return questionnaires_pb2.Answer()
        case int():
            return questionnaires_pb2.Answer(number=value)
        case str():
            return questionnaires_pb2.Answer(text=value)
        case dict():
            return questionnaires_pb2.Answer(numbers=value)
        case _:
            return questionnaires_pb2.Answer(choices=value)


def completed(world: Field, sheet_id: str) -> pb.Response:
    """A sheet that is handed in."""
    return world.call(pb.CompleteResponseRequest(sheet_id=sheet_id), pb.Response)


def imported(world: Field, survey_id: str, *rows: dict[str, Any]) -> pb.ImportResponsesResponse:
    """Responses of the past, each as a mapping of its fields with `answers` as plain values."""
    told = [
        pb.PastResponse(
            **{
                "source_key": f"row-{number}",
                "survey_id": survey_id,
                **row,
                "answers": {key: answer(value) for key, value in row.get("answers", {}).items()},
            }
        )
        for number, row in enumerate(rows)
    ]
    return world.call(pb.ImportResponsesRequest(rows=told), pb.ImportResponsesResponse)
