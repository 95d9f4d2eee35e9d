"""Embed with a service that costs: paid once, whatever happens, and never more than is allowed."""

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from builders import (
    corpus_row,
    lake_in,
    make_commit,
    make_table,
    messages,
    read_rows,
    text_key,
    write_csv,
)
from embedding.openai.fault_server import DIMENSIONS, Fault, FaultServer
from lakewinnow.config.sections import EmbeddingConfig, InputConfig, OpenAIConfig
from lakewinnow.embedding import cost
from lakewinnow.embedding.requests.engine import Share
from lakewinnow.errors import DataError, ProviderError
from lakewinnow.lake.corpus import accepted
from lakewinnow.spark.sessions import session as sessions
from lakewinnow.stages import embed
from lakewinnow.stages.embed import in_rounds

TEXTS = [f"message number {i}" for i in range(120)]
SOURCE = InputConfig(path="unused", text="text", label="label")
COLUMNS = {"fields": [], "type": "struct"}


@pytest.fixture
def server():
    with FaultServer() as started:
        yield started


def make_corpus(lake, texts):
    make_table(lake, "corpus", [corpus_row(f"{i:03}", text) for i, text in enumerate(texts)])


@pytest.fixture
def lake(lake):
    make_corpus(lake, TEXTS)
    quarantine = {"row_id": "x", "error_code": "label_null", "error": "no label"}
    make_table(lake, "quarantine", [quarantine])
    make_commit(lake, "ingest", input_columns=COLUMNS)
    return lake


def config_of(server, *, batch_size=5, **service):
    return config_at(server.url, batch_size, max_requests_per_minute=100_000, **service)


def config_at(url, batch_size=5, **service):
    service = {"base_url": url, "concurrency": 2, "price_per_million_tokens": 1.0} | service
    return EmbeddingConfig(
        provider="openai",
        model="m",
        dimensions=DIMENSIONS,
        batch_size=batch_size,
        openai=OpenAIConfig(**service),
    )


def stored(lake):
    rows = read_rows(lake.files.root, "embeddings")
    return {row["text_key"] for row in rows if row["vector"]}


def test_each_text_is_paid_for_once_and_the_bill_is_kept(lake, server):
    report = embed.run(lake, SOURCE, config_of(server))
    assert server.paid == dict.fromkeys(TEXTS, 1)
    assert stored(lake) == set(map(text_key, TEXTS))
    billed = sum(request.tokens for request in server.log)
    assert report.figures.tokens == billed
    assert report.figures.requests == len(server.log)
    assert report.figures.cost_usd == pytest.approx(billed / 1e6)
    assert embed.run(lake, SOURCE, config_of(server)).figures.embedded == 0
    assert server.paid == dict.fromkeys(TEXTS, 1)


def test_a_text_that_is_refused_goes_to_quarantine_and_no_other(lake, server):
    server.refuses = lambda text: "not this one" if text == TEXTS[7] else None
    report = embed.run(lake, SOURCE, config_of(server))
    assert report.figures.refused == {"embedding_refused": 1}
    assert stored(lake) == set(map(text_key, TEXTS)) - {text_key(TEXTS[7])}
    quarantine = {row["row_id"]: row for row in read_rows(lake.files.root, "quarantine")}
    assert set(quarantine) == {"x", "007"}
    assert "not this one" in quarantine["007"]["error"]
    assert accepted(lake).where("row_id = '007'").count() == 0
    assert set(server.paid) == set(TEXTS) - {TEXTS[7]}
    server.refuses = lambda _: None
    assert embed.run(lake, SOURCE, config_of(server)).figures.refused == {}
    assert [row["row_id"] for row in read_rows(lake.files.root, "quarantine")] == ["x"]
    assert server.paid == dict.fromkeys(TEXTS, 1)


def test_too_many_refused_texts_are_a_data_error(lake, server):
    server.refuses = lambda text: "no" if text[-1] in "123" else None
    with pytest.raises(DataError) as caught:
        embed.run(lake, SOURCE, config_of(server))
    assert caught.value.code == "too_many_refused"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(429, "insufficient_quota"),
        Fault(401, "invalid_api_key"),
        Fault(404, "model_not_found"),
    ],
    ids=lambda fault: fault.code,
)
def test_what_ends_a_run_keeps_what_is_paid_for(lake, server, fault):
    server.script, server.always = [None] * 6, fault
    config = config_of(server)
    with pytest.raises(ProviderError):
        embed.run(lake, SOURCE, config)
    assert stored(lake) == set(map(text_key, server.paid))
    assert server.paid.total() == 6 * config.batch_size
    server.always = None
    embed.run(lake, SOURCE, config)
    assert server.paid == dict.fromkeys(TEXTS, 1)


def test_nothing_is_asked_for_that_would_cost_too_much(lake, server):
    config = config_of(server, max_cost_usd=1e-4)
    with pytest.raises(ProviderError) as caught:
        embed.run(lake, SOURCE, config)
    assert caught.value.code == "cost_limit"
    assert server.log == []
    estimate = embed.estimate(lake, config)
    assert (estimate.new, estimate.requests) == (120, 24)
    assert estimate.cost_usd == pytest.approx(estimate.tokens / 1e6)
    assert server.log == []


