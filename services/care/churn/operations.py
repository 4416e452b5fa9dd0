"""The long work of churn: the review of a month."""

from __future__ import annotations

from typing import Any

from kehu.care.v1 import churn_pb2

from libs.chassis.operations import OperationKind
from services.care.churn.application.reviews import ReviewAsked, ReviewProgress, Reviews
from services.care.churn.store import ChurnStore


def operations(store: ChurnStore) -> list[OperationKind[Any, Any]]:
    """The review of a month, over all customers."""
    return [
        OperationKind(
            name="review_loyalty",
            request=churn_pb2.ReviewLoyaltyRequest,
            asks=ReviewAsked,
            run=Reviews(store).run,
            result=churn_pb2.ReviewLoyaltyResult,
            state=ReviewProgress,
        )
    ]
