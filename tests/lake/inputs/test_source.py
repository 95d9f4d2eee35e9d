"""The user's table: read as it stands, its columns checked before any job runs."""

import os
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

import lakewinnow
from builders import make_config, write_csv
from lakewinnow.errors import DataError, SchemaError
from lakewinnow.lake.inputs.formats import input_format
from lakewinnow.lake.inputs.source import column, own_name, read_source, text_key
from lakewinnow.spark.sessions.engines import is_sail


def open_source(spark, path=None, **input_):
    config = make_config(path, input=input_).input
    return read_source(spark, config, input_format(config))


def opening_fails(spark, path=None, **input_):
    with pytest.raises((DataError, SchemaError)) as caught:
        open_source(spark, path, **input_)
    return caught.value


@pytest.fixture(scope="module")
def two_rows(tmp_path_factory):
    return write_csv(tmp_path_factory.mktemp("source") / "two.csv", [("a", "x"), ("b", "y")])


def test_a_column_may_have_any_name(spark):
    names = ["a.b", "a b", 'a"b', "a`b"]
    rows = spark.createDataFrame([(1, 2, 3, 4)], names)
    assert rows.select(*map(column, names)).collect() == [(1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("columns", "name"),
    [(["text"], "reason"), (["Reason"], "lakewinnow_reason"), (["reason"], "lakewinnow_reason")],
)
def test_our_columns_step_aside_for_the_inputs(columns, name):
    assert own_name("reason", columns) == name


def test_texts_of_one_normal_form_have_one_key(spark):
    composed, decomposed, other = "caf\u00e9", "cafe\u0301", "cafe"
    texts = spark.createDataFrame([(composed,), (decomposed,), (other,)], ["text"])
    [(one,), (same,), (different,)] = texts.select(text_key(F.col("text"))).collect()
    assert one == same != different
    assert len(one) == 32


def test_number_6_names_of_folders_are_text_as_they_stand(spark, tmp_path):
    for label in ("01", "1", "1.0", "2026-01-01", "a%20b", "__HIVE_DEFAULT_PARTITION__"):
        (tmp_path / f"label={label}" / "day=1").mkdir(parents=True)
        texts = pa.table({"text": [f"of {label}"], "n": [7]})
        pq.write_table(texts, tmp_path / f"label={label}" / "day=1" / "x.parquet")
    source = open_source(spark, tmp_path, format="parquet")
    assert source.schema == source.df.schema
    assert {f.name: f.dataType.simpleString() for f in source.schema} == {
        "text": "string", "n": "bigint", "label": "string", "day": "string"
    }  # fmt: skip
    labels = {row.label for row in source.df.collect()}
    assert labels == {"01", "1", "1.0", "2026-01-01", "a b", None}
    options = {"recursiveFileLookup": True}  # the user wants no columns of folders
    flat = open_source(spark, tmp_path, format="parquet", label="n", options=options)
    assert is_sail(spark) or flat.schema.names == ["text", "n"]


def test_csv_values_are_not_guessed(spark, tmp_path):
    source = open_source(spark, write_csv(tmp_path / "x.csv", [("a", "007")]))
    assert source.schema.simpleString() == "struct<text:string,label:string>"
    assert source.df.select("label").collect() == [("007",)]


def test_number_7_csv_files_with_other_headers_are_refused(spark, tmp_path):
    write_csv(tmp_path / "a.csv", [("one", "x"), ("two", "y")])
    write_csv(tmp_path / "b.csv", [("x", "three")], header=["label", "text"])
    error = opening_fails(spark, tmp_path, format="csv")
    assert (error.code, error.where) == ("headers_differ", "input.path")
    assert re.search(r"/a.csv: text, label; file:.*/b.csv: label, text$", str(error))

    by_position = open_source(spark, tmp_path, format="csv", options={"enforceSchema": True})
    assert by_position.df.where("text = 'x'").count() == 1  # the user has said so


def test_csv_files_with_one_header_are_one_table(spark, tmp_path):
    write_csv(tmp_path / "a.csv", [("one", "x"), ("two", "y")])
    write_csv(tmp_path / "b.csv", [("three", "x")], header=["TEXT", "label"])
    (tmp_path / "c d.csv").write_text("")
    (tmp_path / "é.csv").write_text('"text","label"\nfour,z\n')
    assert open_source(spark, tmp_path, format="csv").df.count() == 4


def test_the_users_options_win(spark, tmp_path):
    path = write_csv(tmp_path / "x.csv", [("a|7",)], header=["text|label"])
    source = open_source(spark, path, options={"sep": "|", "inferSchema": True})
    assert source.schema.simpleString() == "struct<text:string,label:int>"


@pytest.mark.parametrize(
    ("input_", "problems"),
    [
        ({"text": "txt"}, [("input.text", "did you mean 'text'?")]),
        ({"label": "Text"}, [("input.label", "did you mean 'text'?")]),
        ({"text": "q", "id": "z"}, [("input.text", ""), ("input.id", "")]),
        ({"embedding": "labels"}, [("input.embedding", "did you mean 'label'?")]),
        (
            {"text": None, "features": ["text", "tex", "z"]},
            [("input.features", "did you mean 'text'?"), ("input.features", "")],
        ),
    ],
)
def test_a_missing_column_is_a_schema_error(spark, two_rows, input_, problems):
    error = opening_fails(spark, two_rows, **input_)
    assert isinstance(error, SchemaError)
    assert [(p.code, p.where, p.hint) for p in error.problems] == [
        ("missing_column", where, hint) for where, hint in problems
    ]
    assert "text, label" in str(error)


@pytest.mark.parametrize(
    ("select", "where"),
    [
        ("1 AS text, 'x' AS label", "input.text"),
        ("'a' AS text, array('x') AS label", "input.label"),
        ("'a' AS text, 'x' AS label, current_date() AS id", "input.id"),
    ],
)
def test_a_column_of_another_type_is_a_schema_error(spark, select, where):
    spark.sql(f"SELECT {select}").createOrReplaceTempView("mistyped")
    id_ = {"id": "id"} if " id" in select else {}
    error = opening_fails(spark, table="mistyped", **id_)
    assert [(p.code, p.where) for p in error.problems] == [("wrong_column_type", where)]


@pytest.mark.parametrize(
    ("select", "where"),
    [
        ("map('a', 1) AS x, 1 AS y", ["input.features"]),
        ("current_date() AS x, array(1) AS y", ["input.features", "input.features"]),
        ("0.5 AS x, true AS y", []),
        ("'a' AS x, 1L AS y", []),
    ],
)
def test_features_are_numbers_booleans_or_strings(spark, select, where):
    spark.sql(f"SELECT {select}, 'x' AS label").createOrReplaceTempView("features")
    input_ = {"table": "features", "text": None, "features": ["x", "y"]}
    if where:
        error = opening_fails(spark, **input_)
        assert [(p.code, p.where) for p in error.problems] == [
            ("wrong_column_type", key) for key in where
        ]
        assert all(p.hint for p in error.problems)
    else:
        assert open_source(spark, **input_).schema.names == ["x", "y", "label"]


@pytest.mark.parametrize("value", ["'1,2'", "array('a')", "map('a', 1.0)", "1.0"])
def test_an_embedding_is_a_list_of_numbers(spark, value):
    spark.sql(f"SELECT {value} AS v, 'x' AS label").createOrReplaceTempView("embedded")
    error = opening_fails(spark, table="embedded", text=None, embedding="v")
    assert (error.code, error.where) == ("wrong_column_type", "input.embedding")


@pytest.mark.parametrize(
    "input_",
    [
        {"path": "no/such.csv"},
        {"path": "no/such.parquet"},
        {"table": "no_such_table"},
        {"table": "no_such_catalog.schema.name"},
    ],
)
def test_what_is_not_there_is_a_data_error(spark, input_):
    error = opening_fails(spark, **input_)
    [key] = input_
    assert (type(error), error.code, error.where) == (DataError, "input_not_found", f"input.{key}")


def test_a_path_that_is_nearly_right_is_told(spark, two_rows):
    error = opening_fails(spark, two_rows.with_name("to.csv"))
    assert str(two_rows) in error.hint


@pytest.mark.parametrize(
    ("name", "content"), [("x.csv", b""), ("x.jsonl", b""), ("x.jsonl", b"not json\n")]
)
def test_a_file_with_nothing_in_it_is_a_data_error(spark, tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    error = opening_fails(spark, path)
    assert (type(error), error.code, error.where) == (DataError, "empty_input", "input.path")


def test_a_folder_without_files_is_a_data_error(spark, tmp_path):
    error = opening_fails(spark, tmp_path, format="parquet")
    assert (type(error), error.code, error.where) == (DataError, "empty_input", "input.path")


def test_what_is_no_parquet_is_a_schema_error(spark, tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"text,label\r\n")
    error = opening_fails(spark, tmp_path / "x.parquet")
    assert (error.code, error.where) == ("cannot_read", "input.path")


def test_the_fingerprint_is_of_the_present_content(spark, tmp_path):
    path = write_csv(tmp_path / "x.csv", [("a", "x")])
    first = open_source(spark, path)
    assert open_source(spark, path).fingerprint == first.fingerprint
    assert first.n_bytes == path.stat().st_size
    os.utime(path, (1, 1))
    touched = open_source(spark, path)
    write_csv(path, [("b", "x")])
    os.utime(path, (2, 2))
    assert len({first.fingerprint, touched.fingerprint, open_source(spark, path).fingerprint}) == 3


def test_number_3_a_view_whose_rows_change_is_another_input(spark):
    def fingerprint(rows):
        frame = spark.createDataFrame(rows, ["text", "label"])
        frame.createOrReplaceTempView("changing")
        return open_source(spark, table="changing").fingerprint

    rows = [("a", "x"), ("b", "y"), ("c", "x")]
    first = fingerprint(rows)
    assert fingerprint(rows[::-1]) == first  # the order of rows is no content
    others = [[*rows[:2], ("c", "y")], [*rows, rows[0]], [*rows[:2], ("b", "y")], rows[:2]]
    assert len({first, *map(fingerprint, others)}) == 5


def test_number_3_a_view_of_files_is_told_by_its_rows_and_not_by_the_files(spark, tmp_path):
    pq.write_table(pa.table({"text": ["a", "b"], "label": ["x", "y"]}), tmp_path / "x.parquet")
    found = []
    for rows in ("label = 'x'", "label = 'y'"):
        df = spark.read.parquet(str(tmp_path)).where(rows)
        df.createOrReplaceTempView("filtered")
        found.append(open_source(spark, table="filtered").fingerprint)
    assert found[0] != found[1]


def test_number_3_what_only_an_engine_can_list_is_told_by_its_rows(spark, tmp_path, monkeypatch):
    monkeypatch.setattr("lakewinnow.lake.inputs.source._listed", lambda *_: [])
    path, found = tmp_path / "x.parquet", []
    for label in ("x", "z", "x"):
        pq.write_table(pa.table({"text": ["a", "b"], "label": [label, "y"]}), path)
        found.append(open_source(spark, path).fingerprint)
    assert found[0] == found[2] != found[1]


@pytest.mark.parametrize(
    ("names", "code"),
    [(["label", "text", "LABEL"], "same_column"), (["label", "text", "__lw_key"], "reserved_name")],
)
def test_names_of_columns_that_no_engine_tells_apart_are_refused(spark, tmp_path, names, code):
    pq.write_table(pa.table({name: ["a", "b"] for name in names}), tmp_path / "rows.parquet")
    with pytest.raises(SchemaError) as caught:
        lakewinnow.run(make_config(tmp_path / "rows.parquet", tmp_path / "out"), spark)
    assert (caught.value.code, caught.value.where) == (code, "input")
