import numpy as np
import pytest

from lakewinnow.core.noise.probabilities import Fault, clipped, judge

ROWS = [
    ([0.2, 0.8], Fault.NONE),
    ([0.2, 0.800_005], Fault.NONE),
    ([-1e-7, 1 + 1e-7], Fault.NONE),
    ([-1e-3, 1.001], Fault.NONE),  # clipped, which deserves a warning
    ([0.2, 0.805], Fault.NONE),  # deserves a warning
    ([0.2, 0.82], Fault.SUM),
    ([0.0, 0.0], Fault.SUM),
    ([-0.1, 1.0], Fault.NEGATIVE),
    ([-0.1, 1.1], Fault.NEGATIVE),
    ([0.0, 1.0011], Fault.ABOVE_ONE),
    ([-0.0011, 1.0], Fault.NEGATIVE),
    ([np.inf, 0.0], Fault.ABOVE_ONE),
    ([np.nan, 0.5], Fault.NAN),
    ([np.nan, -np.inf], Fault.NAN),
]


def test_each_row_is_judged_by_itself():
    pred_probs = np.array([row for row, _ in ROWS])
    faults, n_imprecise, n_clipped = judge(pred_probs)
    assert faults.tolist() == [fault for _, fault in ROWS]
    assert faults.dtype == np.int8
    assert (n_imprecise, n_clipped) == (2, 1)


@pytest.mark.parametrize(("row", "fault"), ROWS)
def test_the_other_rows_of_a_block_do_not_matter(row, fault):
    assert judge(np.array([row])).faults.tolist() == [fault]
    assert judge(np.array([[0.5, 0.5], row])).faults.tolist() == [Fault.NONE, fault]


def test_no_rows_have_no_fault():
    faults, n_imprecise, n_clipped = judge(np.zeros((0, 3)))
    assert len(faults) == n_imprecise == n_clipped == 0


def test_a_row_that_is_a_little_off_is_clipped_and_no_other_row_changes():
    pred_probs = np.array([[1.000_01, 2e-5, -1e-5], [1 + 1e-7, -1e-7, 0.0], [0.4, 0.59, 0.01]])
    expected = np.array([[1.0, 2e-5, 0.0], *pred_probs[1:]])
    np.testing.assert_array_equal(clipped(pred_probs), expected)


def test_every_fault_has_a_code_and_a_reason_of_its_own():
    assert len({fault.code for fault in Fault}) == len({fault.reason for fault in Fault}) == 5
