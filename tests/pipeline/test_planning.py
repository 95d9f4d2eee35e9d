"""What a plan says: which stages would run and why, and what that takes."""

import json

import pytest

import lakewinnow
from builders import make_config, messages, write_csv
from lakewinnow import pipeline
from lakewinnow.errors import DataError
from lakewinnow.lake.vectors.embedding_store import store_of
from lakewinnow.lake.workspace import Lake

N_ROWS = 60
SERVICE = {
    "provider": "openai",
    "model": "m",
    "dimensions": 8,
    "openai": {"base_url": "http://localhost:9/v1", "price_per_million_tokens": 1e6},
}


@pytest.fixture
def configure(tmp_path):
    path = write_csv(tmp_path / "rows.csv", messages(N_ROWS))

    def make(**sections):
        sections = {"crossval": {"folds": 3}, **sections}
        return make_config(path, tmp_path / "out", **sections)

    return make


def stages_of(plan):
    return {stage.name: stage for stage in plan.stages}


def test_a_plan_of_a_first_run_writes_nothing(configure, spark, tmp_path):
    plan = pipeline.plan(configure(), spark)
    assert not (tmp_path / "out").exists()
    assert plan.to_run == plan.stages
    assert all(stage.why == ["not run yet"] for stage in plan.stages)
    ingest = stages_of(plan)["ingest"]
    assert (ingest.rows, ingest.passes) == (N_ROWS + 1, 2)  # the header is a line, too
    assert ingest.bytes == 2 * (tmp_path / "rows.csv").stat().st_size
    assert stages_of(plan)["crossval"].task_memory == (N_ROWS + 1) * (20 * 256 + 12 * 3)


def test_a_plan_says_why_and_knows_how_long_it_took(configure, spark):
    lakewinnow.run(configure(), spark)
    plan = pipeline.plan(configure(), spark)
    assert plan.to_run == []
    assert plan.seconds == 0
    assert "all 9 stages are done" in plan.text()

    plan = pipeline.plan(configure(crossval={"folds": 3, "params": {"C": 0.5}}), spark)
    found = stages_of(plan)
    assert found["crossval"].why == ["crossval.params.C changed"]
    assert found["crossval"].changed == ["crossval.params.C"]
    assert found["noise"].why == ["needs crossval"]
    assert found["ingest"].is_done
    assert found["crossval"].rows == N_ROWS
    assert found["crossval"].seconds_by == "earlier run"
    assert plan.seconds > 0
    assert "▸ crossval " in plan.text()
    assert "✓ ingest " in plan.text()


def test_a_plan_says_what_is_lost(configure, spark, tmp_path):
    lakewinnow.run(configure(), spark)
    next((tmp_path / "out" / "pred_probs").glob("*.parquet")).unlink()
    (tmp_path / "out" / "noise_model.json").write_text("{")
    found = stages_of(pipeline.plan(configure(), spark))
    assert found["crossval"].why == ["pred_probs: gone, or not as written"]
    assert found["noise"].why == ["noise_model.json: gone, or not as written"]
    assert found["crossval"].seconds_by == "earlier run"
    assert found["embed"].is_done


def test_a_larger_input_takes_longer(configure, spark, tmp_path):
    lakewinnow.run(configure(), spark, until="ingest")
    write_csv(tmp_path / "rows.csv", messages(4 * N_ROWS))
    ingest = stages_of(pipeline.plan(configure(), spark))["ingest"]
    assert ingest.why == ["the input changed"]
    assert ingest.rows == pytest.approx(4 * N_ROWS, rel=0.1)


def test_a_plan_is_of_the_stages_that_are_wanted(configure, spark):
    plan = pipeline.plan(configure(checks={"pii": {}}), spark, until="pii")
    assert [stage.name for stage in plan.stages] == ["ingest", "pii"]


def test_texts_that_are_to_be_paid_for_are_counted(configure, spark, tmp_path):
    config = configure(embedding=SERVICE)
    before = stages_of(pipeline.plan(config, spark))["embed"]
    lakewinnow.run(config, spark, until="ingest")
    plan = pipeline.plan(config, spark)
    embed = stages_of(plan)["embed"]
    assert (embed.rows, embed.texts) == (N_ROWS, N_ROWS)
    assert embed.usd == plan.usd == pytest.approx(embed.tokens)
    assert before.tokens == pytest.approx(embed.tokens, rel=0.1)  # by a sample, of about 60 rows
    assert f"{N_ROWS} texts, about {embed.tokens:,} tokens" in plan.text()
    assert not store_of(Lake(spark, str(tmp_path / "out")), config.embedding).exists()


def test_a_plan_is_json_and_a_graph(configure, spark):
    plan = pipeline.plan(configure(), spark)
    written = json.loads(json.dumps(plan.to_json()))
    assert written["stages"][0]["name"] == "ingest"
    assert written["totals"].keys() == {"seconds", "usd"}
    assert '"ingest" -> "embed";' in plan.dot()
    assert plan.dot().count("label=") == len(plan.stages)


def test_what_a_run_would_stop_at_stops_a_plan(spark, tmp_path):
    with pytest.raises(DataError) as caught:
        pipeline.plan(make_config(tmp_path / "none.csv", tmp_path / "out"), spark)
    assert caught.value.code == "input_not_found"


def test_fine_tuning_here_takes_time_and_no_money(configure, spark, tmp_path):
    path = write_csv(tmp_path / "trusted.csv", messages(90)[60:])
    config = configure(evaluate={"holdout": str(path)}, finetune={"seeds": 1})
    pytest.importorskip("sentence_transformers")
    found = stages_of(pipeline.plan(config, spark, until="finetune"))
    assert found["holdout"].rows == pytest.approx(30, abs=2)  # of a file half as large
    finetune = found["finetune"]
    assert finetune.seconds > 10
    assert finetune.usd is None
