"""Crossval by models that learn the text, alone and with others: issue 17, number 3."""

import numpy as np
import pytest

import lakewinnow
from builders import (
    corpus_row,
    lake_in,
    make_commit,
    make_config,
    make_table,
    read_json,
    read_table,
    write_csv,
)
from lakewinnow import pipeline
from lakewinnow.errors import ConfigError, ProviderError
from lakewinnow.stages import crossval

REASON = "needs the extra: bash tests/run --with sentence-transformers"
N_ROWS, N_FOLDS = 60, 3
FAST = {"layers": 1, "epochs": 12, "learning_rate": 0.02, "batch_size": 8}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    pytest.importorskip("torch", reason=REASON)
    pytest.importorskip("transformers", reason=REASON)
    from finetuning.local.tiny import make_tiny

    return str(make_tiny(tmp_path_factory.mktemp("models") / "tiny", n_layers=2))


def texts():
    words = np.array([["bad", "poor"], ["good", "fine"]])
    rng = np.random.default_rng(1)
    labels = rng.integers(2, size=N_ROWS)
    starts, ends = ["it is", "it was", "the", "so"], ["", "and so", "a very", "was it the"]
    said = [
        f"{starts[i % 4]} {words[k, i % 2]} {ends[i // 4 % 4]} {' it' * (i // 16)}"
        for i, k in enumerate(labels)
    ]
    return said, labels


def rows(wrong=()):
    numbered = enumerate(zip(*texts(), strict=True))
    return [
        corpus_row(f"r{i:02}", text, int(k ^ (i in wrong)), fold=i % N_FOLDS)
        for i, (text, k) in numbered
    ]


def corpus(spark, folder, of, n_parts=1):
    lake = lake_in(spark, folder)
    for part in range(n_parts):
        make_table(lake, "corpus", of[part::n_parts])
    counts = np.bincount([row["label"] for row in of], minlength=2).tolist()
    make_commit(lake, "ingest", classes=["a", "b"], class_counts=counts)
    return lake


def score(lake, tiny, told=None, max_train_rows=100, folds=N_FOLDS, **params):
    settings = {"model": tiny, **FAST, **params}
    config = make_config(
        "x.csv",
        crossval={
            "classifier": "finetune",
            "folds": folds,
            "max_train_rows": max_train_rows,
            "params": settings,
        },
    )
    tell = (lambda *_: None) if told is None else lambda *of: told.append(of)
    report = crossval.run(lake, config.embedding, config.crossval, tell)
    return report, probs_of(lake.files.root)


def probs_of(workspace):
    table = read_table(workspace, "pred_probs").sort_by("row_id")
    return np.array(table.column("pred_probs").to_pylist())


@pytest.mark.slow
def test_any_partitions_give_the_same_and_no_model_has_seen_a_row_that_it_scores(
    spark, tiny, tmp_path
):
    report, once = score(corpus(spark, tmp_path / "1", rows()), tiny)
    assert once.shape == (N_ROWS, 2)
    np.testing.assert_allclose(once.sum(axis=1), 1, atol=1e-6)
    assert (once.argmax(axis=1) == texts()[1]).mean() > 0.9
    tuned = report.figures.fine_tuned
    assert (tuned.models, tuned.layers, tuned.rows) == (N_FOLDS, 1, N_ROWS)
    assert tuned.model.startswith("tiny-")
    for n_parts in (3, 7):
        lake = corpus(spark, tmp_path / str(n_parts), rows()[::-1], n_parts)
        np.testing.assert_array_equal(score(lake, tiny)[1], once)
    wrong = range(1, N_ROWS, N_FOLDS)  # all of one fold: only other folds' models learn that
    _, turned = score(corpus(spark, tmp_path / "turned", rows(wrong)), tiny)
    is_wrong = np.isin(np.arange(N_ROWS), wrong)
    np.testing.assert_array_equal(turned[is_wrong], once[is_wrong])
    assert (turned[~is_wrong] != once[~is_wrong]).any(axis=1).all()