def test_a_bill_above_the_estimate_stops_the_run(lake, server, monkeypatch):
    monkeypatch.setattr("embedding.openai.fault_server.n_tokens", lambda _: 1000)
    with pytest.raises(ProviderError) as caught:
        embed.run(lake, SOURCE, config_of(server, max_cost_usd=0.05, concurrency=1))
    assert caught.value.code == "cost_limit"
    n_tasks = 2
    assert server.paid.total() <= 50 + 5 * n_tasks  # a task learns what a request was by its answer
    assert stored(lake) == set(map(text_key, server.paid))


MINUTE = 1.5  # of so many seconds
BUDGET = {"max_requests_per_minute": 28, "max_tokens_per_minute": 1600}
LONG_AND_SHORT = [f"{i} {'word ' * (i % 30)}" for i in range(130)]


@pytest.mark.slow
def test_four_tasks_keep_to_the_budget_in_every_minute_and_from_round_to_round(server, tmp_path):
    """All are told to wait, have a minute's worth when they go on, and another round follows."""
    wait = Fault(429, headers={"retry-after": str(MINUTE)})
    server.script = [None] * 8 + [wait] * 4
    script = f"from tests.stages.{Path(__file__).stem} import embed_by_four_tasks as embed; "
    tests = Path(__file__).parents[1]
    subprocess.run(
        [sys.executable, "-c", f"{script}embed({server.url!r}, {str(tmp_path / 'w')!r})"],
        env=os.environ | {"PYTHONPATH": f"{tests.parent}{os.pathsep}{tests}"},
        check=True,
    )
    assert server.paid == dict.fromkeys(LONG_AND_SHORT, 1)
    requests, tokens = server.busiest(MINUTE)
    assert requests <= BUDGET["max_requests_per_minute"]
    assert tokens <= BUDGET["max_tokens_per_minute"]
    assert requests > BUDGET["max_requests_per_minute"] / 2  # and make use of it


def embed_by_four_tasks(url, workspace):
    """Embed on four cores, as Spark sees it, with a session of its own."""
    settings = sessions.local_settings
    four = {"spark.master": "local[4]", "spark.sql.codegen.wholeStage": "false"}
    sessions.local_settings = lambda *of: settings(*of) | four
    in_rounds.SECONDS = MINUTE
    cost.Share = partial(Share, window_s=MINUTE)
    with sessions.running() as spark:
        lake = lake_in(spark, workspace)
        make_corpus(lake, LONG_AND_SHORT)
        embed.run(lake, SOURCE, config_at(url, **BUDGET))


# As the command does, but in rounds of half a second.
_IN_SHORT_ROUNDS = """
from lakewinnow.stages.embed import in_rounds
in_rounds.SECONDS = 0.5
deal = in_rounds.Rounds.__init__
in_rounds.Rounds.__init__ = lambda self, tokens, n, first, most: deal(self, tokens, n, 3000, most)
from lakewinnow.cli import main
main()
"""


@pytest.mark.slow
def test_a_killed_run_has_paid_for_a_chunk_a_task_in_vain_at_most(server, tmp_path):
    rows = messages(800)
    texts = {text for text, _ in rows}
    config = _config(tmp_path, write_csv(tmp_path / "in.csv", rows), server)
    server.always = Fault(seconds=0.02)
    command = [sys.executable, "-c", _IN_SHORT_ROUNDS, "run", config, "--until", "embed", "--quiet"]
    with subprocess.Popen(command, start_new_session=True) as process:
        deadline = time.monotonic() + 120
        while server.paid.total() < len(texts) // 2 and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
        process.wait()
        n_paid = _settled(server)
    kept = [bytes(row["text_key"]) for row in read_rows(tmp_path / "w", "embeddings")]
    assert 0 < len(kept) == len(set(kept)) < len(texts)
    subprocess.run(command, check=True)
    assert set(server.paid) == texts
    in_vain = server.paid.total() - len(texts)
    assert in_vain == n_paid - len(kept)
    largest = max(
        len(pq.read_table(path)) for path in (tmp_path / "w" / "embeddings").glob("*.parquet")
    )
    assert in_vain <= 2 * largest


def _config(folder, table, server):
    path = folder / "config.yaml"
    path.write_text(
        f"""
input: {{path: {table}, text: text, label: label}}
workspace: {folder / "w"}
embedding:
  provider: openai
  model: m
  dimensions: {DIMENSIONS}
  batch_size: 10
  openai: {{base_url: "{server.url}", max_requests_per_minute: 100000,
            max_tokens_per_minute: 10000000, price_per_million_tokens: 1}}
"""
    )
    return path


def _settled(server):
    """Return how many texts were paid for once the workers have noticed that they are alone."""
    n = -1
    while n != server.paid.total():
        n = server.paid.total()
        time.sleep(1)
    return n
