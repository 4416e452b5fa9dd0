"""Working notes: their author alone reads them, and an erasure takes their words."""

from __future__ import annotations

import pytest
from kehu.opportunities.v1 import notes_pb2, privacy_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import identity
from libs.chassis.domain import NotFound, RevisionMismatch
from tests.unit.opportunities.conftest import Open, Sales


def keep(world: Sales, deal_id: str, text: str, actor: str = "ada") -> notes_pb2.WorkingNote:
    return world.call(notes_pb2.KeepNoteRequest(deal_id=deal_id, text=text), notes_pb2.WorkingNote, actor=actor)


def mine(world: Sales, deal_id: str, actor: str = "ada") -> list[str]:
    request = notes_pb2.ListMyNotesRequest(deal_id=deal_id)
    return [each.text for each in world.call(request, notes_pb2.ListMyNotesResponse, actor=actor).notes]


def test_nobody_else_reads_a_note(world: Sales, opened: Open) -> None:
    deal = opened()
    note = keep(world, deal.id, "wants to leave")
    keep(world, deal.id, "not my deal", actor="bob")
    assert mine(world, deal.id) == ["wants to leave"]
    assert mine(world, deal.id, actor="bob") == ["not my deal"]
    rewritten = notes_pb2.RewriteNoteRequest(note_id=note.id, text="stays")
    with pytest.raises(NotFound):
        world.call(rewritten, notes_pb2.WorkingNote, actor="bob")
    assert world.call(rewritten, notes_pb2.WorkingNote).text == "stays"
    stale = notes_pb2.RewriteNoteRequest(note_id=note.id, text="again", revision=1)
    with pytest.raises(RevisionMismatch):
        world.call(stale, notes_pb2.WorkingNote)
    assert mine(world, deal.id) == ["stays"]


def test_no_event_tells_of_a_note_and_no_document_shows_it(world: Sales, opened: Open) -> None:
    keep(world, opened().id, "wants to leave")
    assert world.events() == ["pipeline.created", "deal.created"]
    stored = world.database.collections["working_notes"]
    assert "wants to leave" not in repr(getattr(stored, "documents"))  # noqa: B009


def test_a_note_is_exported_and_loses_its_words_with_the_customer(world: Sales, opened: Open) -> None:
    deal = opened()
    customer = deal.customer_id
    world.hear(profiles.CustomerCreated(customer={"id": customer}), entity_id=customer)
    keep(world, deal.id, "wants to leave")
    export = privacy_pb2.ExportSubjectDataRequest(customer_id=customer)
    records = world.stream(export, privacy_pb2.ExportedRecord, scopes={"opportunities.subject_data.read"})
    assert [each.working_note.text for each in records if each.HasField("working_note")] == ["wants to leave"]
    asked = profiles.CustomerErasureRequested(erasure_id=identity.new_id("era"), customer_id=customer)
    asked.customer.id = customer
    world.hear(asked, entity_id=customer, revision=2)
    world.tick("erasures")
    assert mine(world, deal.id) == [""]


def test_a_note_is_on_a_deal_that_there_is(world: Sales) -> None:
    with pytest.raises(NotFound):
        keep(world, "deal_01jd5w3k8e7r9s2t4v6x8y0z1a", "x")
