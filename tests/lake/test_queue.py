"""Which rows are worth asking about, and which are left out for being like one of these."""

import pytest

from builders import corpus_row, lake_in, make_table, text_key
from lakewinnow.checks.neighbors.stage import NEIGHBORS
from lakewinnow.lake.queue import first_of_each, most_valuable

SETS = {"checks/near_duplicates": "near_duplicate_set"}
# By row: its text, gain and suggested_prob, and the set of near duplicates that it is in
ROWS = {
    "a": ("one", 0.1, 0.6, None),
    "b": ("two", 0.3, 0.5, None),
    "c": ("one", 0.2, 0.6, None),  # the text of a, and worth more
    "d": ("three", 0.3, 0.5, "s"),  # as much as b, which comes first by its id
    "e": ("four", 0.25, 0.5, "s"),
    "f": ("five", 0.15, 0.5, None),  # nearest is two, and the nearest of that
    "g": ("six", 0.14, 0.5, None),  # nearest is one, whose nearest is another
    "h": ("seven", 1e-16, 0.9, None),
    "i": ("eight", 0.0, 0.7, None),
}


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory):
    lake = lake_in(spark, tmp_path_factory.mktemp("queue"))
    make_table(lake, "corpus", [corpus_row(row_id, text) for row_id, (text, *_) in ROWS.items()])
    of_sets = [{"row_id": row_id, "near_duplicate_set": of[3]} for row_id, of in ROWS.items()]
    make_table(lake, "checks/near_duplicates", of_sets)
    nearest = {"two": "five", "five": "two", "six": "one", "one": "seven", "seven": "eight"}
    neighbors = [
        {
            "text_key": text_key(text),
            "n_rows": 1,
            "neighbors": [text_key(nearest[text])] if text in nearest else [],
            "distances": [],
            "neighbor_rows": [],
            "mean_distance": None,
            "in_reference": True,
        }
        for text in {of[0] for of in ROWS.values()}
    ]
    make_table(lake, "checks/neighbors", neighbors, NEIGHBORS)
    return lake


@pytest.fixture(scope="module")
def rows(spark):
    schema = "row_id string, gain double, suggested_prob double"
    return spark.createDataFrame([(id_, *of[1:3]) for id_, of in ROWS.items()], schema)


def test_the_first_of_those_alike_is_asked_about(lake, rows):
    found = most_valuable(lake, rows, 9, SETS, has_neighbors=True)
    assert found == ["b", "d", "c", "g", "i", "h"]
    assert most_valuable(lake, rows, 2, SETS, has_neighbors=True) == found[:2]
    assert most_valuable(lake, rows, 9, {}, has_neighbors=False) == [*"bdecfgih"]


def test_more_rows_are_looked_at_where_most_are_alike(spark, lake):
    schema = "row_id string, gain double, suggested_prob double"
    copies = [(f"copy {n}", 0.5, 0.5) for n in range(9)]
    make_table(lake, "corpus", [corpus_row(row_id, "a copy") for row_id, *_ in copies])
    rows = spark.createDataFrame([*copies, ("a", 0.1, 0.6), ("b", 0.3, 0.5)], schema)
    assert most_valuable(lake, rows, 2, {}, has_neighbors=False) == ["copy 0", "b"]


def test_a_row_left_out_takes_nothing_with_it():
    rows = [("a", {1}), ("b", {1, 2}), ("c", {2}), ("d", {3})]
    assert [*first_of_each(rows)] == ["a", "c", "d"]
