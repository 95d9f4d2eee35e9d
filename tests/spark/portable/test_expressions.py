import datetime as dt
import decimal
import math

import numpy as np
from pyspark.sql import functions as F

from lakewinnow.lake.inputs.source import json_of
from lakewinnow.spark.portable import expressions as portable

VALUES = [0.0, -2.5, 2.5, 3.5, 0.125, 1.006, 123456789.125, 1e-7]


def of(spark, value):
    rows = spark.createDataFrame(list(enumerate(VALUES)), "i int, x double")
    return [row[1] for row in rows.select("i", value.alias("v")).orderBy("i").collect()]


def test_rint_takes_ties_to_the_even_one(spark):
    assert of(spark, portable.rint(F.col("x"))) == np.rint(VALUES).tolist()


def test_fixed_rounds_ties_away_from_zero(spark):
    fixed = ["0.00", "-2.50", "2.50", "3.50", "0.13", "1.01", "123456789.13", "0.00"]
    assert of(spark, portable.fixed(F.col("x"), 2)) == fixed


def test_head_keeps_18_binary_digits(spark):
    found = of(spark, portable.head(F.col("x")))
    for value, head in zip(VALUES, found, strict=True):
        mantissa, _ = math.frexp(head)
        assert mantissa * 2**18 == round(mantissa * 2**18)
        assert abs(head - value) <= abs(value) * 2.0**-18


def test_exp_is_numpys(spark):
    small = F.when(F.abs("x") < 100, F.col("x")).otherwise(0.0)
    wanted = np.exp([x if abs(x) < 100 else 0.0 for x in VALUES]).tolist()
    assert of(spark, portable.exp(small)) == wanted


def test_mean_has_the_same_bits_in_any_order(spark):
    values = np.random.default_rng(0).uniform(-1, 1, 999)
    found = {
        spark.createDataFrame([(float(x),) for x in order], "x double")
        .repartition(3)
        .agg(portable.mean(F.col("x")))
        .collect()[0][0]
        for order in (values, values[::-1], np.sort(values))
    }
    assert len(found) == 1
    assert abs(found.pop() - values.mean()) < 2.0**-40


def test_a_row_as_json(spark):
    schema = (
        "`b.x` string, a double, f float, d decimal(12,3), e decimal(20,10), t timestamp,"
        " n timestamp_ntz, day date, raw binary, flag boolean, s struct<a:int,b:array<string>>,"
        " m map<string,int>, l array<double>, none int"
    )
    moment = dt.datetime(2020, 1, 2, 3, 4, 5, 123456)  # noqa: DTZ001 - the session's zone is UTC
    row = (
        'é "q"\\\n\x1b',
        1e-7,
        0.1,
        decimal.Decimal("-0.001"),
        decimal.Decimal("1E-10"),
        moment,
        moment,
        moment.date(),
        b"\x00\xff",
        True,
        (None, ["x", None]),
        {"k": None},
        [math.nan, -0.0, None],
        None,
    )
    rows = spark.createDataFrame([row], schema)
    [(found,)] = rows.select(json_of(rows.columns, rows.schema)).collect()
    assert found == (
        '{"a":1.0E-7,"b.x":"é \\"q\\"\\\\\\n\\u001B","d":-0.001,"day":"2020-01-02","e":1E-10,'
        '"f":0.1,"flag":true,"l":["NaN",-0.0,null],"m":{"k":null},'
        '"n":"2020-01-02T03:04:05.123456","none":null,"raw":"AP8=","s":{"a":null,"b":["x",null]},'
        '"t":"2020-01-02T03:04:05.123456Z"}'
    )
