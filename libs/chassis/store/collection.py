"""The verbs of a collection: all that use-cases do with stored entities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from libs.chassis.domain import Change, E
from libs.chassis.filtering import Condition
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store.declaration import Index, Outcome
from libs.chassis.store.totals import Key, Measure, Row

A = TypeVar("A")


class Collection(ABC, Generic[E]):
    """Entities of one type. All reads and writes are for the tenant of the current context."""

    entity: type[E]
    name: str

    # ------------------------------------------------------------------------------------------------------- reads

    @abstractmethod
    def get(self, id: str) -> E:
        """The entity. NotFound also when it is another tenant's."""

    @abstractmethod
    def find_by_id(self, id: str) -> E | None:
        """The entity, or None."""

    @abstractmethod
    def batch_get(self, ids: Sequence[str]) -> list[E]:
        """The entities in the order of the ids. NotFound if one is missing."""

    @abstractmethod
    def find(self, where: Condition | None, *, order: str | Sequence[str] | None = (), limit: int) -> list[E]:
        """At most `limit` entities, for bounded reads inside a use-case.

        With `order=None` any of those that meet the condition, as the index gives them: what a prefix over an array
        needs, because sorting would read every match.
        """

    @abstractmethod
    def find_one(self, where: Condition) -> E | None:
        """Any one entity that meets the condition, or None."""

    @abstractmethod
    def ids_by(self, path: str, values: Sequence[Any], *, limit: int) -> dict[Any, list[str]]:
        """Value → ids of the entities that have it at an indexed path, for many values in one question.

        Of each value at most `limit` ids, any of them, so that a value which very many share costs no more than others.
        """

    @abstractmethod
    def page(
        self,
        where: Condition | None,
        request: PageRequest,
        *,
        order: str | Sequence[str] = "-create_time",
        then: Sequence[E] = (),
    ) -> Page[E]:
        """One keyset page. Its page token only works with the same request, order and tenant.

        `then` are entities that come after all stored ones, as long as they are not stored themselves.

        A document that cannot be read is left out, counted and noted for operators: one must not take away the page.
        """

    @abstractmethod
    def rows(
        self,
        where: Condition,
        paths: Sequence[str],
        *,
        index: Index,
        order: str | Sequence[str] | None = None,
        skip: int = 0,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """A few fields of every entity that meets a condition, read from an index alone, without opening a document."""

    @abstractmethod
    def totals(self, where: Condition, keys: Sequence[Key], measures: Sequence[Measure], *, index: Index) -> list[Row]:
        """A row `(*keys, *measures)` for each group of the entities that meet a condition, in any order.

        Everything is read from an index alone.
        """

    @abstractmethod
    def across_tenants(
        self, where: Condition, *, order: str | Sequence[str] = (), limit: int
    ) -> list[tuple[str, str, E | Exception]]:
        """(tenant, id, entity or why it cannot be read) of every tenant, for background work.

        One document that cannot be read does not stop the others. Needs an index with `every_tenant`.
        """

    @abstractmethod
    def stretch(
        self, where: Condition, *, order: str | Sequence[str], after: str = "", limit: int
    ) -> tuple[list[E], str]:
        """(at most `limit` entities behind a place, the place to go on from or nothing at the end).

        For work that goes on for days: unlike a page token, a place never expires, and it is never given to a caller.
        """

    @abstractmethod
    def blind_index(self, name: str, value: str) -> bytes:
        """The blind index of a personal value in `_blind.<name>`, for conditions."""

    @property
    @abstractmethod
    def seals(self) -> bool:
        """True when something in these entities is personal, and sealed."""

    # ------------------------------------------------------------------------------------------------------ writes

    @abstractmethod
    def id_of(self, key: str) -> str:
        """The id of the entity with a natural key, existing or not."""

    @abstractmethod
    def next_id(self) -> str:
        """The id that `insert` gives without a natural key: the one of the command if there is one, else a new one.

        For what has to be told of an entity before it is inserted, in the same transaction.
        """

    @abstractmethod
    def made(self) -> E:
        """The entity that the command made here when it was applied, for the repeat of it."""

    @abstractmethod
    def insert(self, create: Change[E] | Callable[[str], Change[E]], *, key: str = "") -> E:
        """Store the new entity that `create` makes of the id it is given, with its events.

        A repeat of the same command, or of the same natural `key`, returns the entity as it is now and writes nothing.
        The same key with other content is refused: RequestIdReused for a command, SourceKeyReused for a natural key.
        KeyTaken when a unique index is.
        """

    @abstractmethod
    def insert_many(
        self, changes: Sequence[Change[E]], *, keys: Sequence[str], contents: Sequence[object] = ()
    ) -> list[Outcome[E]]:
        """Store many new entities in one bulk write. Every one stands alone and gets its outcome, in order.

        `keys` are natural keys, one per entity. With an empty one the entity keeps its id, or takes the command's,
        which is enough for a single entity only. `contents` are dataclasses of what a caller gave for each: they decide
        whether a key comes again with the same content, where the entities tell more than that, such as the time of
        day.
        """

    @abstractmethod
    def update(self, id: str, change: Callable[[E], Change[E]], *, revision: int = 0) -> E:
        """Load, change and store in one atomic step, with the events and the note of the command.

        `change` is pure: it may run several times when others write the same entity. A non-zero `revision` that is
        not the current one raises RevisionMismatch. A repeat of the same command returns the entity as it is now.
        """

    @abstractmethod
    def update_many(self, arguments: Iterable[tuple[str, A]], change: Callable[[E, A], Change[E]]) -> list[E]:
        """Change many entities in one read and one bulk write. Each pair is an id and what `change` is given for it.

        Pairs with the same id apply in order. NotFound when one is missing. Contention asks to run all of it again.
        Returns the entities, one per distinct id.
        """

    @abstractmethod
    def upsert_many(self, arguments: Iterable[tuple[E, A]], change: Callable[[E, A], Change[E]]) -> list[E]:
        """The same, where a missing entity begins as the first of a pair: one that has its id and nothing happened to.

        It is not stored while `change` leaves it at that, without an event.
        """

    @abstractmethod
    def erase(self, ids: Sequence[str]) -> int:
        """Destroys the keys of entities, and returns their number.

        Nobody can read any more what is personal in the entities, and in every event that ever told of them: here at
        once, in other processes within ten seconds. The rest is to be stored by a change of each entity afterwards: it
        takes the blind indexes away. Not undone by a transaction that is rolled back. To be repeated after a crash, and
        a repeat before that change counts the same.
        """

    @abstractmethod
    def purge(self, where: Condition, *, limit: int) -> int:
        """Remove at most `limit` documents of a projection that nobody needs any more, and return their number."""
