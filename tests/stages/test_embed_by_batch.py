"""Embed by OpenAI's batches: begun once, waited for again after a kill, cancelled on request."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from builders import corpus_row, make_commit, make_table, read_rows, text_key
from embedding.openai.fault_batches import Plan
from embedding.openai.fault_server import DIMENSIONS, FaultServer
from lakewinnow.config.sections import EmbeddingConfig, InputConfig, OpenAIConfig
from lakewinnow.errors import ProviderError
from lakewinnow.stages import embed
from lakewinnow.stages.embed import by_batch

TEXTS = [f"message number {i}" for i in range(60)]
SOURCE = InputConfig(path="unused", text="text", label="label")


@pytest.fixture
def server():
    with FaultServer() as started:
        yield started


@pytest.fixture
def lake(lake, monkeypatch):
    monkeypatch.setattr(by_batch, "_MOST_TEXTS", 25)
    make_table(lake, "corpus", [corpus_row(f"{i:03}", text) for i, text in enumerate(TEXTS)])
    make_table(lake, "quarantine", [{"row_id": "x", "error_code": "label_null", "error": "no"}])
    make_commit(lake, "ingest", input_columns={"fields": [], "type": "struct"})
    return lake


def config_of(server, **service):
    service = {"base_url": server.url, "mode": "batch", "poll_s": 0.01} | service
    return EmbeddingConfig(
        provider="openai", model="m", dimensions=DIMENSIONS, openai=OpenAIConfig(**service)
    )


def stored(lake):
    return [row["text_key"] for row in read_rows(lake.files.root, "embeddings") if row["vector"]]


def records(lake):
    folder = Path(lake.files.path("batches"))
    return [json.loads(path.read_text()) for path in folder.glob("[!_]*.json")]


def assert_each_is_stored_and_paid_once(lake, server):
    assert sorted(stored(lake)) == sorted(map(text_key, TEXTS))
    assert server.paid == dict.fromkeys(TEXTS, 1)


def test_all_chunks_are_under_way_before_the_first_is_waited_for(lake, server):
    told = []
    report = embed.run(lake, SOURCE, config_of(server), lambda *of: told.append(of))
    assert_each_is_stored_and_paid_once(lake, server)
    assert server.calls["POST batches"] == len(records(lake)) >= 3
    assert f"{len(records(lake))} batches under way" in {note for _, _, note in told}
    assert told[-1][:2] == (60, 60)
    assert report.figures.embedded == 60
    assert {record["status"] for record in records(lake)} == {"completed"}
    assert not lake.files.exists("batches/_plan_by_key.json")
    assert embed.run(lake, SOURCE, config_of(server)).figures.embedded == 0


def test_a_killed_run_waits_again_and_submits_nothing_twice(lake, server, monkeypatch):
    class KilledError(BaseException):
        pass

    def dies(*_):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("lakewinnow.embedding.openai.batches.BatchRun.run", dies)
        with pytest.raises(KilledError):
            embed.run(lake, SOURCE, config_of(server))
    n_batches = server.calls["POST batches"]
    more = [corpus_row(f"more {i}", f"another {i}") for i in range(3)]
    make_table(lake, "corpus", more)  # the corpus has grown meanwhile
    report = embed.run(lake, SOURCE, config_of(server))
    assert report.figures.embedded == 63
    assert len(stored(lake)) == len(set(stored(lake))) == 63
    assert set(server.paid.values()) == {1}
    assert n_batches < server.calls["POST batches"] <= 2 * n_batches  # of the three new texts


def test_a_kill_between_chunks_keeps_the_first(lake, server, monkeypatch):
    append, calls = by_batch._append, []

    def dies_at_the_second(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        append(*args)

    with monkeypatch.context() as patch:
        patch.setattr(by_batch, "_append", dies_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            embed.run(lake, SOURCE, config_of(server))
    assert 0 < len(stored(lake)) < 60
    embed.run(lake, SOURCE, config_of(server))
    assert_each_is_stored_and_paid_once(lake, server)


def test_a_batch_that_is_refused_ends_the_run_and_keeps_the_others(lake, server):
    server.plans = [Plan(), Plan("failed", errors=("invalid_file",))]
    with pytest.raises(ProviderError) as caught:
        embed.run(lake, SOURCE, config_of(server))
    assert caught.value.code == "batch_failed"
    assert 0 < len(stored(lake)) < 60
    embed.run(lake, SOURCE, config_of(server))
    assert_each_is_stored_and_paid_once(lake, server)


def test_a_text_that_fails_goes_to_quarantine(lake, server):
    bad = TEXTS[5]
    fails = Plan(fails=lambda text: (400, None, "not this") if text == bad else None)
    server.plans = [fails] * 9
    report = embed.run(lake, SOURCE, config_of(server))
    assert report.figures.refused == {"embedding_refused": 1}
    assert len(read_rows(lake.files.root, "quarantine")) == 2


def test_batches_under_way_are_cancelled_on_request(lake, server, monkeypatch):
    server.plans = [Plan(n_looks=10**6)] * 9
    config = config_of(server)

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lakewinnow.embedding.openai.batches.BatchRun.run", interrupt)
        with pytest.raises(KeyboardInterrupt):
            embed.run(lake, SOURCE, config)
    n_batches = server.calls["POST batches"]
    assert by_batch.cancel(config, lake.files) == n_batches
    assert {record["status"] for record in records(lake)} <= {"cancelling", "cancelled"}
    server.plans = []
    report = embed.run(lake, SOURCE, config)
    assert report.figures.embedded == 60


def test_another_model_has_a_plan_of_its_own(lake, server):
    plan = {"identity": {}, "n_buckets": 2, "bounds": [0, 2]}
    lake.files.write_json("batches/_plan_by_key.json", plan)
    embed.run(lake, SOURCE, config_of(server))
    assert_each_is_stored_and_paid_once(lake, server)


def test_half_the_price_is_what_is_estimated(lake):
    config = EmbeddingConfig(provider="openai", openai=OpenAIConfig(mode="batch"))
    batch = embed.estimate(lake, config)
    sync = embed.estimate(lake, replace(config, openai=OpenAIConfig()))
    assert batch.cost_usd == pytest.approx(sync.cost_usd / 2)
    assert (batch.seconds, sync.seconds > 0) == (None, True)
