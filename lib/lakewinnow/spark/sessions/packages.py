"""What Spark reads Delta, Iceberg and S3 with: jars that a session has or has not.

Sail brings all of it. Where a Spark session lacks a jar, the error names the one for its version.
"""

from collections.abc import Mapping
from typing import Final

from pyspark.sql import SparkSession

from lakewinnow.errors import EngineError, Shown
from lakewinnow.spark.sessions import engines
from lakewinnow.spark.sessions.engines import is_sail
from lakewinnow.spark.sessions.object_stores import engine_path, is_s3

TABLE_FORMATS: Final = ("delta", "iceberg")

# The newest release for each Spark; of Hadoop the one that Spark itself has.
_AS_OF: Final = "November 2026"
_DELTA: Final[Mapping[str, str]] = dict.fromkeys(("4.0", "4.1", "4.2"), "4.4.1")
_ICEBERG: Final[Mapping[str, str]] = dict.fromkeys(("4.0", "4.1"), "1.11.0")
_HADOOP: Final[Mapping[str, str]] = {"4.0": "3.4.1", "4.1": "3.4.2", "4.2": "3.5.0"}
_RELEASES: Final = {"delta": _DELTA, "iceberg": _ICEBERG, "s3": _HADOOP}
_ARTIFACTS: Final = {
    "delta": "io.delta:delta-spark_{spark}_2.13",
    "iceberg": "org.apache.iceberg:iceberg-spark-runtime-{spark}_2.13",
    "s3": "org.apache.hadoop:hadoop-aws",
}
_UNKNOWN: Final = "VERSION"
_SETTINGS: Final = {
    "delta": (
        " --conf spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension"
        " --conf spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog"
    )
}
_NO_FORMAT: Final = "DATA_SOURCE_NOT_FOUND"
_NO_STORE: Final = ("S3AFileSystem not found", 'No FileSystem for scheme "s3a"')


def coordinates(what: str, spark_version: str) -> str:
    """Return the Maven coordinates of what a Spark of a version reads "delta", … with."""
    spark = ".".join(spark_version.split(".")[:2])
    release = _RELEASES[what].get(spark, _UNKNOWN)
    return f"{_ARTIFACTS[what].format(spark=spark)}:{release}"


def check_format(spark: SparkSession, format_: str, key: str) -> None:
    """Find out at once whether the session knows a table format.

    Raises
    ------
    EngineError : at `key`, "no_table_format": it lacks the jar
    """
    if format_ not in TABLE_FORMATS or is_sail(spark):
        return
    try:
        _ = spark.read.format(format_).load("/lakewinnow-is-the-format-there").schema
    except engines.errors as error:  # at the latest of a table that is not there
        if _NO_FORMAT in str(error):
            raise _lacks(spark, format_, key, "a format that this session reads") from error


def check_store(spark: SparkSession, path: str, key: str) -> None:
    """Find out at once whether the session knows the store that a path is in.

    Raises
    ------
    EngineError : at `key`, "no_object_store": it lacks the jar
    """
    if not is_s3(path) or is_sail(spark):
        return
    try:
        _ = spark.read.format("text").load(engine_path(spark, path)).schema
    except engines.errors as error:  # at the latest of a path that is not there
        if any(sign in str(error) for sign in _NO_STORE):
            raise _lacks(spark, "s3", key, "a store that this session reads") from error


def _lacks(spark: SparkSession, what: str, key: str, expected: str) -> EngineError:
    code = "no_object_store" if what == "s3" else "no_table_format"
    package = coordinates(what, spark.version)
    is_known = not package.endswith(_UNKNOWN)
    advice = (
        "" if is_known else f"no release for this Spark was known in {_AS_OF}; of a later one: "
    )
    got = Shown(f"{what}, for which Spark {spark.version} has no jar")
    hint = (
        f"{advice}spark-submit --packages {package}{_SETTINGS.get(what, '')} …; for a local session"
        " the same options and pyspark-shell in PYSPARK_SUBMIT_ARGS; --engine sail needs no jar"
    )
    return EngineError(code, key, expected, got, hint)
