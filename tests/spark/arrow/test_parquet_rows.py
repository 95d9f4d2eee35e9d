"""Rows that threads read from Parquet files are those of the frame."""

import warnings
from dataclasses import replace
from itertools import pairwise
from threading import Event

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from core.generate import corpus
from lakewinnow import find_label_issues
from lakewinnow.spark.arrow import parquet_rows
from lakewinnow.spark.passes import local_issues

CLASSES = ["ant", "bee", "cat", "dog"]
COLUMNS = {"label": "given", "pred_probs": "probs", "id": "id"}


def table(n_rows=300, labels="names", number=None, kind="continuous", **columns):
    given, pred_probs, _ = corpus(11, n_classes=len(CLASSES), n_rows=n_rows, kind=kind)
    return {
        "id": pa.array([f"r{i:03}" for i in range(n_rows)]),
        "given": pa.array([CLASSES[k] for k in given] if labels == "names" else given.tolist()),
        "probs": pa.array(pred_probs.tolist(), pa.list_(number or pa.float64())),
        **columns,
    }


def write(folder, columns, n_files=3):
    """Write columns in some files of small row groups, and return where."""
    folder.mkdir()
    whole = pa.table(columns)
    bounds = np.linspace(0, len(whole), n_files + 1).astype(int)
    for i, (start, end) in enumerate(pairwise(bounds)):
        path = folder / f"part {i}.parquet"
        pq.write_table(whole.slice(start, end - start), path, row_group_size=70)
    return str(folder)


def rows_of(df):
    rows = parquet_rows.of(df, "id", "given", "probs")
    return rows and rows.of_classes(CLASSES)


def found_in(df, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rows that are left out
        found = find_label_issues(df, **COLUMNS, **options)
        return sorted(map(repr, found.collect()))


BAD = {
    "probs": pa.array(
        [[0.7, 0.1, 0.1, 0.1]] * 12
        + [None, [], [0.5, 0.5], [0.7, 0.3, None, 0.0], [1.4, -0.4, 0.0, 0.0], [0.1, 0.9, 0, 0]]
        * 2,
        pa.list_(pa.float64()),
    ),
    "given": pa.array(["ant"] * 12 + ["bee", "bee", "cat", "dog", "ant", None] * 2),
    "id": pa.array([f"r{i:02}" for i in range(24)]),
}


@pytest.mark.slow_on_spark
@pytest.mark.parametrize("most_held", [0, local_issues.MOST_HELD])
@pytest.mark.parametrize(
    ("columns", "options"),
    [
        (table(), {}),
        (table(), {"filter_by": "prune_by_class", "frac_noise": 0.5}),
        (table(), {"filter_by": "low_normalized_margin", "adjust_pred_probs": True}),
        (table(), {"filter_by": "confident_learning"}),
        (table(kind="ties", id=pa.array(["r1", "r2"] * 150)), {}),
        (table(labels="positions"), {}),
        (table(labels="positions"), {"classes": [3, 2, 1, 0]}),
        (table(number=pa.float32()), {"filter_by": "both"}),
        (table(id=pa.array(range(300))), {"rank_by": "normalized_margin"}),
        (table(probs=pa.array([[0.25] * 4] * 300, pa.list_(pa.float64(), 4))), {}),
        (BAD, {"classes": CLASSES, "max_bad_fraction": 0.9}),
    ],
)
def test_what_is_found_is_what_is_found_in_any_other_frame(
    columns, options, most_held, spark, tmp_path, monkeypatch
):
    monkeypatch.setattr(local_issues, "MOST_HELD", most_held)
    df = spark.read.parquet(write(tmp_path / "a folder", columns))
    assert rows_of(df) is not None
    other = df.where(F.rand() >= 0)  # the same rows, but no more the files themselves
    assert rows_of(other) is None
    assert found_in(df, **options) == found_in(other, **options)


def test_threads_read_each_row_once(spark, tmp_path):
    columns = table()
    rows = rows_of(spark.read.parquet(write(tmp_path / "a folder", columns)))
    assert rows.n_rows == 300
    shares = rows.select("row_id").scan(lambda batches: [b.to_pydict()["row_id"] for b in batches])
    read = [row_id for share in shares for batch in share for row_id in batch]
    assert sorted(read) == columns["id"].to_pylist()


@pytest.mark.parametrize("most_held", [0, 5000, 2**30])
def test_probabilities_are_decoded_once_as_far_as_they_fit(most_held, spark, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_rows, "_MOST_HELD", most_held)
    original, decoded = pq.ParquetFile.iter_batches, []

    def iter_batches(file, *args, columns, **options):
        for batch in original(file, *args, columns=columns, **options):
            decoded.extend(columns * batch.num_rows)
            yield batch

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", iter_batches)
    rows = rows_of(spark.read.parquet(write(tmp_path / "rows", table())))
    rows = replace(rows, parts=rows.parts[:5])  # of 70, 30, 70, 30 and 70 rows
    first, *others = (
        pa.Table.from_batches([batch for share in rows.scan(list) for batch in share]).sort_by(
            "row_id"
        )
        for _ in range(3)
    )
    assert all(other.equals(first) for other in others)
    assert decoded.count("id") == 3 * 270
    n_held = 270 - (decoded.count("probs") - 270) / 2
    if most_held == 5000:  # bytes, of 36 a row; which of the parts are first is chance
        assert 70 <= n_held <= 138
    else:
        assert n_held == (270 if most_held else 0)


def test_threads_end_early_once_another_has_failed(spark, tmp_path):
    rows = rows_of(spark.read.parquet(write(tmp_path / "a folder", table())))
    is_over = Event()
    batches = rows._batches(rows.parts, is_over)
    assert len(next(batches)) == 70
    is_over.set()
    assert list(batches) == []


@pytest.mark.parametrize(
    "frame",
    [
        lambda df: df.where("given != 'ant'"),
        lambda df: df.limit(10),
        lambda df: df.withColumn("given", F.lit("ant")),
        lambda df: df.union(df),
        lambda df: df.select(F.upper("id").alias("id"), "given", "probs"),
    ],
)
def test_a_frame_made_of_files_is_not_the_files(frame, spark, tmp_path):
    df = spark.read.parquet(write(tmp_path / "a folder", table()))
    assert rows_of(frame(df)) is None


@pytest.mark.parametrize(
    "columns",
    [
        table(id=pa.array([None] + ["r"] * 299)),
        table(probs=pa.array([[pa.scalar(1).as_py()] * 4] * 300, pa.list_(pa.decimal128(5, 2)))),
        table(given=pa.array(["ant"] * 300).cast(pa.binary())),
    ],
)
def test_what_is_not_understood_is_left_to_spark(columns, spark, tmp_path):
    assert rows_of(spark.read.parquet(write(tmp_path / "a folder", columns))) is None


@pytest.mark.spark_only  # Sail does not read them at all
def test_files_that_differ_are_left_to_spark(spark, tmp_path):
    folder = write(tmp_path / "a folder", table())
    pq.write_table(pa.table(table(number=pa.float32())), f"{folder}/part 9.parquet")
    assert rows_of(spark.read.parquet(folder)) is None
