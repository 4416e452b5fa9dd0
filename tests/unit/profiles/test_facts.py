"""Personal facts: who may read and remove them."""

from datetime import timedelta
from typing import Any, cast

import pytest
from kehu.profiles.v1 import events_pb2

from libs.chassis.domain import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from libs.chassis.paging import PageRequest
from libs.engine.store.memory import MemoryDatabase
from services.profiles.activity.application.facts import Facts
from services.profiles.activity.domain.facts import READ_SENSITIVE, PersonalFact, Sensitivity, Topic, Visibility
from services.profiles.privacy.application.erasures import Erasures
from services.profiles.store import ProfilesStore
from tests.unit.profiles.builders import NOW, person
from tests.unit.profiles.conftest import As


def fact(customer_id: str = "cus_1", text: str = "sings in a choir", **fields: object) -> PersonalFact:
    return PersonalFact(id="", customer_id=customer_id, topic=Topic.INTEREST, text=text, **fields)  # type: ignore[arg-type]


@pytest.fixture
def ada_id(store: ProfilesStore) -> str:
    return store.customers.customers.insert(person().create()).id


def test_recording_signs_the_fact_and_does_not_tell_what_it_says(
    store: ProfilesStore, database: MemoryDatabase, ada_id: str
) -> None:
    recorded = Facts(store.activity).record(fact(ada_id))
    assert (recorded.author, recorded.observed_time) == ("ada", NOW)
    event = database.events()[-1]
    told = events_pb2.FactRecorded.FromString(event.data)
    assert (told.fact_id, told.customer_id, event.entity_id) == (recorded.id, ada_id, recorded.id)
    assert b"choir" not in event.SerializeToString()


@pytest.mark.parametrize(
    ("secret", "eve", "privileged_eve"),
    [
        ({}, True, True),
        ({"sensitivity": Sensitivity.SENSITIVE}, False, True),
        ({"visibility": Visibility.AUTHOR}, False, False),
        ({"visibility": Visibility.AUTHOR, "sensitivity": Sensitivity.SENSITIVE}, False, False),
    ],
)
def test_who_may_read(
    store: ProfilesStore, ada_id: str, acting: As, secret: dict[str, object], *, eve: bool, privileged_eve: bool
) -> None:
    Facts(store.activity).record(fact(ada_id, **secret))

    def reads() -> bool:
        return bool(Facts(store.activity).list(ada_id, PageRequest()).items)

    assert reads()
    for scopes, readable in ((frozenset[str](), eve), (frozenset({READ_SENSITIVE}), privileged_eve)):
        with acting("eve", scopes=scopes):
            assert reads() is readable


def test_removing_leaves_no_text(store: ProfilesStore, database: MemoryDatabase, ada_id: str, acting: As) -> None:
    recorded = Facts(store.activity).record(fact(ada_id, sensitivity=Sensitivity.SENSITIVE))
    hidden = Facts(store.activity).record(fact(ada_id, visibility=Visibility.AUTHOR))
    with acting("eve"):
        with pytest.raises(PermissionDenied, match=READ_SENSITIVE):
            Facts(store.activity).remove(recorded.id, 0)
        with pytest.raises(NotFound):
            Facts(store.activity).remove(hidden.id, 0)
    gone = Facts(store.activity).remove(recorded.id, 1)
    assert (gone.text, gone.delete_time) == ("", NOW)
    assert [each.id for each in Facts(store.activity).list(ada_id, PageRequest()).items] == [hidden.id]
    assert database.events()[-1].type == "kehu.profiles.fact.removed.v1"
    with pytest.raises(NotFound):
        Facts(store.activity).remove(recorded.id, 0)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (fact(text=""), "text"),
        (fact(text="x" * 1001), "text"),
        (fact(observed_time=NOW + timedelta(days=1)), "observed_time"),
        (fact(confidence_percent=101), "confidence_percent"),
    ],
)
def test_wrong_facts_are_refused_by_path(wrong: PersonalFact, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        wrong.record("ada", NOW)
    assert [v.field for v in refused.value.violations] == [f"fact.{field}"]


def test_a_fact_needs_its_customer(store: ProfilesStore) -> None:
    with pytest.raises(NotFound):
        Facts(store.activity).record(fact("cus_0"))


def test_nothing_is_left_of_a_fact_recorded_while_an_erasure_begins(
    store: ProfilesStore, ada_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = store.activity.facts.insert

    def meanwhile(create: Any) -> PersonalFact:
        Erasures(store.privacy).request(ada_id, "letter", validate_only=False)
        return insert(create)

    monkeypatch.setattr(store.activity.facts, "insert", meanwhile)
    with pytest.raises(FailedPrecondition, match="is erased"):
        Facts(store.activity).record(fact(ada_id))
    [left] = cast(Any, store.activity.facts).documents
    assert store.activity.facts.get(left).text == ""
