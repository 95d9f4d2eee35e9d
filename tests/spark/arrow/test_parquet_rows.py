"""Rows that threads read from Parquet files are those of the frame."""

import warnings
from itertools import pairwise
from pathlib import Path
from threading import Event

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from core.generate import corpus
from lakewinnow import find_label_issues
from lakewinnow.core.selection import label_issues as core
from lakewinnow.frames import label_issues_on_spark
from lakewinnow.spark.arrow import parquet_rows
from lakewinnow.spark.passes import held_rows, local_issues

CLASSES = ["ant", "bee", "cat", "dog"]
COLUMNS = {"label": "given", "pred_probs": "probs", "id": "id"}


def table(n_rows=300, labels="names", number=None, kind="continuous", seed=28, **columns):
    given, pred_probs, _ = corpus(seed, n_classes=len(CLASSES), n_rows=n_rows, kind=kind)
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
@pytest.mark.parametrize(
    ("columns", "options"),
    [
        (table(), {}),
        (table(seed=11), {}),  # more issues than margins below 0
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
    columns, options, spark, tmp_path, monkeypatch
):
    df = spark.read.parquet(write(tmp_path / "a folder", columns))
    assert rows_of(df) is not None
    other = df.where(F.rand() >= 0)  # the same rows, but no more the files themselves
    assert rows_of(other) is None
    expected = found_in(other, **options)
    assert found_in(df, **options) == expected
    for limits in (
        {(held_rows, "_SHARE"): 10.0},  # more than thresholds: they are counted in another pass
        {(held_rows, "MOST_HELD"): 0},  # so the rows are not held
        {(held_rows, "MOST_HELD"): 0, (local_issues, "MOST_HELD"): 0},  # the undecided neither
        {(label_issues_on_spark, "MOST_TO_JUDGE"): 0},  # verdicts are on issues alone
    ):
        with monkeypatch.context() as limited:
            for (module, name), limit in limits.items():
                limited.setattr(module, name, limit)
            assert found_in(df, **options) == expected, limits


@pytest.mark.parametrize("with_model", [False, True])
def test_probabilities_are_read_once(with_model, spark, tmp_path, monkeypatch):
    original, read = pq.ParquetFile.iter_batches, []

    def iter_batches(file, *args, columns, **options):
        for batch in original(file, *args, columns=columns, **options):
            read.extend(["probs"] * batch.num_rows * ("probs" in columns))
            yield batch

    df = spark.read.parquet(write(tmp_path / "rows", table()))
    options = {}
    if with_model:
        given, pred_probs, _ = corpus(28, n_classes=4, n_rows=300, kind="continuous")
        found = core.find_label_issues(given, pred_probs, classes=CLASSES)
        options["noise_model"] = found.noise_model
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", iter_batches)
    found_in(df, **options)
    assert len(read) == 300


@pytest.mark.spark_only
def test_files_of_any_name_are_found_again(spark, tmp_path):
    """Verdicts are joined by the names of files, as Spark has them."""
    folder = write(tmp_path / "a %20 folder", table())
    for i, name in enumerate(["a b", "a%20b", "a+b=ü"]):
        Path(folder, f"part {i}.parquet").rename(Path(folder, f"{name}.parquet"))
    df = spark.read.parquet(folder)
    assert found_in(df) == found_in(df.where(F.rand() >= 0))


def test_a_column_of_the_name_that_spark_gives_to_what_it_knows_of_files(spark, tmp_path):
    df = spark.read.parquet(write(tmp_path / "rows", table(_Metadata=pa.array(["mine"] * 300))))
    assert found_in(df) == found_in(df.where(F.rand() >= 0))


def test_threads_read_each_row_once(spark, tmp_path):
    columns = table()
    rows = rows_of(spark.read.parquet(write(tmp_path / "a folder", columns)))
    assert rows.n_rows == 300
    shares = rows.select("row_id", parquet_rows.PLACE).scan(list)
    read = pa.Table.from_batches([batch for share in shares for batch in share])
    in_order = read.sort_by(parquet_rows.PLACE)
    assert in_order.column(parquet_rows.PLACE).to_pylist() == list(range(300))
    files = [pq.read_table(path, columns=["id"]) for path in rows.rows_by_file()]
    assert list(rows.rows_by_file().values()) == [len(file) for file in files]
    ids = pa.concat_tables(files).column("id")
    assert in_order.column("row_id").to_pylist() == ids.to_pylist()
    assert sorted(ids.to_pylist()) == columns["id"].to_pylist()


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
