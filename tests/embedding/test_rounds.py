"""Rounds: every bucket once, chunks of equal tokens, as many as take about a minute."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakewinnow.stages.embed.in_rounds import SECONDS, Rounds

tokens_by_bucket = st.lists(st.integers(0, 1000), min_size=1, max_size=60)


def dealt(tokens, n_tasks=1, first=100, most=None, rate=None):
    rounds = Rounds(np.array(tokens, np.int64), n_tasks, first, most)
    for of in rounds:
        yield of
        if rate is not None:
            rounds.took(of.tokens, of.tokens / rate)


def tokens_of_chunks(tokens, of):
    return [sum(tokens[a:b]) for a, b in zip(of.bounds, of.bounds[1:], strict=False)]


@given(tokens_by_bucket, st.integers(1, 8), st.integers(1, 5000))
def test_every_bucket_with_a_text_is_dealt_out_once_and_in_order(tokens, n_tasks, first):
    seen = []
    for of in dealt(tokens, n_tasks, first, rate=10):
        assert len(of.bounds) == n_tasks + 1
        assert list(of.bounds) == sorted(of.bounds)
        assert of.tokens == sum(tokens[of.bounds[0] : of.bounds[-1]]) > 0
        seen += range(of.bounds[0], of.bounds[-1])
    assert seen == sorted(set(seen))
    assert set(np.flatnonzero(tokens).tolist()) <= set(seen)


def test_no_text_takes_no_round():
    assert list(dealt([0, 0, 0])) == []


def test_chunks_have_equal_tokens_though_not_equal_buckets():
    tokens = [10] * 30 + [100] * 3
    [of] = dealt(tokens, n_tasks=3, first=10_000)
    assert tokens_of_chunks(tokens, of) == [200, 200, 200]


def test_a_bucket_larger_than_a_round_is_one():
    assert [of.tokens for of in dealt([500, 500], first=100)] == [500, 500]


def test_rounds_grow_to_a_minute_and_not_at_once():
    sizes = [of.tokens for of in dealt([10] * 100_000, first=100, rate=1000)]
    assert sizes[:4] == [100, 800, 6400, 51_200]
    assert set(sizes[4:-1]) == {int(SECONDS) * 1000}


def test_no_round_is_more_than_the_provider_takes_in_a_minute():
    assert max(of.tokens for of in dealt([10] * 1000, first=5000, most=200, rate=1e9)) == 200
