"""Connected components of a table: in one task, and in rounds."""

import numpy as np
import pytest

from builders import lake_in, make_table, read_rows
from lakewinnow.core.checks.row_graph import components
from lakewinnow.lake.graphs.components import publish_roots


@pytest.mark.slow
def test_rounds_find_what_one_task_finds(spark, tmp_path):
    lake = lake_in(spark, tmp_path)
    rng = np.random.default_rng(0)
    names = np.unique(rng.integers(-(2**62), 2**62, 120))
    rng.shuffle(names)
    chain, star, pairs = names[:20], names[30:60], names[60:100].reshape(2, -1)
    triangle = names[100:103]
    ends = [
        (chain[1:], chain[:-1]),
        (star[1:], np.full(29, star[0])),
        pairs,
        (triangle, np.roll(triangle, 1)),
        pairs[::-1, :3],  # some once more
        (names[[0, 110]], names[[0, 110]]),  # with themselves
    ]
    one, other = (np.concatenate(side) for side in zip(*ends, strict=True))
    one, other = np.maximum(one, other), np.minimum(one, other)
    rows = [{"one": a, "other": b} for a, b in zip(one.tolist(), other.tolist(), strict=True)]
    make_table(lake, "work/pairs", rows[::2])
    make_table(lake, "work/pairs", rows[1::2])
    expected = dict(zip(*(of.tolist() for of in components(one, other)), strict=True))
    assert len(expected) == 94
    for most, is_in_rounds in ((10**6, False), (0, True)):
        n_rounds = publish_roots(lake, "work/pairs", "work/roots", most)
        found = read_rows(lake.files.root, "work/roots")
        assert {row["node"]: row["root"] for row in found} == expected
        assert len(found) == 94
        assert (0 < n_rounds <= 8) == is_in_rounds
