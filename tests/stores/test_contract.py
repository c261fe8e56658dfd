"""One contract for every metadata store: a SQLite file, and a real server of MongoDB's wire protocol."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.stores.conftest import OTHERS, THINGS

from abyssal.stores.documents import Collection, DocumentStore, OneOf, Span

Opened = Callable[[], DocumentStore]


def thing(name: str, *, state: str = "new", due: float = 0.0, **more: Any) -> dict[str, Any]:
    return {"_id": name, "state": state, "due": due, "code": f"code-{name}", **more}


def names(documents: list[dict[str, Any]]) -> list[str]:
    return [document["_id"] for document in documents]


def test_what_is_put_is_got(store: DocumentStore) -> None:
    values = {"list": [1, {"deep": None}], "text": "é 🐙 'quote' \"$x\"", "flag": True, "small": 1e-9, "large": 2**62}
    assert store.put(THINGS, thing("a", **values))
    assert store.get(THINGS, "a") == {**thing("a", **values), "revision": 1}
    assert store.get(THINGS, "b") is None
    assert store.get(OTHERS, "a") is None


def test_put_never_overwrites(store: DocumentStore) -> None:
    assert store.put(THINGS, thing("a", note="first"))
    assert not store.put(THINGS, thing("a", note="second"))
    assert not store.put(THINGS, {**thing("b"), "code": "code-a"}), "the unique field is taken"
    assert store.put(OTHERS, {"_id": "a", "state": "x"})
    found = store.get(THINGS, "a")
    assert found
    assert found["note"] == "first"
    assert store.count(THINGS) == 1


def test_many_are_put_at_once_and_the_taken_ones_left(store: DocumentStore) -> None:
    store.put(THINGS, thing("b", note="old"))
    assert store.put_many(THINGS, [thing("a"), thing("b"), thing("c"), thing("c")]) == 2
    assert store.put_many(THINGS, []) == 0
    assert names(store.find(THINGS)) == ["a", "b", "c"]


def test_of_many_writers_of_one_id_exactly_one_wins(opened: Opened) -> None:
    stores = [opened() for _ in range(6)]
    gate = threading.Barrier(len(stores))

    def put(number: int) -> bool:
        gate.wait()
        return stores[number].put(THINGS, thing("same", by=number))

    with ThreadPoolExecutor(len(stores)) as pool:
        won = list(pool.map(put, range(len(stores))))
    assert sum(won) == 1
    found = stores[0].get(THINGS, "same")
    assert found
    assert found["by"] == won.index(True)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, "abcde"),
        ({"state": "new"}, "abd"),
        ({"state": OneOf(("done", "dead"))}, "ce"),
        ({"due": Span(at_least=2, below=4)}, "bc"),
        ({"due": Span(below=2.5)}, "abe"),
        ({"due": Span()}, "abcde"),
        ({"due": 2}, "b"),
        ({"state": "new", "due": Span(at_least=1.5)}, "bd"),
        ({"state": Span(at_least="dead", below="new")}, "ce"),
        ({"_id": OneOf(("a", "e", "x"))}, "ae"),
        ({"revision": 1}, "abcde"),
        ({"state": "none"}, ""),
    ],
)
def test_documents_are_found_by_value_choice_and_range(store: DocumentStore, where: Any, expected: str) -> None:
    rows = [("a", "new", 1.0), ("b", "new", 2.0), ("c", "done", 3.0), ("d", "new", 4.5), ("e", "dead", -1.0)]
    store.put_many(THINGS, [thing(name, state=state, due=due) for name, state, due in rows])
    assert names(store.find(THINGS, where)) == list(expected)
    assert store.count(THINGS, where) == len(expected)
    assert store.delete(THINGS, where) == len(expected)
    assert store.count(THINGS) == len(rows) - len(expected)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", ["due", "state", "_id"])
def test_pages_give_every_document_once_in_order(store: DocumentStore, order: str, *, descending: bool) -> None:
    documents = [thing(f"n{i:02d}", state="xyz"[i % 3], due=float(i % 4)) for i in range(23)]
    store.put_many(THINGS, documents[::-1])
    pages: list[dict[str, Any]] = []
    while page := store.find(THINGS, order=order, descending=descending, limit=5, after=pages[-1] if pages else None):
        pages += page
    expected = sorted(documents, key=lambda one: (one[order], one["_id"]), reverse=descending)
    assert names(pages) == names(expected)
    assert store.find(THINGS, limit=0) == []


def test_a_page_is_stable_while_documents_are_added(store: DocumentStore) -> None:
    store.put_many(THINGS, [thing(name, due=due) for name, due in [("a", 1.0), ("b", 2.0), ("c", 3.0)]])
    first = store.find(THINGS, order="due", limit=2)
    store.put(THINGS, thing("0", due=0.5))
    assert names(store.find(THINGS, order="due", limit=2, after=first[-1])) == ["c"]


def test_a_change_counts_revisions_and_replaces_fields(store: DocumentStore) -> None:
    store.put(THINGS, thing("a", note={"x": 1}))
    before = store.get(THINGS, "a")
    assert before
    after = store.update(THINGS, before, {"state": "done", "note": {"y": 2}, "more": [1]})
    assert after == {**before, "state": "done", "note": {"y": 2}, "more": [1], "revision": 2}
    assert store.get(THINGS, "a") == after
    assert store.update(THINGS, before, {"state": "late"}) is None, "somebody was quicker"
    assert store.get(THINGS, "a") == after
    assert names(store.find(THINGS, {"state": "done"})) == ["a"]
    assert store.update(THINGS, {"_id": "none", "revision": 1}, {"state": "x"}) is None


def test_compare_and_set_loses_no_change(opened: Opened) -> None:
    stores = [opened() for _ in range(4)]
    stores[0].put(THINGS, thing("counter", value=0))

    def add(store: DocumentStore) -> None:
        for _ in range(10):
            while True:
                found = store.get(THINGS, "counter")
                assert found
                if store.update(THINGS, found, {"value": found["value"] + 1}):
                    break

    with ThreadPoolExecutor(len(stores)) as pool:
        list(pool.map(add, stores))
    found = stores[0].get(THINGS, "counter")
    assert found
    assert (found["value"], found["revision"]) == (40, 41)


def test_a_claim_takes_the_first_and_fences_the_last_owner(store: DocumentStore) -> None:
    """The life of a training job: queued, claimed, its lease run out, claimed by another, published once."""
    store.put_many(THINGS, [thing("late", state="queued", due=2.0), thing("early", state="queued", due=1.0)])
    claimed = store.change_one(
        THINGS, {"state": "queued"}, values={"state": "running", "owner": "w1"}, increase={"fence": 1}, order="due"
    )
    assert claimed
    assert (claimed["_id"], claimed["fence"], claimed["owner"]) == ("early", 1, "w1")
    again = store.change_one(
        THINGS, {"_id": "early", "state": "running"}, values={"owner": "w2"}, increase={"fence": 1}
    )
    assert again
    assert (again["fence"], again["revision"]) == (2, 3)
    assert store.update(THINGS, claimed, {"state": "published"}) is None, "the first owner's claim is void"
    assert store.update(THINGS, again, {"state": "published"})
    assert store.change_one(THINGS, {"state": "running"}, values={"owner": "w3"}) is None


def test_every_document_is_claimed_exactly_once(opened: Opened) -> None:
    stores = [opened() for _ in range(4)]
    stores[0].put_many(THINGS, [thing(f"job{i:02d}", state="queued", due=float(i)) for i in range(24)])

    def work(store: DocumentStore) -> list[str]:
        taken = []
        while found := store.change_one(THINGS, {"state": "queued"}, values={"state": "running"}, order="due"):
            taken.append(found["_id"])
        return taken

    with ThreadPoolExecutor(len(stores)) as pool:
        taken = [name for part in pool.map(work, stores) for name in part]
    assert sorted(taken) == [f"job{i:02d}" for i in range(24)]


def test_what_one_wrote_another_sees(opened: Opened) -> None:
    opened().put(THINGS, thing("a"))
    second = opened()
    assert names(second.find(THINGS)) == ["a"]
    assert second.delete(THINGS, {"_id": "a"}) == 1


@pytest.mark.parametrize(
    "document",
    [
        {"state": "x", "due": 1.0, "code": "c"},
        {**thing("a"), "_id": 7},
        {**thing("a"), "_id": ""},
        {"_id": "a", "state": "x"},
        {**thing("a"), "state": 1},
        {**thing("a"), "due": "1"},
        {**thing("a"), "due": True},
        {**thing("a"), "revision": 5},
        thing("a", note=float("nan")),
        thing("a", note=2**63),
        thing("a", note={"a.b": 1}),
        thing("a", note=[{"$set": 1}]),
        thing("a", note="\ud800"),
        thing("a", note="a\0b"),
        thing("a", note=b"bytes"),
    ],
)
def test_documents_that_not_every_database_keeps_are_refused(store: DocumentStore, document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="things"):
        store.put(THINGS, document)
    assert store.count(THINGS) == 0


def test_questions_on_undeclared_fields_are_refused(store: DocumentStore) -> None:
    for where in ({"note": "x"}, {"due": "text"}, {"state": OneOf((1,))}, {"state; DROP TABLE documents": "x"}):
        with pytest.raises(ValueError, match="things"):
            store.find(THINGS, where)
    with pytest.raises(ValueError, match="ordered by"):
        store.find(THINGS, order="note")
    for values in ({"_id": "b"}, {"revision": 1}, {"code": "x"}):
        with pytest.raises(ValueError, match="cannot be changed"):
            store.change_one(THINGS, {"_id": "a"}, values=values)
    with pytest.raises(ValueError, match="only numbers"):
        store.change_one(THINGS, {"_id": "a"}, increase={"state": 1})
    with pytest.raises(ValueError, match="plain words"):
        Collection("x; DROP TABLE documents")


plain_keys = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(plain_keys, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(value=json_values)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_comes_back_as_it_went_in(store: DocumentStore, value: Any) -> None:
    store.delete(THINGS, {})
    store.put(THINGS, thing("a", note=value))
    found = store.get(THINGS, "a")
    assert found
    assert found["note"] == value
