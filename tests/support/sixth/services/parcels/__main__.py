"""Composition root: `kehu parcels api|worker|migrate|check`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from libs.chassis.service import Service
from libs.engine.run import main
from services.parcels.parcel.store import ParcelStore
from services.parcels.parcel.subscriptions import subscriptions


def _servicers(store: ParcelStore) -> Sequence[tuple[Callable[[Any, Any], None], object]]:
    from kehu.parcels.v1.parcel_pb2_grpc import add_ParcelServiceServicer_to_server

    from services.parcels.parcel.api import ParcelApi

    return [(add_ParcelServiceServicer_to_server, ParcelApi(store))]


SERVICE = Service(name="parcels", store=ParcelStore, servicers=_servicers, subscriptions=subscriptions)

if __name__ == "__main__":
    main(SERVICE)
