"""Figures gathered while rows are written."""

import pytest
from pyspark.sql import functions as F

from builders import lake_in
from lakewinnow.lake.observed import LINES, MAX, SUM, Observed

FIGURES = {"id": SUM, "share": MAX, "note": LINES}


@pytest.fixture
def lake(spark, tmp_path):
    return lake_in(spark, tmp_path)


def rows(lake, n):
    return lake.spark.range(n).select(
        "id",
        (F.col("id") / 4).alias("share"),
        F.when(F.col("id") % 3 == 0, F.format_string("row %d", "id")).alias("note"),
    )


def test_the_figures_of_what_was_written_are_those_of_its_rows(lake):
    seen = Observed(lake, rows(lake, 10).repartition(3), FIGURES)
    lake.publish("t", seen.rows)
    found = seen.figures()
    assert lake.rows("t") == 10
    assert (found["id"], found["share"]) == (45, 2.25)
    assert sorted(found["note"].splitlines()) == ["row 0", "row 3", "row 6", "row 9"]


def test_of_no_rows_there_are_no_figures(lake):
    seen = Observed(lake, rows(lake, 10).where("id > 10"), FIGURES)
    lake.publish("t", seen.rows)
    found = seen.figures()
    assert (found["id"], found["share"], found["note"] or None) == (None, None, None)


def test_nothing_is_left_in_the_workspace(lake):
    seen = Observed(lake, rows(lake, 10), {"id": SUM})
    lake.publish("t", seen.rows)
    seen.figures()
    assert [entry.base_name for entry in lake.files.entries("_observed")] == []
