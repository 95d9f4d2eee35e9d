"""Delta and Iceberg tables: others' are read, in any version, and ours are read by others."""

import time
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from pyspark.sql.pandas.types import from_arrow_schema

from builders import lake_in, make_config
from lakewinnow.errors import DataError, EngineError, SchemaError
from lakewinnow.lake import tables
from lakewinnow.lake.inputs.source import read_source
from lakewinnow.pipeline.inputs import open_inputs
from lakewinnow.spark.sessions.engines import is_sail
from lakewinnow.spark.sessions.packages import TABLE_FORMATS, check_format, coordinates

deltalake = pytest.importorskip("deltalake")
pyiceberg = pytest.importorskip("pyiceberg.catalog.sql")
StaticTable = pytest.importorskip("pyiceberg.table").StaticTable

pytestmark = pytest.mark.filterwarnings("default")  # theirs are theirs

SCHEMA = pa.schema(
    {
        "id": pa.int64(),
        "text": pa.string(),
        "label": pa.string(),
        "at": pa.timestamp("us", "UTC"),
        "local": pa.timestamp("us"),
        "price": pa.decimal128(10, 2),
        "day": pa.date32(),
        "nested": pa.struct({"x": pa.int64(), "y": pa.list_(pa.string())}),
        "vector": pa.list_(pa.float32()),
        "raw": pa.binary(),
    }
)


def rows(ids):
    return pa.Table.from_pylist(
        [
            {
                "id": i,
                "text": f"text {i}" if i % 3 else None,
                "label": "ab"[i % 2],
                "at": datetime(2026, 1, 31, 12, i, tzinfo=UTC),
                "local": datetime(2026, 1, 31, 12, i),  # noqa: DTZ001 - it has none
                "price": Decimal(i) / 4,
                "day": date(2026, 1, 1 + i),
                "nested": {"x": i, "y": [None, "q"] if i % 2 else None},
                "vector": [0.5, i],
                "raw": bytes([i]),
            }
            for i in ids
        ],
        schema=SCHEMA,
    )


class Delta:
    """Tables as the package deltalake writes and reads them."""

    def __init__(self, folder):
        self.path = str(folder / "delta")

    def append(self, table):
        deltalake.write_deltalake(self.path, table, mode="append")
        return deltalake.DeltaTable(self.path).version()

    @staticmethod
    def read(path):
        return deltalake.DeltaTable(path).to_pyarrow_table()

    @staticmethod
    def commits(path):
        return [commit["operation"] for commit in deltalake.DeltaTable(path).history()]


class Iceberg:
    """Tables as the package pyiceberg writes and reads them, with a catalog of its own."""

    def __init__(self, folder):
        self._catalog = pyiceberg.SqlCatalog(
            "c", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse"
        )
        self._catalog.create_namespace_if_not_exists("n")
        self._table = self._catalog.create_table_if_not_exists("n.t", schema=SCHEMA)
        self.path = self._table.location().removeprefix("file://")

    def append(self, table):
        self._table.append(table)
        return self._table.current_snapshot().snapshot_id

    @staticmethod
    def read(path):
        return StaticTable.from_metadata(path).scan().to_arrow()

    @staticmethod
    def commits(path):
        return [s.summary.operation.value for s in StaticTable.from_metadata(path).snapshots()]


WRITERS = {"delta": Delta, "iceberg": Iceberg}


@pytest.fixture(params=TABLE_FORMATS)
def format_(spark, request):
    """A format that this session reads; where it has no jar, the test after next says so."""
    try:
        check_format(spark, request.param, "input.format")
    except EngineError as error:
        pytest.skip(str(error))
    return request.param


@pytest.fixture
def others(format_, tmp_path):
    return WRITERS[format_](tmp_path)


def open_table(spark, format_, path, **input_):
    config = make_config(path, input={"format": format_, **input_})
    return read_source(spark, config.input, format_)


def opening_fails(spark, format_, path, **input_):
    with pytest.raises((DataError, SchemaError)) as caught:
        open_table(spark, format_, path, **input_)
    return caught.value


def in_order(table):
    return sorted(table.select(SCHEMA.names).to_pylist(), key=lambda row: row["id"])


@pytest.mark.parametrize("kind", TABLE_FORMATS)
def test_a_session_without_the_jar_is_told_its_name(spark, kind, tmp_path):
    if is_sail(spark):
        assert check_format(spark, kind, "output.format") is None
        return
    config = make_config(tmp_path / "x.csv", output={"format": kind})
    with pytest.raises(EngineError) as caught:
        open_inputs(spark, config)
    assert caught.value.code == "no_table_format"
    assert caught.value.where == "output.format"
    assert f"--packages {coordinates(kind, spark.version)}" in caught.value.hint
    with pytest.raises(EngineError) as caught:
        open_table(spark, kind, tmp_path)
    assert caught.value.where == "input.format"


