"""The journal service, which every service serves."""

from __future__ import annotations

from typing import Final, cast

import grpc
from kehu.common.v1 import journal_pb2 as pb
from kehu.common.v1.journal_pb2_grpc import JournalServiceServicer

from libs.chassis import context as acting
from libs.chassis.store import Database
from libs.engine.store import MongoDatabase

MOST_ENTRIES: Final = 5000
"""Entries that one call checks."""


class JournalServicer(JournalServiceServicer):
    """Checks the journal of the caller's tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def VerifyJournal(  # noqa: N802  (grpc decides)
        self,
        request: pb.VerifyJournalRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> pb.VerifyJournalResponse:
        """Up to `MOST_ENTRIES` entries at a time, because a journal is longer than a call."""
        from libs.engine.journal import Journal, JournalBroken, Root  # with the bus, which an idle api does not need

        known = [Root(root.position, root.hash) for root in request.roots]
        try:
            checked, complete = Journal(cast(MongoDatabase, self._database)).check(
                acting.current().tenant, known, after=request.after_position, limit=MOST_ENTRIES
            )
        except JournalBroken as broken:
            return pb.VerifyJournalResponse(broken_position=broken.position, explanation=broken.what)
        root = pb.JournalRoot(position=checked.position, hash=checked.hash)
        return pb.VerifyJournalResponse(intact=True, checked=root, complete=complete)
