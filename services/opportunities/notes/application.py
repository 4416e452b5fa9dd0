"""Working notes: keeping, rewriting and reading one's own."""

from __future__ import annotations

from libs.chassis import context
from libs.chassis.domain import NotFound
from libs.chassis.paging import Page, PageRequest
from services.opportunities.notes.domain import WorkingNote
from services.opportunities.notes.store import NotesStore


class WorkingNotes:
    """Notes of the caller."""

    def __init__(self, store: NotesStore) -> None:
        self._store = store

    def keep(self, deal_id: str, text: str) -> WorkingNote:
        """A new note on a deal."""
        deal, author = self._store.deals.deals.get(deal_id), context.current().actor

        def write() -> WorkingNote:
            return self._store.notes.insert(
                lambda id: (
                    WorkingNote(id=id, deal_id=deal_id, customer_id=deal.customer_id, author=author, text=text),
                    [],
                )
            )

        return self._store.deals.customers.while_living({deal.customer_id}, write, self._withdraw)

    def rewrite(self, note_id: str, text: str, revision: int) -> WorkingNote:
        """Another text of one's own note."""
        note = self._mine(note_id)
        return self._store.deals.customers.while_living(
            {note.customer_id},
            lambda: self._store.notes.update(note_id, lambda each: each.rewrite(text), revision=revision),
            self._withdraw,
        )

    def list(self, deal_id: str, request: PageRequest) -> Page[WorkingNote]:
        """One's own notes on a deal, the latest first."""
        self._store.deals.deals.get(deal_id)
        return self._store.list(deal_id, context.current().actor, request)

    def _mine(self, note_id: str) -> WorkingNote:
        """A note of the caller. That of another one does not exist for them."""
        found = self._store.notes.get(note_id)
        if found.author != context.current().actor:
            raise NotFound(WorkingNote, note_id)
        return found

    def _withdraw(self, note: WorkingNote) -> None:
        self._store.notes.erase([note.id])
        self._store.notes.update(note.id, lambda each: each.erase())
