"""Use-cases of personal facts."""

from __future__ import annotations

from dataclasses import replace

from libs.chassis import context, identity
from libs.chassis.paging import Page, PageRequest
from services.profiles.activity.domain.facts import PersonalFact
from services.profiles.activity.store import ActivityStore
from services.profiles.customers.application.living import while_living


class Facts:
    """Recording, reading and removing what staff learned about customers."""

    def __init__(self, store: ActivityStore) -> None:
        self._store = store

    def record(self, draft: PersonalFact) -> PersonalFact:
        """The fact that a draft describes. The caller becomes its author."""
        author, at, facts = context.current().actor, identity.now(), self._store.facts

        def withdraw(fact: PersonalFact) -> None:
            facts.erase([fact.id])
            facts.update_many([(fact.id, at)], PersonalFact.erase)

        return while_living(
            self._store.customers,
            [draft.customer_id],
            lambda: facts.insert(lambda id: replace(draft, id=id).record(author, at)),
            withdraw,
        )

    def list(self, customer_id: str, wanted: PageRequest) -> Page[PersonalFact]:
        """A page of facts, the newest first, without those that the caller may not read."""
        customer = self._store.customers.resolve(customer_id)
        caller = context.current()
        page = self._store.list_facts(customer.group, wanted)
        readable = [fact for fact in page.items if fact.is_readable_by(caller.actor, caller.scopes)]
        return Page(readable, page.next_page_token)

    def remove(self, id: str, revision: int) -> PersonalFact:
        """The rest of a removed fact: that there was one."""
        caller, at = context.current(), identity.now()
        return self._store.facts.update(
            id, lambda fact: fact.remove(caller.actor, caller.scopes, at), revision=revision
        )
