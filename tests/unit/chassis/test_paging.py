"""A page is asked for and answered by the shape that every list has."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from kehu.common.v1 import operation_pb2 as pb

from libs.chassis.operations import OperationState
from libs.chassis.paging import Page, PageRequest, to_page


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """As much of an operation as the list shows."""

    id: str
    state: OperationState = OperationState.PENDING


def test_a_page_is_bound_to_everything_but_its_size_and_token() -> None:
    asked = pb.ListOperationsRequest(filter='kind = "a"', page_size=3, page_token="t")
    page = PageRequest.of(asked)
    assert (page.size, page.token) == (3, "t")
    assert page.bound_to == PageRequest.of(pb.ListOperationsRequest(filter='kind = "a"')).bound_to
    assert page.bound_to != PageRequest.of(pb.ListOperationsRequest(filter='kind = "b"')).bound_to


def test_a_page_becomes_the_response_of_its_list() -> None:
    found = Page([Listed(id="op_1", state=OperationState.FAILED), Listed(id="op_2")], "next")
    response = to_page(found, pb.ListOperationsResponse)
    assert [(each.id, each.state) for each in response.operations] == [
        ("op_1", pb.Operation.STATE_FAILED),
        ("op_2", pb.Operation.STATE_PENDING),
    ]
    assert response.next_page_token == "next"


def test_only_a_list_has_pages() -> None:
    with pytest.raises(ValueError, match="unpack"):
        to_page(Page([], ""), pb.Operation)
