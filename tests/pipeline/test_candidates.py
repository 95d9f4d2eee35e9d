"""Candidates: the embedding that fits best is used, and none is paid for twice."""

import pytest

import lakewinnow
from builders import Recorder, make_config, messages, read_json, tables_of, write_csv
from embedding.openai.fault_server import DIMENSIONS, FaultServer
from lakewinnow import pipeline
from lakewinnow.errors import ProviderError
from lakewinnow.lake.workspace import Lake
from lakewinnow.pipeline import candidates

N_ROWS, N_SAMPLE = 150, 102
SERVICE = {"provider": "openai", "model": "m", "dimensions": DIMENSIONS}
USD = 1e-3  # a token


@pytest.mark.slow
@pytest.mark.whole_run
def test_the_best_is_used_and_nothing_is_paid_for_twice(spark, tmp_path):
    path = write_csv(tmp_path / "rows.csv", messages(N_ROWS))

    def configure(server, *names, **service):
        service = {"base_url": server.url, "price_per_million_tokens": USD * 1e6, **service}
        listed = {"service": {**SERVICE, "openai": service}, "static": {"dimensions": 64}}
        embedding = {"candidates": [listed[n] for n in names], "candidate_rows": N_SAMPLE}
        return make_config(path, tmp_path / "out", embedding=embedding, crossval={"folds": 3})

    def run(config, until):
        observer = Recorder()
        return lakewinnow.run(config, spark, until=until, observer=observer), observer

    with FaultServer() as server:  # whose vectors say nothing about the texts
        config = configure(server, "service")
        run(config, "ingest")
        [(sample, corpus)] = candidates.estimate(Lake(spark, config.workspace), config)
        planned = pipeline.plan(config, spark, until="embed")
        assert planned.usd == sample.cost_usd
        assert f"all {N_ROWS} texts would take {corpus.tokens:,} tokens" in planned.notes[0]
        assert (sample.new, corpus.new) == (N_SAMPLE, N_ROWS)
        assert sample.cost_usd == pytest.approx(sample.tokens * USD)
        most = (sample.cost_usd + corpus.cost_usd) / 2  # enough for the sample alone
        with pytest.raises(ProviderError) as caught:
            run(configure(server, "static", "service", max_cost_usd=most), "candidates")
        assert caught.value.code == "cost_limit"
        assert caught.value.where == "embedding.candidates[1].openai.max_cost_usd"
        assert server.log == []  # nothing was spent

        result, observer = run(configure(server, "service", "static"), "candidates")
        assert observer.ran == ["candidates"]
        found = result.summary["candidates"]
        assert (found["rows"], found["used"]) == (N_SAMPLE, 1)
        service, static = found["compared"]
        assert (static["provider"], static["dimensions"]) == ("static", 64)
        assert static["log_loss"] < 0.7 < 1.0 < service["log_loss"] < 1.2  # ln 3 is 1.0986
        assert (static["cost_usd"], static["embedded"]) == (0, N_SAMPLE)
        assert service["cost_usd"] == pytest.approx(sum(of.tokens for of in server.log) * USD)
        assert list(server.paid.values()) == [1] * N_SAMPLE
        assert "candidates" not in tables_of(tmp_path / "out")

        alone = configure(server, "service")  # whose texts of the sample are in the store
        assert run(alone, "embed")[1].ran == ["candidates", "embed"]
        embedded = read_json(tmp_path / "out", "_commits/embed.json")["figures"]
        assert embedded["identity"]["provider"] == "openai"  # as was chosen; the default is static
        assert list(server.paid.values()) == [1] * N_ROWS
        assert run(alone, "embed")[1].resumed == ["ingest", "candidates", "embed"]
