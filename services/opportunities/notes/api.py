"""`NotesService`: private working notes on deals."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.opportunities.v1 import notes_pb2 as pb
from kehu.opportunities.v1 import notes_pb2_grpc

from libs.chassis.codec import to_proto
from libs.chassis.paging import PageRequest, to_page
from services.opportunities.notes.application import WorkingNotes
from services.opportunities.notes.store import NotesStore


class NotesApi(notes_pb2_grpc.NotesServiceServicer):
    """Serves `kehu.opportunities.v1.NotesService`."""

    def __init__(self, store: NotesStore) -> None:
        self._notes = WorkingNotes(store)

    def KeepNote(self, request: pb.KeepNoteRequest, _: object) -> pb.WorkingNote:
        return to_proto(self._notes.keep(request.deal_id, request.text), pb.WorkingNote)

    def RewriteNote(self, request: pb.RewriteNoteRequest, _: object) -> pb.WorkingNote:
        return to_proto(self._notes.rewrite(request.note_id, request.text, request.revision), pb.WorkingNote)

    def ListMyNotes(self, request: pb.ListMyNotesRequest, _: object) -> pb.ListMyNotesResponse:
        return to_page(self._notes.list(request.deal_id, PageRequest.of(request)), pb.ListMyNotesResponse)
