"""The pages of the service, with the stores of the areas that they show."""

from __future__ import annotations

from services.surveys.page.application import Page
from services.surveys.page.web.app import PageApp
from services.surveys.store import SurveysStore


def page(store: SurveysStore, key: bytes) -> PageApp:
    """Returns the page for respondents, which signs its forms with the key."""
    return PageApp(Page(store.collection, store.loop), key)
