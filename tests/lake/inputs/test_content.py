"""What a row is judged by: equal content has one key; what cannot be used has a code."""

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from builders import make_config
from lakewinnow.lake.inputs import content


def make_input(**keys):
    return make_config("x.parquet", input={"text": None, **keys}).input


def keys_of(df, **keys):
    key = content.key(make_input(**keys), df.schema)
    return [bytes(row[0]) for row in df.select(key).collect()]


# --- embeddings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["float", "double", "decimal(4,2)", "int"])
def test_an_embedding_is_its_floats_whatever_their_type(spark, kind):
    rows = spark.sql(f"SELECT array(cast(1 as {kind}), cast(-2 as {kind})) AS v, 'x' AS label")
    as_floats = rows.withColumn("v", F.expr("array(1f, -2f)"))
    assert keys_of(rows, embedding="v") == keys_of(as_floats, embedding="v")
    [(code, vector)] = rows.select(
        content.error_code(make_input(embedding="v"), rows.schema),
        content.vector(make_input(embedding="v"), rows.schema),
    ).collect()
    assert (code, vector) == (None, [1.0, -2.0])


@pytest.mark.spark_only
def test_an_ml_vector_is_an_embedding(spark):
    from pyspark.ml.linalg import Vectors

    rows = spark.createDataFrame(
        [(Vectors.dense(1.0, 0.0), "x"), (Vectors.sparse(2, {0: 1.0}), "x")], ["v", "label"]
    )
    dense, sparse = keys_of(rows, embedding="v")
    assert dense == sparse


def test_the_key_of_an_embedding_is_of_its_values_and_of_the_text(spark):
    df = spark.createDataFrame(
        [([0.0, 1.0], "a"), ([-0.0, 1.0], "a"), ([0.0, 1.0], "b"), ([1.0, 0.0], "a")],
        "v array<double>, t string",
    )
    one, minus_zero, other_text, other = keys_of(df, embedding="v", label="label")
    assert one == minus_zero == other_text != other
    one, minus_zero, other_text, other = keys_of(df, embedding="v", text="t", label="label")
    assert one == minus_zero
    assert len({one, other_text, other}) == 3


def test_an_embedding_that_cannot_be_used_has_a_code():
    vectors = pa.array(
        [[9.0], None, [], [1.0, 2.0], [np.nan, 1.0], [np.inf], [1.0, None]], pa.list_(pa.float32())
    ).slice(1)
    assert content._vector_codes(vectors).to_pylist() == [
        "embedding_null",
        "embedding_null",
        None,
        "embedding_not_finite",
        "embedding_not_finite",
        "embedding_not_finite",
    ]
    assert set(content._vector_codes(vectors).drop_null().to_pylist()) < content.SENTENCES.keys()


def test_a_double_beyond_float_is_not_finite(spark):
    df = spark.createDataFrame([([1e300],)], "v array<double>")
    code = content.error_code(make_input(embedding="v"), df.schema)
    assert df.select(code).first()[0] == "embedding_not_finite"


# --- features -----------------------------------------------------------------------------------

FEATURES = "a int, `b.c` string, d double"


def test_the_key_of_features_is_of_their_values_not_their_order(spark):
    df = spark.createDataFrame([(1, "x", 0.5), (1, "x", 0.25), (1, None, 0.5)], FEATURES)
    names = ["a", "b.c", "d"]
    keys = keys_of(df, features=names)
    assert len(set(keys)) == 3
    assert keys_of(df, features=names[::-1]) == keys
    assert len(set(keys_of(df, features=["a"]))) == 1


def test_a_row_without_a_feature_has_a_code(spark):
    df = spark.createDataFrame([(None, None, 0.5), (None, None, None)], FEATURES)
    code = content.error_code(make_input(features=["a", "b.c", "d"]), df.schema)
    assert [row[0] for row in df.select(code).collect()] == [None, "features_null"]


# --- what a person reads ------------------------------------------------------------------------


def test_features_are_shown_by_name(spark):
    df = spark.createDataFrame([(1, "x", 0.1234567891), (None, "2026-11-24", None)], FEATURES)
    shown = content.shown(make_input(features=["d", "b.c", "a"]), df.schema)
    assert [row[0] for row in df.select(shown).collect()] == [
        "d=0.123457, b.c=x, a=1",
        "d=–, b.c=2026-11-24, a=–",
    ]


@pytest.mark.parametrize(
    ("columns", "text", "expected"),
    [
        ("file string, v array<double>, label string", None, "file=f"),
        ("v array<double>, label string", None, "0.125, 1, 2, 3, …"),
        ("t string, v array<double>, label string", "t", "f"),
    ],
)
def test_an_embedding_is_shown_by_what_is_beside_it(spark, columns, text, expected):
    values = {"file": "f", "t": "f", "v": [0.125, 1.0, 2.0, 3.0, 4.0], "label": "x"}
    df = spark.createDataFrame([values], columns)
    shown = content.shown(make_input(embedding="v", text=text), df.schema)
    assert df.select(shown).first()[0] == expected