@pytest.mark.parametrize(
    ("what", "version", "expected"),
    [
        ("delta", "4.1.2", "io.delta:delta-spark_4.1_2.13:4.4.1"),
        ("delta", "4.9.0", "io.delta:delta-spark_4.9_2.13:VERSION"),
        ("iceberg", "4.0.1", "org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.11.0"),
        ("s3", "4.2.1", "org.apache.hadoop:hadoop-aws:3.5.0"),
    ],
)
def test_coordinates_are_of_the_version_at_hand(what, version, expected):
    assert coordinates(what, version) == expected


def test_a_table_is_read_as_others_wrote_it(spark, format_, others):
    others.append(rows(range(5)))
    source = open_table(spark, format_, others.path)
    assert source.schema == from_arrow_schema(SCHEMA)
    assert in_order(source.df.toArrow()) == in_order(rows(range(5)))
    assert source.n_bytes > 0


def test_a_table_without_rows_has_its_columns(spark, format_, others):
    others.append(rows([]))
    source = open_table(spark, format_, others.path)
    assert source.schema.names == SCHEMA.names
    assert source.df.count() == 0


def test_a_version_is_read_by_its_name_and_by_its_time(spark, format_, others):
    first = others.append(rows(range(3)))
    time.sleep(0.05)
    between = datetime.now(UTC)
    time.sleep(0.05)
    second = others.append(rows(range(3, 5)))
    expected = {first: 3, between.isoformat(): 3, second: 5, "2999-01-01": 5, None: 5}
    for version, n_rows in expected.items():
        source = open_table(spark, format_, others.path, version=version)
        assert source.df.count() == n_rows, version


def test_a_later_commit_is_noticed_and_not_read(spark, format_, others):
    first = others.append(rows(range(3)))
    before = open_table(spark, format_, others.path)
    again = open_table(spark, format_, others.path)
    others.append(rows(range(3, 5)))
    after = open_table(spark, format_, others.path)
    asked_for = open_table(spark, format_, others.path, version=first)
    assert before.fingerprint == again.fingerprint == asked_for.fingerprint != after.fingerprint
    assert before.df.count() == 3
    assert after.df.count() == 5


@pytest.mark.parametrize("version", [99, "2001-01-01T00:00:00"])
def test_a_version_that_is_not_there_is_told_apart(spark, format_, others, version):
    others.append(rows(range(3)))
    error = opening_fails(spark, format_, others.path, version=version)
    if format_ == "delta" and isinstance(version, str):  # the engine alone knows
        assert error.code == "cannot_read"
    else:
        assert (error.code, error.where) == ("version_not_found", "input.version")


def test_a_folder_that_is_no_table_is_not_found(spark, format_, tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        error = opening_fails(spark, format_, path)
        assert (error.code, error.where) == ("input_not_found", "input.path")


def frame(spark, ids):
    return spark.createDataFrame(rows(ids), from_arrow_schema(SCHEMA))


@pytest.fixture
def lake(spark, tmp_path):
    return lake_in(spark, tmp_path / "workspace")


def test_a_published_table_is_read_by_others(lake, format_):
    lake.publish("clean", frame(lake.spark, range(5)), format_=format_)
    path = lake.files.path("clean")
    assert in_order(WRITERS[format_].read(path)) == in_order(rows(range(5)))
    assert lake.rows("clean") == 5
    assert in_order(lake.read("clean").toArrow()) == in_order(rows(range(5)))


def test_a_table_is_replaced_in_one_commit_of_its_log(lake, format_):
    lake.publish("clean", frame(lake.spark, range(5)), format_=format_)
    path = lake.files.path("clean")
    before = len(WRITERS[format_].commits(path))
    lake.publish("clean", frame(lake.spark, [7]).select("text", "id"), format_=format_)
    assert len(WRITERS[format_].commits(path)) == before + 1
    assert WRITERS[format_].read(path).to_pylist() == [{"text": "text 7", "id": 7}]


def test_a_table_without_rows_is_a_table(lake, format_):
    lake.publish("review", frame(lake.spark, range(3)), format_=format_)
    lake.publish("review", frame(lake.spark, range(3)).where("id < 0"), format_=format_)
    lake.publish("dropped", frame(lake.spark, range(3)).where("id < 0"), format_=format_)
    for name in ("review", "dropped"):
        assert lake.rows(name) == 0
        found = WRITERS[format_].read(lake.files.path(name))
        assert (found.num_rows, found.column_names) == (0, SCHEMA.names)


def test_a_table_may_be_partitioned(lake, format_):
    lake.publish("clean", frame(lake.spark, range(6)), format_=format_, partition_by=["label"])
    path = lake.files.path("clean")
    assert in_order(WRITERS[format_].read(path)) == in_order(rows(range(6)))
    folders = {info.base_name for info in lake.files.entries("clean", recursive=True)}
    assert {"label=a", "label=b"} <= folders


def test_a_table_of_another_format_makes_way(lake, format_):
    for number, kind in enumerate(("parquet", format_, "parquet")):
        lake.publish("clean", frame(lake.spark, range(number + 1)), format_=kind)
        assert tables.format_of(lake.files, "clean") == kind
        assert lake.rows("clean") == number + 1
        assert lake.read("clean").count() == number + 1
