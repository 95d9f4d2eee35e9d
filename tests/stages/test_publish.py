"""Publish: clean/ is a dataset like the input, the rows beside it have a reason."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql.types import (
    ArrayType,
    DateType,
    DecimalType,
    DoubleType,
    LongType,
    ShortType,
    StringType,
    StructField,
    StructType,
)

from builders import (
    corpus_row,
    lake_in,
    make_commit,
    make_config,
    make_table,
    read_rows,
    read_table,
)
from core.noise.test_noise_model import model_of
from lakewinnow.config.sections import OutputConfig
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.errors import DataError
from lakewinnow.figures.rows import SoftLabels
from lakewinnow.stages import ingest, publish

# The input's columns, some of which have our names, or names that have to be quoted.
INPUT = StructType(
    [
        StructField("row_id", LongType()),
        StructField("the.text", StringType()),
        StructField('a "label"', ShortType()),
        StructField("reason", StringType()),
        StructField("source", StructType([StructField("text", StringType())])),
        StructField("price", DecimalType(10, 2)),
        StructField("when", DateType()),
        StructField("tags", ArrayType(StringType())),
        StructField("kind of row", StringType()),
        StructField("none", DoubleType()),
    ]
)
OWN = (1, 2)  # decided by a person
DECISIONS = ["keep", "keep", "fix", "review", "drop", "drop", "keep", "keep"]


def input_row(i):
    return {
        "row_id": i,
        "the.text": f"text {i}",
        'a "label"': 7,
        "reason": f"because {i}",
        "source": {"text": "web"} if i % 2 else None,
        "price": Decimal("1.50"),
        "when": date(2026, 2, 28),
        "tags": ["x", None],
        "kind of row": f"kind {i % 2}",
        "none": None,
    }


def make_decided(lake):
    rows = []
    for i in range(len(DECISIONS)):
        source = input_row(i)
        rows.append(corpus_row(f"r{i}", source.pop("the.text")) | {"source": source})
    kept = StructType([f for f in INPUT.fields if f.name != "the.text"])
    make_table(lake, "corpus", rows, ingest.corpus_schema(kept))
    issues = [
        {
            "row_id": f"r{i}",
            "given_label": "7",
            "predicted_label": "9",
            "predicted_prob": 0.75,
            "label_score": 0.25,
            "decision": decision,
            "new_label": "9" if decision == "fix" else None,
            "decided_by": "Ann" if i in OWN else None,
            "reason": f"{decision} it",
        }
        for i, decision in enumerate(DECISIONS)
    ]
    make_table(lake, "issues", issues)
    make_commit(lake, "ingest", input_columns=INPUT.jsonValue())
    counts = {name: DECISIONS.count(name) for name in set(DECISIONS)}
    make_commit(lake, "decide", decisions=counts)
    return lake


def run(lake, **output):
    source = make_config("x.csv", input={"text": "the.text", "label": 'a "label"'}).input
    return publish.run(lake, source, OutputConfig(**output))


def rows_of(lake, table):
    return sorted(read_rows(lake.files.root, table), key=lambda row: row["the.text"])


@pytest.fixture(scope="module")
def published(spark, tmp_path_factory):
    lake = make_decided(lake_in(spark, tmp_path_factory.mktemp("published")))
    report = run(lake)
    assert (report.rows_in, report.rows_out) == (8, 8)
    return lake


def test_clean_has_the_rows_that_stay_as_they_came(published):
    rows = rows_of(published, "clean")
    assert [row["row_id"] for row in rows] == [0, 1, 2, 6, 7]
    expected = [input_row(i) for i in (0, 1, 2, 6, 7)]
    expected[2]['a "label"'] = 9  # fixed
    assert rows == expected


@pytest.mark.parametrize("table", ["clean", "review", "dropped"])
def test_the_inputs_columns_keep_order_and_type(published, table):
    found = published.read(table).schema
    assert found.names[: len(INPUT)] == INPUT.names
    assert [f.dataType for f in found.fields[: len(INPUT)]] == [f.dataType for f in INPUT.fields]
    if table == "clean":
        assert len(found) == len(INPUT)


@pytest.mark.parametrize(("table", "decision"), [("review", "review"), ("dropped", "drop")])
def test_other_rows_say_why_beside_the_inputs_columns(published, table, decision):
    rows = rows_of(published, table)
    at = [i for i, name in enumerate(DECISIONS) if name == decision]
    added = [
        {
            "lakewinnow_row_id": f"r{i}",
            "predicted_label": "9",
            "predicted_prob": 0.75,
            "label_score": 0.25,
            "lakewinnow_reason": f"{decision} it",
        }
        for i in at
    ]
    assert rows == [input_row(i) | more for i, more in zip(at, added, strict=True)]


def test_more_than_may_be_dropped_is_an_error(lake):
    make_decided(lake)
    with pytest.raises(DataError) as caught:
        publish.check_drop_fraction(lake, 0.24)
    error = caught.value
    assert (error.code, error.where) == ("too_many_dropped", "clean.max_drop_fraction")
    publish.check_drop_fraction(lake, 0.25)


def test_clean_can_be_split_by_column_and_by_rows(lake):
    make_decided(lake)
    run(lake, partition_by=("kind of row",), rows_per_file=1)
    folders = {path.name for path in Path(lake.files.path("clean")).glob("*=*")}
    assert folders == {"kind of row=kind 0", "kind of row=kind 1"}
    files = list(Path(lake.files.path("clean")).rglob("*.parquet"))
    assert len(files) == len(rows_of(lake, "clean")) == lake.rows("clean") == 5
    assert set(lake.read("clean").schema.names) == set(INPUT.names)
    assert len(read_table(lake.files.root, "review")) == 1


@pytest.mark.parametrize("is_taken", [False, True])
def test_soft_labels_are_the_posterior_or_what_a_person_said(lake, is_taken):
    make_decided(lake)
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    pred_probs = np.random.default_rng(0).dirichlet([1.0, 1.0], 8)
    model = model_of(labels, pred_probs, classes=["a", "9"])
    lake.files.write_json("noise_model.json", model.to_dict())
    rows = [
        {"row_id": f"r{i}", "label": int(labels[i]), "pred_probs": pred_probs[i].tolist()}
        for i in range(8)
    ]
    make_table(lake, "pred_probs", rows)
    name = "soft_label"
    if is_taken:
        schema = StructType([*INPUT.fields, StructField("Soft_Label", DoubleType())])
        make_commit(lake, "ingest", input_columns=schema.jsonValue())
        kept = StructType([f for f in schema.fields if f.name != "the.text"])
        rows = read_rows(lake.files.root, "corpus")
        for row in rows:
            row["source"]["Soft_Label"] = 0.5
        lake.files.delete("corpus")
        make_table(lake, "corpus", rows, ingest.corpus_schema(kept))
        name = "lakewinnow_soft_label"
    report = run(lake, soft_labels=True)
    assert report.figures.soft_labels == SoftLabels(column=name, classes=["a", "9"])
    found = [row[name] for row in rows_of(lake, "clean")]
    expected = Posterior.doubting(model).probs(labels, pred_probs)[[0, 1, 2, 6, 7]]
    expected[1:3] = [[1, 0], [0, 1]]  # kept, and fixed, by Ann
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    element = lake.read("clean").schema[name].dataType.elementType
    assert element.simpleString() == "float"
