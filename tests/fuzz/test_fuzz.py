"""A few of the suite's inputs in every run of the tests; `bash tests/run fuzz` makes thousands."""

import os
import random

from fuzz import suite
from lakewinnow.spark.sessions.engines import is_sail
from plain_values import plain


def test_bad_input_ends_in_no_traceback_and_loses_no_row(spark, tmp_path):
    seed = 0 if os.environ.get("CI") else random.randrange(2**32)
    n_inputs = 40 if is_sail(spark) else 10
    found = suite.run(n_inputs, seed, tmp_path / "failures")
    assert found.n_inputs.total() > 0.8 * n_inputs
    assert found.failures == []


def test_the_suite_notices_what_it_is_for():
    fine = "lakewinnow: error: input.text: expected a column, got 'a'\nhint: name one\n"
    assert list(suite._wrong_with(3, "", fine)) == []
    for code, err in (
        (6, fine),
        (3, "Traceback (most recent call last)\n" + fine),
        (3, "lakewinnow: error: input.text: expected a column, got 'a'\n"),
        (3, "lakewinnow: error: ValueError: x\nhint: run again with --debug for the traceback\n"),
        (3, ""),
        (0, "\x1b[2J"),
    ):
        assert list(suite._wrong_with(code, "", err))
    rows = [{"a": 0.0}, {"a": -0.0}, {"a": float("nan")}, {"a": None}]
    assert len(set(map(plain, rows))) == 4
