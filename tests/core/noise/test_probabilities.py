import numpy as np
import pytest

from lakewinnow.core.noise.probabilities import Fault, judge

ROWS = [
    ([0.2, 0.8], Fault.NONE),
    ([0.2, 0.8001], Fault.NONE),
    ([-1e-7, 1 + 1e-7], Fault.NONE),
    ([0.2, 0.805], Fault.NONE),  # deserves a warning
    ([0.2, 0.82], Fault.SUM),
    ([0.0, 0.0], Fault.SUM),
    ([-0.1, 1.0], Fault.NEGATIVE),
    ([-0.1, 1.1], Fault.NEGATIVE),
    ([0.0, 1.001], Fault.ABOVE_ONE),
    ([np.inf, 0.0], Fault.ABOVE_ONE),
    ([np.nan, 0.5], Fault.NAN),
    ([np.nan, -np.inf], Fault.NAN),
]


def test_each_row_is_judged_by_itself():
    pred_probs = np.array([row for row, _ in ROWS])
    faults, n_imprecise = judge(pred_probs)
    assert faults.tolist() == [fault for _, fault in ROWS]
    assert faults.dtype == np.int8
    assert n_imprecise == 1


@pytest.mark.parametrize(("row", "fault"), ROWS)
def test_the_other_rows_of_a_block_do_not_matter(row, fault):
    assert judge(np.array([row])).faults.tolist() == [fault]
    assert judge(np.array([[0.5, 0.5], row])).faults.tolist() == [Fault.NONE, fault]


def test_no_rows_have_no_fault():
    faults, n_imprecise = judge(np.zeros((0, 3)))
    assert len(faults) == n_imprecise == 0


def test_every_fault_has_a_code_and_a_reason_of_its_own():
    assert len({fault.code for fault in Fault}) == len({fault.reason for fault in Fault}) == 5
