"""Reading of a collection, whatever keeps its documents."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from libs.chassis import context
from libs.chassis.codec import to_doc
from libs.chassis.domain import E, NotFound
from libs.chassis.filtering import Condition
from libs.chassis.paging import Order, Page, PageRequest, Position, page_size
from libs.chassis.store import Collection, Index, Key, Measure, Row
from libs.engine import metrics
from libs.engine.store.drafts import Drafts
from libs.engine.store.matching import matches
from libs.engine.store.pager import Pager
from libs.engine.store.refusals import require_index
from libs.engine.store.totals import paths_of, require_within
from libs.engine.store.vault import Vault


class ReadableCollection(Collection[E]):
    """The reading verbs of a collection, over documents."""

    def __init__(
        self, entity: type[E], name: str, *, vault: Vault, pager: Pager, indexes: Sequence[Index], publishes: bool
    ) -> None:
        self.entity, self.name, self.service, self.publishes = entity, name, vault.service, publishes
        self.indexes = {index.name: index for index in indexes}
        self._pager, self._vault = pager, vault
        self._drafts = Drafts(entity, name, vault, publishes=publishes)

    def get(self, id: str) -> E:
        found = self.find_by_id(id)
        if found is None:
            raise self._not_found(id)
        return found

    def find_by_id(self, id: str) -> E | None:
        documents = self._read([id])
        return self.read(documents[id]) if documents else None

    def batch_get(self, ids: Sequence[str]) -> list[E]:
        documents = self._read(list(dict.fromkeys(ids)))
        missing = next((id for id in ids if id not in documents), None)
        if missing is not None:
            raise self._not_found(missing)
        found = dict(zip(documents, self._drafts.read([*documents.values()]), strict=True))
        return [found[id] for id in ids]

    def find(self, where: Condition | None, *, order: str | Sequence[str] | None = (), limit: int) -> list[E]:
        require_index(self.indexes.values(), where, order or ())
        total = None if order is None else Order(order)
        return self._drafts.read(self._select(where, total, limit))

    def find_one(self, where: Condition) -> E | None:
        found = self.find(where, order=None, limit=1)
        return found[0] if found else None

    def ids_by(self, path: str, values: Sequence[Any], *, limit: int) -> dict[Any, list[str]]:
        require_index(self.indexes.values(), None, path)
        return self._ids_by(path, list(dict.fromkeys(values)), limit)

    def page(
        self,
        where: Condition | None,
        request: PageRequest,
        *,
        order: str | Sequence[str] = "-create_time",
        then: Sequence[E] = (),
    ) -> Page[E]:
        require_index(self.indexes.values(), where, order)
        total, bound_to = Order(order), request.bound_to + context.current().tenant.encode()
        size, token = page_size(request.size), request.token
        rest, after = where, None
        if token:
            after = total.after(self._pager.open(token, bound_to, len(total.keys)))
            rest = after if where is None else where & after
        documents = self._select(rest, total, size + 1)
        if then and len(documents) <= size:
            known = {document["_id"] for document in documents}
            unstored = (to_doc(each) for each in then if each.id not in known)
            documents += [document for document in unstored if matches(after, document)]
        more = len(documents) > size
        documents = documents[:size]
        return Page(
            [each for each in self._each(documents) if not isinstance(each, Exception)],
            self._pager.seal(total.position(documents[-1]), bound_to) if more else "",
        )

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
        require_within(index, where, paths)
        total = Order(order) if order is not None else None
        return self._rows(where, list(paths), index=index, order=total, skip=skip, limit=limit)

    def totals(self, where: Condition, keys: Sequence[Key], measures: Sequence[Measure], *, index: Index) -> list[Row]:
        require_within(index, where, paths_of(keys, measures))
        return self._totals(where, keys, measures, index)

    def across_tenants(
        self, where: Condition, *, order: str | Sequence[str] = (), limit: int
    ) -> list[tuple[str, str, E | Exception]]:
        documents = self._select(where, Order(order), limit, every_tenant=True)
        found = zip(documents, self._drafts.read_each(documents), strict=True)
        return [(document["tenant"], document["_id"], read) for document, read in found]

    def stretch(
        self, where: Condition, *, order: str | Sequence[str], after: str = "", limit: int
    ) -> tuple[list[E], str]:
        require_index(self.indexes.values(), where, order)
        total = Order(order)
        rest = where & total.after(Position.at_place(after)) if after else where
        documents = self._select(rest, total, limit + 1)
        more, documents = len(documents) > limit, documents[:limit]
        return self._drafts.read(documents), total.position(documents[-1]).place() if more else ""

    def read(self, document: Mapping[str, Any]) -> E:
        """The entity in a stored document. Without personal values when they were erased."""
        return self._drafts.read([document])[0]

    @property
    def seals(self) -> bool:
        return self._drafts.safe.personal is not None

    def blind_index(self, name: str, value: str) -> bytes:
        return self._drafts.safe.blind_index(context.current().tenant, name, value)

    def _each(self, documents: Sequence[Mapping[str, Any]]) -> Iterator[E | Exception]:
        """The entities, or why one cannot be read, which is told."""
        for document, read in zip(documents, self._drafts.read_each(documents), strict=True):
            if isinstance(read, Exception):
                metrics.STORE_UNREADABLE.labels(self.name).inc()
                self._vault.unreadable(self.name, document["_id"], read)
            yield read

    def _not_found(self, id: str) -> NotFound:
        return NotFound(self.entity, id)

    # ------------------------------------------------------------------- what a keeper of documents provides

    @abstractmethod
    def _read(self, ids: Sequence[str], *, with_bookkeeping: bool = False) -> dict[str, dict[str, Any]]:
        """Documents of the tenant by id. Pending events and commands only when asked for."""

    @abstractmethod
    def _select(
        self, where: Condition | None, order: Order | None, limit: int, *, every_tenant: bool = False
    ) -> list[dict[str, Any]]:
        """At most `limit` documents in order, or in any without one."""

    @abstractmethod
    def _rows(
        self, where: Condition, paths: Sequence[str], *, index: Index, order: Order | None, skip: int, limit: int | None
    ) -> Iterator[Row]:
        """See `rows`."""

    @abstractmethod
    def _totals(self, where: Condition, keys: Sequence[Key], measures: Sequence[Measure], index: Index) -> list[Row]:
        """See `totals`."""

    @abstractmethod
    def _ids_by(self, path: str, values: Sequence[Any], limit: int) -> dict[Any, list[str]]:
        """See `ids_by`."""
