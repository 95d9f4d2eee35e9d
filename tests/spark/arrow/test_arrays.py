"""Arrow list columns to NumPy and back."""

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql.types import (
    ArrayType,
    FloatType,
    IntegerType,
    StringType,
    StructField,
    StructType,
)

from lakewinnow.errors import DataError
from lakewinnow.spark.arrow import arrays as arrow

ROWS = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


def lists(rows, value_type=None):
    return pa.array(rows, pa.list_(value_type or pa.float32()))


def test_a_matrix_comes_back():
    np.testing.assert_array_equal(arrow.matrix(arrow.list_array(ROWS)), ROWS)


def test_more_numbers_than_offsets_count_are_an_error():
    rows = np.broadcast_to(np.int8(0), (2**21, 2**10))  # takes a byte
    with pytest.raises(DataError) as caught:
        arrow.list_array(rows)
    assert caught.value.code == "too_many_numbers"
    assert "2,097,152 rows of 1,024" in str(caught.value)
    most = arrow.list_array(rows[:, :0])
    assert len(most) == 2**21


@pytest.mark.parametrize("value_type", [pa.float32(), pa.float64()])
def test_a_matrix_has_the_type_of_its_column(value_type):
    assert arrow.matrix(lists([[1, 2]], value_type)).dtype == value_type.to_pandas_dtype()


def test_a_slice_is_its_own_rows():
    column = lists([[1, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(arrow.matrix(column.slice(1, 1)), [[3, 4]])


def test_chunks_are_joined():
    chunked = pa.chunked_array([lists([[1, 2]]), lists([[3, 4]]).slice(0, 1), lists([])])
    np.testing.assert_array_equal(arrow.matrix(chunked), [[1, 2], [3, 4]])


def test_rows_come_in_the_order_that_is_asked_for():
    parts = [lists([]), lists([[0, 0], [1, 2]]).slice(1), lists([[3, 4], [5, 6]])]
    chunked = pa.chunked_array(parts)
    for order in ([2, 0, 1], [2, 0], []):
        found = arrow.matrix_in_order(chunked, np.array(order, np.int64))
        np.testing.assert_array_equal(found, arrow.matrix(chunked)[order])
        assert found.dtype == np.float32
    assert len(arrow.matrix_in_order(pa.chunked_array(parts[:1]), np.zeros(0, np.int64))) == 0
    for odd in ([None, 1.0], None, [1.0]):
        with pytest.raises(DataError) as caught:
            arrow.matrix_in_order(pa.chunked_array([parts[1], lists([odd])]), np.arange(2))
        assert caught.value.code == "ragged"


@pytest.mark.parametrize("column", [lists([]), pa.chunked_array([], pa.list_(pa.float32()))])
def test_no_rows_have_the_width_that_is_asked_for(column):
    assert arrow.matrix(column, 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("rows", "width"),
    [
        ([[1, 2], [3]], None),
        ([[1, 2], None], None),
        ([[1, 2], [3, None]], None),
        ([[1, 2], [3, 4]], 3),
        ([[1], [2, 3, 4]], 2),  # as many numbers as two rows of two
    ],
)
def test_ragged_lists_are_an_error(rows, width):
    with pytest.raises(DataError) as caught:
        arrow.matrix(lists(rows), width)
    assert caught.value.code == "ragged"


SCHEMA = StructType(
    [
        StructField("id", StringType(), nullable=False),
        StructField("label", IntegerType(), nullable=False),
        StructField("probs", ArrayType(FloatType(), containsNull=False), nullable=False),
    ]
)


def test_a_batch_has_the_schemas_columns_in_its_order_and_types():
    columns = {
        "probs": arrow.list_array(ROWS.astype(np.float64)),
        "label": np.array([0, 1], np.int64),
        "id": ["a", "b"],
        "more": [1, 2],
    }
    batch = arrow.record_batch(SCHEMA, columns)
    assert batch.schema.names == ["id", "label", "probs"]
    assert batch.schema.types[:2] == [pa.string(), pa.int32()]
    assert batch.schema.types[2].value_type == pa.float32()
    assert batch.column("id").to_pylist() == ["a", "b"]


def test_a_value_that_does_not_fit_its_type_is_an_error():
    columns = {"id": ["a"], "label": np.array([2**40]), "probs": arrow.list_array(ROWS[:1])}
    with pytest.raises(pa.ArrowInvalid):
        arrow.record_batch(SCHEMA, columns)
