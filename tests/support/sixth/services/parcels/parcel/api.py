"""The calls about parcels."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from typing import Any

from kehu.parcels.v1 import parcel_pb2, parcel_pb2_grpc

from libs.chassis.codec import to_proto
from services.parcels.parcel.store import ParcelStore


class ParcelApi(parcel_pb2_grpc.ParcelServiceServicer):
    """`kehu.parcels.v1.ParcelService`."""

    def __init__(self, store: ParcelStore) -> None:
        self._store = store

    def GetParcel(self, request: parcel_pb2.GetParcelRequest, _: Any) -> Any:
        return to_proto(self._store.parcels.get(request.parcel_id), parcel_pb2.Parcel)
