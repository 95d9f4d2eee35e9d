"""Embeddings on a terminal: which one is used."""

from rich.console import Console

from lakewinnow.config.sections import EmbeddingIdentity
from lakewinnow.figures.labels import Candidate, CandidateFigures
from lakewinnow.terminal.embeddings import candidates_table

STATIC = EmbeddingIdentity("static", "table", 64)
SERVICE = EmbeddingIdentity("openai", "small", 1536)


def test_the_one_that_is_used_is_marked(capsys):
    shared = {"layers": "final", "temperature": 1.0, "embedded": 9, "seconds": 2.0}
    one = Candidate(**vars(STATIC), **shared, log_loss=1.0441, C=1.0, cost_usd=0.0)
    other = Candidate(**vars(SERVICE), **shared, log_loss=0.9831, C=None, cost_usd=None)
    found = CandidateFigures(rows=1916, used=1, compared=[one, other])
    Console(width=100).print(candidates_table(found))
    text = " ".join(capsys.readouterr().out.split())
    assert "on 1,916 rows" in text
    assert "static, table, 64 1.0441 1 2.0 0.0000" in text
    assert "▸ openai, small, 1536 0.9831 2.0 unknown" in text
