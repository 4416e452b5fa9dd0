"""Pipelines: defining them anew without losing what they were."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from libs.chassis.domain import FieldViolation, NotFound
from libs.chassis.paging import Page, PageRequest
from services.opportunities.pipelines.domain import Pipeline, PipelineVersion
from services.opportunities.pipelines.store import PipelinesStore


class Pipelines:
    """The ways that deals go."""

    def __init__(self, store: PipelinesStore) -> None:
        self._store = store

    def create(self, draft: Pipeline) -> Pipeline:
        """A new pipeline in its first version."""
        return self._versioned(lambda: self._store.pipelines.insert(lambda id: replace(draft, id=id).create()))

    def redefine(self, draft: Pipeline, *, revision: int = 0) -> Pipeline:
        """The next version of a pipeline."""
        return self._versioned(
            lambda: self._store.pipelines.update(draft.id, lambda each: each.redefine(draft), revision=revision)
        )

    def get(self, pipeline_id: str, version: int = 0) -> Pipeline:
        """A pipeline as it is, or as one of its versions had it."""
        current = self._store.pipelines.get(pipeline_id)
        if version in (0, current.version):
            return current
        found = self._store.versions.find_by_id(self._store.versions.id_of(f"{pipeline_id}:{version}"))
        if found is None:
            raise NotFound(PipelineVersion, f"{pipeline_id} version {version}")
        return found.pipeline

    def list(self, request: PageRequest) -> Page[Pipeline]:
        """A page of all pipelines, by name."""
        return self._store.list(request)

    def violations(self, draft: Pipeline) -> Sequence[FieldViolation]:
        """Everything that would refuse a definition."""
        return tuple(draft.violations())

    def _versioned(self, write: Callable[[], Pipeline]) -> Pipeline:
        """Writes, and keeps the version beside it."""

        def work() -> Pipeline:
            written = write()
            kept = PipelineVersion(id="", pipeline=written)
            self._store.versions.insert((kept, []), key=f"{written.id}:{written.version}")
            return written

        return self._store.database.transact(work)
