"""Wilson's interval, as SciPy has it."""

import numpy as np
import pytest
from scipy.stats import binomtest

from lakewinnow.core.intervals import wilson

Z = 1.959963984540054


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (3, 10), (10, 10), (70, 400)])
def test_is_that_of_scipy(hits, n):
    theirs = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits / n, n, Z) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_of_no_row_nothing_is_known():
    low, high = wilson(np.array([0.5, 1.0]), np.array([0, 0]), Z)
    assert low.tolist() == [0, 0]
    assert high.tolist() == [1, 1]
