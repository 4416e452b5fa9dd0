"""Programs: writing them, versions, and who gets another plan than the tier gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from libs.chassis import context, identity
from libs.chassis.domain import FieldViolation, InvalidArgument, NotFound
from libs.chassis.paging import Page, PageRequest
from services.care.programs.domain.contents import EXAMPLES, Content, Purpose
from services.care.programs.domain.programs import PlanOverride, Program, ProgramVersion
from services.care.programs.store import ProgramsStore


class Programs:
    """Standing attention."""

    def __init__(self, store: ProgramsStore) -> None:
        self._store = store

    def create(self, draft: Program) -> Program:
        """A new program in its first version."""
        actor = context.current().actor
        return self._versioned(lambda: self._store.programs.insert(lambda id: replace(draft, id=id).create(actor)))

    def revise(self, draft: Program, *, revision: int = 0) -> Program:
        """The next version of a program."""
        return self._versioned(
            lambda: self._store.programs.update(draft.id, lambda each: each.revise(draft), revision=revision)
        )

    def get(self, program_id: str, version: int = 0) -> Program:
        """A program as it is, or as one of its versions had it."""
        current = self._store.programs.get(program_id)
        if version in (0, current.version):
            return current
        found = self._store.versions.find_by_id(self._store.versions.id_of(f"{program_id}:{version}"))
        if found is None:
            raise NotFound(ProgramVersion, f"{program_id} version {version}")
        return found.program

    def list(self, request: PageRequest) -> Page[Program]:
        """A page of all programs, by name."""
        return self._store.list(request)

    def violations(self, draft: Program) -> Sequence[FieldViolation]:
        """Everything that would refuse a program."""
        return tuple(draft.violations())

    def activate(self, program_id: str, *, revision: int = 0) -> Program:
        """Puts a program to work."""
        now = identity.now()
        return self._store.programs.update(program_id, lambda each: each.activate(now), revision=revision)

    def pause(self, program_id: str, *, revision: int = 0) -> Program:
        """Stops a program for a while."""
        return self._store.programs.update(program_id, Program.pause, revision=revision)

    def retire(self, program_id: str, *, revision: int = 0) -> Program:
        """Ends a program."""
        return self._store.programs.update(program_id, Program.retire, revision=revision)

    def preview(self, content: Content, purpose: Purpose) -> tuple[str, str]:
        """(subject, body) with examples in place of the merge fields."""
        if wrong := [each for refusal in content.refusals(purpose) for each in refusal.violations]:
            raise InvalidArgument(violations=wrong)
        return content.filled(EXAMPLES)

    def override(self, draft: PlanOverride) -> PlanOverride:
        """Another plan for one customer."""
        program = self._store.programs.get(draft.program_id)
        self._store.customers.require(draft.customer_id)
        now, actor = identity.now(), context.current().actor
        return self._store.customers.while_living(
            {draft.customer_id},
            lambda: self._store.overrides.insert(lambda id: replace(draft, id=id).begin(program.purpose, actor, now)),
            self._withdraw,
        )

    def end_override(self, override_id: str) -> PlanOverride:
        """The plan of the tier again."""
        now = identity.now()
        return self._store.overrides.update(override_id, lambda each: each.end(now))

    def overrides(self, program_id: str, request: PageRequest) -> Page[PlanOverride]:
        """A page of the overrides of a program."""
        return self._store.list_overrides(program_id, request)

    def _withdraw(self, override: PlanOverride) -> None:
        self._store.overrides.erase([override.id])
        self._store.overrides.update_many([(override.id, None)], lambda each, _: each.erase())

    def _versioned(self, write: Callable[[], Program]) -> Program:
        """Writes, and keeps the version beside it."""

        def work() -> Program:
            written = write()
            kept = ProgramVersion(id="", program=written)
            key = f"{written.id}:{written.version}"
            if self._store.versions.find_by_id(self._store.versions.id_of(key)) is None:
                self._store.versions.insert((kept, []), key=key)
            return written

        return self._store.database.transact(work)