@pytest.mark.slow
def test_a_run_that_was_killed_trains_only_what_is_left(spark, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("lakewinnow.spark.sessions.cluster.parallelism", lambda _: 2)
    lake, told = corpus(spark, tmp_path / "killed", rows()), []

    def killed(*of):
        told.append(of)
        if of[0] == 2:  # of three
            raise KeyboardInterrupt

    config = {"classifier": "finetune", "folds": N_FOLDS, "params": {"model": tiny, **FAST}}
    config = make_config("x.csv", crossval={**config, "max_train_rows": 100})
    with pytest.raises(KeyboardInterrupt):
        crossval.run(lake, config.embedding, config.crossval, killed)
    assert told[0][:2] == (0, 3)
    assert told[0][2].startswith("models trained, about ")
    _, whole = score(corpus(spark, tmp_path / "whole", rows()), tiny)
    told.clear()
    _, resumed = score(lake, tiny, told)
    assert [of[:2] for of in told] == [(0, 1)]  # what is left is trained
    assert told[0][2].startswith("models trained, 2 by an earlier run, about ")
    np.testing.assert_array_equal(resumed, whole)
    told.clear()
    score(lake, tiny, told)
    assert told == []
    score(lake, tiny, told, seeds=2)
    assert told[0][:2] == (0, 3)  # those of the second alone
    told.clear()
    score(lake, tiny, told, epochs=1)  # another model is another's work
    assert told[0][:2] == (0, 3)
    assert len(lake.files.entries("crossval")) == 1


@pytest.mark.slow
def test_models_of_a_sample_score_all_rows_and_seeds_are_averaged(spark, tiny, tmp_path):
    _, one = score(corpus(spark, tmp_path / "one", rows()), tiny, max_train_rows=45)
    assert len(one) == N_ROWS
    assert (one.argmax(axis=1) == texts()[1]).mean() > 0.8
    wrong = range(2, N_ROWS, N_FOLDS)
    lake = corpus(spark, tmp_path / "turned", rows(wrong))
    report, turned = score(lake, tiny, max_train_rows=45)
    assert report.figures.fine_tuned.rows == 45
    held = np.isin(np.arange(N_ROWS), wrong)
    np.testing.assert_array_equal(turned[held], one[held])
    several, two = score(corpus(spark, tmp_path / "two", rows()), tiny, seeds=2)
    assert several.figures.fine_tuned.models == 2 * N_FOLDS
    _, first = score(corpus(spark, tmp_path / "first", rows()), tiny)
    assert (two != first).any()
    np.testing.assert_allclose(two.sum(axis=1), 1, atol=1e-6)


@pytest.mark.slow
@pytest.mark.whole_run
def test_several_classifiers_are_averaged_or_stacked_by_held_out_loss(spark, tiny, tmp_path):
    said, labels = texts()
    path = write_csv(
        tmp_path / "in.csv", list(zip(said, np.array(["a", "b"])[labels].tolist(), strict=True))
    )
    tuned = {"classifier": "finetune", "params": {"model": tiny, **FAST}}
    alone = {"logistic": {}, "finetune": tuned}
    together = {"classifiers": ["logistic", tuned]}
    ways = {"average": {**together, "combine": "average"}, "auto": together}
    found = {}
    for name, settings in (alone | ways).items():
        folder = tmp_path / name
        config = make_config(path, folder, crossval={"folds": N_FOLDS, **settings})
        if name == "auto":
            planned = {of.name: of for of in pipeline.plan(config, spark).stages}["crossval"]
            assert planned.seconds_by == "sample"
            assert planned.seconds > 0
        lakewinnow.run(config, spark)
        found[name] = probs_of(folder)
    mean = (found["logistic"] + found["finetune"]) / 2
    np.testing.assert_allclose(found["average"], mean, atol=1e-6)
    figures = read_json(tmp_path / "auto", "summary.json")["crossval"]
    combined = figures["combined"]
    assert combined["by"] == (
        "stack" if combined["stack_log_loss"] < combined["average_log_loss"] else "average"
    )
    losses = {of["classifier"]: of["log_loss"] for of in combined["classifiers"]}
    assert losses["logistic"] != losses["finetune"]
    assert figures["fine_tuned"]["models"] == N_FOLDS
    assert sum(of["weight"] for of in combined["classifiers"]) == pytest.approx(1)


def test_a_model_with_fewer_layers_is_an_error_before_anything_runs(tiny):
    tuned = {"classifier": "finetune", "params": {"model": tiny, "layers": 9}}
    several = make_config("x.csv", crossval={"classifiers": ["logistic", tuned]})
    with pytest.raises(ConfigError) as caught:
        crossval.check(several.crossval)
    assert caught.value.where == "crossval.classifiers[1].params.layers"


def test_a_missing_package_is_an_error_before_anything_runs(monkeypatch):
    monkeypatch.setattr("lakewinnow.stages.crossval.by_finetuning.find_spec", lambda _: None)
    config = make_config("x.csv", crossval={"classifier": "finetune"})
    with pytest.raises(ProviderError) as caught:
        crossval.check(config.crossval)
    assert (caught.value.code, caught.value.where) == ("provider_missing", "crossval.classifier")
    assert "lakewinnow[sentence-transformers]" in caught.value.hint
