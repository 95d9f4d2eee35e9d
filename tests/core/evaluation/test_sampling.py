"""Quotas: in proportion, some of every class, never more than there are or than allowed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lakewinnow.core.evaluation.sampling import quotas

COUNTS = hnp.arrays(
    np.int64, st.tuples(st.integers(2, 5), st.integers(1, 6)), elements=st.integers(0, 10**6)
)


@given(COUNTS, st.integers(200, 10**6))
def test_no_more_than_there_are_or_may_be_and_some_of_every_class(counts, max_rows):
    taken = quotas(counts, max_rows)
    assert (taken <= counts).all()
    assert taken.sum() <= max_rows or (taken == counts).all()
    assert ((taken > 0) == (counts > 0)).all()


def test_all_rows_where_they_may_be():
    counts = np.array([[3, 4], [5, 6]])
    np.testing.assert_array_equal(quotas(counts, 18), counts)


def test_large_classes_are_in_proportion_and_small_ones_whole():
    taken = quotas(np.array([[60_000, 30_000, 7]] * 10), 9_000)
    np.testing.assert_allclose(taken[0], [600, 300, 7], atol=10)


@given(COUNTS, st.integers(200, 10**6), st.data())
def test_a_label_has_no_part_in_what_is_taken_of_other_folds(counts, max_rows, data):
    fold = data.draw(st.integers(0, len(counts) - 1))
    changed = counts.copy()
    changed[fold] = np.roll(counts[fold], 1)
    others = np.arange(len(counts)) != fold
    np.testing.assert_array_equal(
        quotas(counts, max_rows)[others], quotas(changed, max_rows)[others]
    )
