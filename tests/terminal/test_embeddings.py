"""Embeddings on a terminal: what comparing would take, and which one is used."""

from dataclasses import replace

import pytest

from lakewinnow.config.sections import EmbeddingIdentity
from lakewinnow.stages.embed import Estimate
from lakewinnow.terminal import embeddings

STATIC = EmbeddingIdentity("static", "table", 64)
SERVICE = EmbeddingIdentity("openai", "small", 1536)


@pytest.fixture
def printed(capsys, monkeypatch):
    """What a function prints, white space aside."""
    monkeypatch.setenv("COLUMNS", "100")

    def of(function, *arguments):
        function(*arguments)
        return " ".join(capsys.readouterr().out.split())

    return of


def test_what_candidates_take_is_told_for_the_sample_and_for_all(printed):
    free = Estimate(STATIC, 5000, 0, 5000, 90_000, 5, 0.0, 3.0, is_sampled=True)
    paid = Estimate(SERVICE, 5000, 1000, 4000, 80_000, 40, 0.0016, 5.0, is_sampled=False)
    pairs = [
        (free, replace(free, texts=90_000)),
        (paid, replace(paid, texts=90_000, cost_usd=0.03)),
    ]
    text = printed(embeddings.print_candidate_estimates, pairs)
    assert "compare 2 embeddings on 5,000 distinct texts, and to embed all 90,000" in text
    assert "4,000 80,000 0.0016 5 s" in text
    assert text.endswith("All samples together: 0.0016 USD")
    unknown = [(replace(paid, cost_usd=None), paid)]
    assert "price_per_million_tokens" in printed(embeddings.print_candidate_estimates, unknown)


def test_the_one_that_is_used_is_marked(printed):
    shared = {"C": 1.0, "seconds": 2.0, "cost_usd": 0.0}
    found = {
        "rows": 1916,
        "used": 1,
        "compared": [
            {**vars(STATIC), "log_loss": 1.0441, **shared},
            {**vars(SERVICE), "log_loss": 0.9831, **shared, "C": None, "cost_usd": None},
        ],
    }
    text = printed(embeddings.print_candidates, found)
    assert "on 1,916 rows" in text
    assert "static, table, 64 1.0441 1 2.0 0.0000" in text
    assert "▸ openai, small, 1536 0.9831 2.0 unknown" in text
