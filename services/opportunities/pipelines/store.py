"""Pipelines by name, and all of their versions."""

from __future__ import annotations

from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.opportunities.pipelines.domain import Pipeline, PipelineVersion

PIPELINES = (Index(("display_name",)),)


class PipelinesStore:
    """Pipelines as they are and as they were."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.pipelines = database.collection(Pipeline, "pipelines", indexes=PIPELINES)
        self.versions = database.collection(PipelineVersion, "pipeline_versions", publishes=False)

    def list(self, request: PageRequest) -> Page[Pipeline]:
        """A page of all pipelines, by name."""
        return self.pipelines.page(None, request, order="display_name")
