"""Arrow list columns that somebody else made: ragged, null, or with nulls in them."""

import numpy as np
import pyarrow as pa

from lakewinnow.spark.arrow import lists

RAGGED = pa.array([[9.0], [0.25, 0.75], None, [], [1.0, None]])


def test_probabilities_of_a_wrong_length_are_told_apart():
    rows, is_whole = lists.probabilities(RAGGED, 2)
    assert is_whole.tolist() == [False, True, False, False, True]
    nan = np.nan
    np.testing.assert_array_equal(
        rows, [[nan, nan], [0.25, 0.75], [nan, nan], [nan, nan], [1.0, nan]]
    )


def test_probabilities_of_a_slice_are_the_slices():
    rows, is_whole = lists.probabilities(RAGGED.slice(1, 1), 2)
    assert (rows.tolist(), is_whole.tolist()) == ([[0.25, 0.75]], [True])
    assert lists.probabilities(RAGGED.slice(1, 0), 2)[0].shape == (0, 2)


def test_float32_is_widened():
    rows, _ = lists.probabilities(pa.array([[0.1]], pa.list_(pa.float32())), 1)
    assert rows.dtype == np.float64
    assert rows[0, 0] == np.float32(0.1)


def test_entries_and_back():
    rows, values = lists.entries(RAGGED.slice(1))
    assert rows.tolist() == [0, 0, 3, 3]
    assert values.to_pylist() == [0.25, 0.75, 1.0, None]
    gathered = lists.gather(rows, values, 5)
    assert gathered.to_pylist() == [[0.25, 0.75], [], [], [1.0, None], []]


def test_positions_of_strings():
    for kind in (pa.string(), pa.large_string()):
        given = pa.array(["b", None, "c", "a", "b"], kind)
        assert lists.positions(given, ["a", "b"]).tolist() == [1, -1, -1, 0, 1]
    assert lists.positions(pa.nulls(2), ["a"]).tolist() == [-1, -1]


def test_values_and_codes_of_some_rows():
    assert lists.spread(pa.array([5, 7]), np.array([1, 3]), 4).to_pylist() == [None, 5, None, 7]
    assert lists.spread(pa.array(["x"]), np.array([0]), 1).to_pylist() == ["x"]
    codes = np.array([0, 2, 1], np.int8)
    assert lists.named(codes, ["", "one", "two"]).to_pylist() == [None, "two", "one"]
