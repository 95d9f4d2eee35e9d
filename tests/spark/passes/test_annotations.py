"""Passes over annotated rows add up, however the rows are split, and tell the bad ones apart."""

from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewinnow.core.crowd.annotations import VoteState
from lakewinnow.core.crowd.annotators import AnnotatorState
from lakewinnow.core.crowd.crowdlab import ConsensusState, Crowd
from lakewinnow.spark.passes import annotations as passes
from lakewinnow.spark.passes import states

NAMES = passes.CrowdNames(classes=["x", "y", "z"], annotators=["ada", "bo", "cy", "di"])


def rows(n_rows=60):
    """Return a batch, every seventh row of which is bad."""
    rng = np.random.default_rng(5)
    probs = rng.dirichlet(np.ones(3), n_rows)
    probs[::7] = np.nan
    said = [rng.permutation(4)[: rng.integers(1, 5)] for _ in range(n_rows)]
    return passes.batch(
        pa.array([[NAMES.annotators[at] for at in who] for who in said]),
        pa.array([[NAMES.classes[rng.integers(3)] for _ in who] for who in said]),
        pa.array(np.ones(n_rows, np.int32)),
        pa.array(list(probs)),
    )


def scans():
    """Return the passes, one after the other, each with what the one before has found."""

    def scan(zero, add, **crowd):
        return partial(states._scan_state, zero=zero, update=partial(add, names=NAMES, **crowd))

    votes = VoteState.zero(*NAMES.shape)
    zero = passes.CheckedVotes(votes, np.zeros(len(passes.CODES), np.int64), 0)
    yield scan(zero, passes._add_votes)
    crowd = Crowd(passes._add_votes(zero, rows(), NAMES).votes)
    zero = ConsensusState.zero(*NAMES.shape)
    yield scan(zero, passes._add_consensus, crowd=crowd)
    state = passes._add_consensus(zero, rows(), NAMES, crowd)
    crowd = crowd.weigh(state).prefer_best_quality()
    yield scan(zero, passes._add_consensus, crowd=crowd)
    yield scan(AnnotatorState.zero(*NAMES.shape), passes._add_annotators, crowd=crowd)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 6), st.randoms(use_true_random=False))
def test_any_split_in_any_order_adds_up_to_the_same(n_parts, random):
    order = list(range(len(rows())))
    random.shuffle(order)
    parts = [rows().take(pa.array(order[i::n_parts])) for i in range(n_parts)]
    for scan in scans():
        expected = scan([rows()])
        found = [scan([part]) for part in parts]
        for name, array in expected.items():
            np.testing.assert_array_equal(sum(part[name] for part in found), array)
        np.testing.assert_equal(scan(parts), expected)


def test_a_batch_of_bad_rows_alone_finds_nothing():
    bad = rows().slice(0, 1)
    for scan in scans():
        assert not any(array.any() for name, array in scan([bad]).items() if name != "n_by_code")


@pytest.mark.parametrize("n_rows", [0, 2])
def test_rows_that_nobody_labelled_may_come_without_a_type(n_rows):
    crowd = Crowd(VoteState.zero(4, 3))
    found = passes.ConsensusJudge(NAMES, crowd)(
        pa.nulls(n_rows),
        pa.nulls(n_rows),
        pa.array(np.ones(n_rows, np.int32)),
        pa.array([[0.5, 0.25, 0.25]] * n_rows, pa.list_(pa.float32())),
    )
    assert [row["error_code"] for row in found.to_pylist()] == ["annotation_missing"] * n_rows
