"""The JSON of a row: values that differ have texts that differ, in every type."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import make_config
from lakewinnow.lake.inputs.source import json_of
from lakewinnow.stages import ingest

MOMENT = "timestamp_micros(1767225600123456 + {})"
PAIRS = {
    "timestamp": [MOMENT.format(0), MOMENT.format(1)],
    "a timestamp of whole milliseconds": [MOMENT.format(-456), MOMENT.format(-455)],
    "timestamp_ntz": [f"cast({MOMENT.format(i)} as timestamp_ntz)" for i in (0, 1)],
    "a timestamp of the year 12000": [
        f"timestamp_micros(316500000000000000 + {i})" for i in (0, 1)
    ],
    "a timestamp before the year 1": [
        "timestamp_micros(-62200000000000001)",
        "timestamp_micros(-62200000000000000)",
    ],
    "timestamps within": [f"array(struct(map(1, {MOMENT.format(i)}) as a))" for i in (0, 1)],
    "a date of the year 12000": ["array(date'12000-01-01')", "array(date'12000-01-02')"],
    "day-time interval": [f"interval '1 02:03:04.12345{i}' day to second" for i in (0, 1)],
    "year-month interval": ["interval '1-2' year to month", "interval '1-3' year to month"],
    "time": ["time'01:02:03.123456'", "time'01:02:03.123457'"],
    "decimal": [f"cast(0.00000000000000000{i}BD as decimal(38,18))" for i in (1, 2)],
    "double": ["0.0D", "-0.0D"],
    "float": ["cast('1e-45' as float)", "cast('3e-45' as float)"],
    "binary": ["X'00'", "X'0000'"],
    "variant": ["parse_json('1')", "parse_json('\"1\"')"],
    "a key with quotes": ["map('a\"', 1)", "map('a', 1)"],
    "an empty list": ["array(cast(null as string))", "cast(array() as array<string>)"],
    "a struct of nulls": ["struct(cast(null as int) as a)", "cast(null as struct<a:int>)"],
}


@pytest.mark.parametrize("kind", PAIRS)
def test_every_type_round_trips_into_the_id(spark, kind):
    one, other = PAIRS[kind]
    rows = spark.sql(f"select {one} as v union all select {other} union all select {one}")
    texts = [row[0] for row in rows.select(json_of(rows.columns, rows.schema)).collect()]
    assert len(set(texts)) == 2, texts


def near(value, step):
    """Return a few values that are nearly the same, or null."""
    return st.sampled_from([None, value, value + step, value + 2 * step])


TIMES = near(dt.datetime(2026, 1, 2, 3, 4, 5, 123456), dt.timedelta(microseconds=1))  # noqa: DTZ001
COLUMNS = {
    "t timestamp": TIMES,
    "n timestamp_ntz": TIMES,
    "day date": near(dt.date(2026, 1, 1), dt.timedelta(1)),
    "s string": st.sampled_from([None, "", "a", '"', "\\", "null"]),
    "raw binary": st.sampled_from([None, b"", b"\0", b"\xff"]),
    "flag boolean": st.sampled_from([None, True, False]),
    "x double": near(1.0, 2.0**-52),
    "f float": near(1.0, 2.0**-23),
    "d decimal(38,18)": near(Decimal(1), Decimal("1E-18")),
    "i bigint": near(2**62, 1),
    "l array<timestamp>": st.lists(TIMES, max_size=2) | st.none(),
    "m map<string,timestamp_ntz>": st.dictionaries(st.sampled_from('a"'), TIMES, max_size=1),
    "w struct<a:timestamp,b:array<double>>": st.tuples(TIMES, st.lists(near(0.1, 0.1), max_size=2)),
}


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.sampled_from(list(COLUMNS)).flatmap(
            lambda name: st.tuples(st.just(name), COLUMNS[name])
        ),
        min_size=2,
        max_size=20,
    ),
    st.randoms(use_true_random=False),
    st.integers(1, 7),
)
def test_number_5_ids_do_not_depend_on_the_order_of_rows_of_any_type(
    spark, changes, random, n_partitions
):
    # Rows that differ from each other in one column each
    rows = [
        tuple(value if name == changed else None for name in COLUMNS) for changed, value in changes
    ]
    shuffled = random.sample(rows, len(rows))
    assert ids_of(spark, rows, 1) == ids_of(spark, shuffled, n_partitions)


def test_ids_of_embeddings_that_are_one_as_float32_do_not_depend_on_the_order_of_rows(spark):
    rows = [([1.0 + i * 1e-12], "same") for i in range(40)]
    config = make_config("x.csv", input={"embedding": "v"}).input
    found = [
        ingest._with_row_id(
            spark.createDataFrame(order, "v array<double>, s string"), ["s"], config
        )
        for order in (rows, rows[::-1], rows[20:] + rows[:20])
    ]
    ids = [dict(row.select(ingest._ROW_ID, "v").collect()) for row in found]
    assert ids[0] == ids[1] == ids[2]
    assert len(ids[0]) == 40


def ids_of(spark, rows, n_partitions):
    """Return the ids of rows by content, and see that rows of other content have other ids."""
    df = spark.createDataFrame(
        [(*row, repr(row)) for row in rows], f"{', '.join(COLUMNS)}, content string"
    )
    names = [name for name in df.columns if name != "content"]
    identified = ingest._with_row_id(
        df.repartition(n_partitions), names, make_config("x.csv").input
    )
    ids = sorted(tuple(row) for row in identified.select("content", ingest._ROW_ID).collect())
    hashes = {(content, row_id.partition("-")[0]) for content, row_id in ids}
    assert len(hashes) == len({hash_ for _, hash_ in hashes}) == len({repr(row) for row in rows})
    return ids
