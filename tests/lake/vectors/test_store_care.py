"""Stats, verify and compact: what is in a store, what is wrong with it, and in few files."""

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from builders import lake_in, make_table, read_rows, text_key
from lakewinnow.config.sections import EmbeddingIdentity
from lakewinnow.lake.vectors.embedding_store import EMBEDDINGS, EmbeddingStore
from lakewinnow.lake.vectors.store_care import compact, stats, verify
from lakewinnow.spark.sessions.engines import is_sail

SAIL_FILES = 4  # at most, to which it deals the rows of a partition
IDENTITY = EmbeddingIdentity("static", "m", 2)


def row(text, vector=(1.0, 0.0), **other):
    return {"text_key": text_key(text), **vars(IDENTITY), "vector": vector, **other}


def refusal(text):
    return row(text, None, error_code="embedding_refused", error="no")


@pytest.fixture
def lake(spark, tmp_path):
    return lake_in(spark, tmp_path)


@pytest.fixture
def store(lake):
    return EmbeddingStore(lake.spark, lake.files.path("embeddings"))


def fill(lake, *files):
    for rows in files:
        make_table(lake, "embeddings", rows, EMBEDDINGS)


def test_stats_count_texts_and_refusals_of_each_identity(lake, store):
    other = vars(replace(IDENTITY, model="n"))
    fill(lake, [row("a"), row("b"), refusal("c")], [row("a"), row("a") | other])
    assert [tuple(vars(of).values()) for of in stats(store)] == [
        ("static", "m", 2, 4, 2, 1),
        ("static", "n", 2, 1, 1, 0),
    ]


def test_a_sound_store_has_no_fault(lake, store):
    fill(lake, [row("a"), refusal("b")])
    assert verify(store) == {}


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (row("a", (1.0,)), "wrong_length"),
        (row("a", (1.0, math.nan)), "not_finite"),
        (row("a", (math.inf, 0.0)), "not_finite"),
        (row("a", None), "neither"),
        (row("a") | {"text_key": b"short"}, "bad_key"),
    ],
)
def test_a_bad_row_is_found_and_left_out_when_compacting(lake, store, bad, fault):
    fill(lake, [row("b"), bad])
    assert verify(store) == {fault: 1}
    compact(store)
    assert [r["text_key"] for r in read_rows(lake.files.root, "embeddings")] == [text_key("b")]


def test_compact_keeps_each_text_once_in_one_file(lake, store):
    fill(lake, [row("a"), row("b")], [row("a"), refusal("c")], [refusal("b")])
    n_before, n_after = compact(store)
    assert n_before == 3
    assert n_after == 1 or (is_sail(lake.spark) and n_after <= SAIL_FILES)
    rows = {bytes(r["text_key"]): r for r in read_rows(lake.files.root, "embeddings")}
    assert set(rows) == {text_key(text) for text in "abc"}
    assert rows[text_key("b")]["vector"] == [1.0, 0.0]
    assert rows[text_key("c")]["error_code"] == "embedding_refused"
    assert len(store.data_files()) == n_after


def test_a_kill_while_compacting_loses_nothing(lake, store, monkeypatch):
    fill(lake, [row("a")], [row("b")])

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store.files, "delete", dies)
        with pytest.raises(KeyboardInterrupt):
            compact(store)
    assert store.vectors(IDENTITY).count() == 2
    n_before, n_after = compact(store)
    assert n_before == 3
    assert n_after == 1 or (is_sail(lake.spark) and n_after <= SAIL_FILES)


def test_an_empty_store_stays_one(store):
    assert (stats(store), verify(store), compact(store)) == ([], {}, (0, 0))


def test_what_a_killed_append_left_is_swept_up_a_day_later(lake, store):
    fill(lake, [row("a")])
    for name in ("old", "new"):
        make_table(lake, f"embeddings/_appending/{name}", [row("b")], EMBEDDINGS)
    old = Path(lake.files.path("embeddings/_appending/old"))
    os.utime(old, (0, 0))
    assert store.vectors(IDENTITY).count() == 1
    compact(store)
    assert [path.name for path in old.parent.iterdir()] == ["new"]
