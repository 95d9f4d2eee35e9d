"""Embeddings on a terminal: which one is used."""

from rich.console import Console

from lakewinnow.config.sections import EmbeddingIdentity
from lakewinnow.terminal.embeddings import candidates_table

STATIC = EmbeddingIdentity("static", "table", 64)
SERVICE = EmbeddingIdentity("openai", "small", 1536)


def test_the_one_that_is_used_is_marked(capsys):
    shared = {"C": 1.0, "seconds": 2.0, "cost_usd": 0.0}
    found = {
        "rows": 1916,
        "used": 1,
        "compared": [
            {**vars(STATIC), "log_loss": 1.0441, **shared},
            {**vars(SERVICE), "log_loss": 0.9831, **shared, "C": None, "cost_usd": None},
        ],
    }
    Console(width=100).print(candidates_table(found))
    text = " ".join(capsys.readouterr().out.split())
    assert "on 1,916 rows" in text
    assert "static, table, 64 1.0441 1 2.0 0.0000" in text
    assert "▸ openai, small, 1536 0.9831 2.0 unknown" in text
