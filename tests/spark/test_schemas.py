"""Schemas: a line a column is the type that Spark has."""

import doctest

from pyspark.sql import types as t

from lakewinnow.spark import schemas
from lakewinnow.spark.schemas import schema


def test_a_schema_is_spark_s():
    found = schema(
        {"id": "string", "rank": "int?", "probs": "array<float>", "ids": "array<bigint?>?"}
    )
    assert found == t.StructType(
        [
            t.StructField("id", t.StringType(), nullable=False),
            t.StructField("rank", t.IntegerType(), nullable=True),
            t.StructField("probs", t.ArrayType(t.FloatType(), containsNull=False), nullable=False),
            t.StructField("ids", t.ArrayType(t.LongType(), containsNull=True), nullable=True),
        ]
    )
    assert schema({"source": found})["source"].dataType == found
    assert doctest.testmod(schemas).failed == 0
