"""Service policies: publishing them, and starting clocks under the version in force."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from libs.chassis.paging import Page, PageRequest
from libs.worktime.clock import CalendarVersion
from libs.worktime.hours import Hours
from services.interactions.calendars.application import Calendars
from services.interactions.clocks.domain.clocks import ServiceClocks
from services.interactions.clocks.domain.policies import ServicePolicy, ServicePolicyVersion
from services.interactions.clocks.store import ClocksStore


class Clocks:
    """Service policies of the tenant."""

    def __init__(self, store: ClocksStore) -> None:
        self._store = store
        self._calendars = Calendars(store.calendars)

    def create(self, draft: ServicePolicy) -> ServicePolicy:
        """A new policy with its first version."""
        first = self.pinned(draft.versions[0])
        return self._store.policies.insert(lambda id: replace(draft, id=id, versions=(first,)).create())

    def publish(self, policy_id: str, draft: ServicePolicyVersion, *, revision: int = 0) -> ServicePolicy:
        """The next version of a policy."""
        version = self.pinned(draft)
        return self._store.policies.update(policy_id, lambda each: each.publish(version), revision=revision)

    def get(self, policy_id: str) -> ServicePolicy:
        """One policy."""
        return self._store.policies.get(policy_id)

    def list(self, page: PageRequest) -> Page[ServicePolicy]:
        """A page of all policies, by name."""
        return self._store.list(page)

    def in_force(self, policy_id: str, at: datetime) -> ServicePolicyVersion:
        """The version of a policy in force at a time, counted in its calendar as it is now."""
        return self.pinned(self._store.policies.get(policy_id).at(at))

    def under(self, policy_id: str, at: datetime, priority: int, tier: str) -> ServiceClocks | None:
        """Clocks under the version in force at a time, none of which has started. None without a policy."""
        return ServiceClocks.under(self.in_force(policy_id, at), priority, tier) if policy_id else None

    def calendar(self, calendar_id: str) -> CalendarVersion:
        """A calendar as it is now."""
        return self._calendars.version(calendar_id)

    def hours_of(self, calendar: CalendarVersion) -> Hours:
        """The hours of a calendar at one of its revisions."""
        return self._calendars.hours_at(calendar)

    def pinned(self, version: ServicePolicyVersion) -> ServicePolicyVersion:
        """A version that says which revision of its calendar is meant."""
        if not version.calendar.calendar_id:
            return replace(version, calendar=CalendarVersion())
        return replace(version, calendar=self._calendars.version(version.calendar.calendar_id))
