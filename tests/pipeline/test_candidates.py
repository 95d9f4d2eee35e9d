"""Candidates: the embedding that fits best is used, and none is paid for twice."""

import pytest

import lakewinnow
from builders import Recorder, make_config, messages, read_json, read_rows, tables_of, write_csv
from embedding.openai.fault_server import DIMENSIONS, FaultServer
from lakewinnow import pipeline
from lakewinnow.errors import ProviderError

N_ROWS, N_SAMPLE = 150, 102
STATIC = {"provider": "static", "dimensions": 64}
USD = 1e-3  # a token


@pytest.mark.skipif("config.getoption('spark') == 'connect'", reason="its stages are tested there")
def test_the_best_is_used_and_nothing_is_paid_for_twice(spark, tmp_path):
    path = write_csv(tmp_path / "rows.csv", messages(N_ROWS))

    def configure(server, *sections, **service):
        service = {"base_url": server.url, "price_per_million_tokens": USD * 1e6, **service}
        shared = {"provider": "openai", "model": "m", "dimensions": DIMENSIONS, "openai": service}
        embedding = {**shared, "candidates": sections, "candidate_rows": N_SAMPLE}
        return make_config(path, tmp_path / "out", embedding=embedding, crossval={"folds": 3})

    def run(config):
        observer = Recorder()
        return lakewinnow.run(config, spark, until="embed", observer=observer), observer

    with FaultServer() as server:  # whose vectors say nothing about the texts
        both = configure(server, {}, STATIC)
        [(sample, corpus), (_, free)] = pipeline.estimate_candidates(both, spark)
        assert (free.cost_usd, free.new) == (0, N_ROWS)
        assert (sample.new, corpus.new) == (N_SAMPLE, N_ROWS)
        assert sample.cost_usd == pytest.approx(sample.tokens * USD)
        most = (sample.cost_usd + corpus.cost_usd) / 2  # enough for the sample alone
        with pytest.raises(ProviderError) as caught:
            run(configure(server, {}, STATIC, max_cost_usd=most))
        assert caught.value.code == "cost_limit"
        assert caught.value.where == "embedding.candidates[0].openai.max_cost_usd"
        assert server.log == []  # nothing was spent

        result, observer = run(both)
        assert observer.ran == ["candidates", "embed"]
        found = result.summary["candidates"]
        assert (found["rows"], found["used"]) == (N_SAMPLE, 1)
        service, static = found["compared"]
        assert (static["provider"], static["dimensions"]) == ("static", 64)
        assert static["log_loss"] < 0.7 < 1.0 < service["log_loss"] < 1.2  # ln 3 is 1.0986
        assert (static["cost_usd"], static["embedded"]) == (0, N_SAMPLE)
        assert service["cost_usd"] == pytest.approx(sum(of.tokens for of in server.log) * USD)
        embedded = read_json(tmp_path / "out", "_commits/embed.json")["details"]
        assert embedded["identity"]["provider"] == "static"
        assert list(server.paid.values()) == [1] * N_SAMPLE
        kept = [row["provider"] for row in read_rows(tmp_path / "out", "embeddings")]
        assert (kept.count("openai"), kept.count("static")) == (N_SAMPLE, N_ROWS)
        assert "candidates" not in tables_of(tmp_path / "out")

        assert run(both)[1].resumed == ["ingest", "candidates", "embed"]
        run(configure(server, {}))  # the sample's texts are in the store
        assert list(server.paid.values()) == [1] * N_ROWS
