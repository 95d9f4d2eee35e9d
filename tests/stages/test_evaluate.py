"""Evaluate: issues against the errors that a reference knows of, models against a holdout."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql.types import BooleanType, DoubleType, StringType, StructField, StructType
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from builders import corpus_row, found_by, lake_in, make_commit, make_config, make_table, write_csv
from lakewinnow.classifiers.estimator import Estimator
from lakewinnow.classifiers.logistic import Logistic
from lakewinnow.config.sections import EvaluateConfig
from lakewinnow.core.noise.calibration import Calibration
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.errors import DataError, EngineError
from lakewinnow.lake.inputs.source import read_source
from lakewinnow.lake.training import training_sets
from lakewinnow.stages import evaluate
from lakewinnow.stages import noise as noise_
from lakewinnow.stages.evaluate import detection as detection_
from lakewinnow.stages.evaluate import tasks

# --- against a reference ------------------------------------------------------------------------

# Row id: text, given label (an index), flagged, suggested label, score.
ROWS = {
    "1": ("one", 0, False, "a", 0.9),
    "2": ("two", 0, True, "b", 0.1),
    "3": ("three", 1, True, "c", 0.2),
    "4": ("four", 1, False, "a", 0.3),
    "5": ("four", 0, True, "b", 0.25),
}


@pytest.fixture
def detection(spark, lake, tmp_path):
    """The figures for a reference of (text, true label, id) rows."""
    corpus = [corpus_row(row_id, row[0], row[1]) for row_id, row in ROWS.items()]
    make_table(lake, "corpus", corpus)
    issues = [
        {
            "row_id": row_id,
            "given_label": "ab"[label],
            "is_label_issue": is_flagged,
            "suggested_label": suggested,
            "label_score": score,
        }
        for row_id, (_, label, is_flagged, suggested, score) in ROWS.items()
    ]
    make_table(lake, "issues", issues)

    def evaluated(reference, **input_):
        path = write_csv(tmp_path / "reference.csv", reference, ("text", "label", "key"))
        config = make_config(path, input=input_)
        report = evaluate.run(lake, config, reference=read_source(spark, config.input, "csv"))
        return found_by(report)["detection"]

    return evaluated


def test_rows_meet_by_id(detection):
    truth = [("any", "aaaba"[i], str(i + 1)) for i in range(5)]  # row 3 is wrong
    found = detection(truth, id="key")
    assert (found["rows"], found["errors"], found["found"]) == (5, 1, 1)
    assert (found["precision"], found["recall"]) == (1 / 3, 1.0)
    assert found["auroc"] == 3 / 4
    assert found["average_precision"] == 1 / 2
    assert (found["fixed_right"], found["harmed"]) == (0.0, 2 / 4)


def test_rows_meet_by_text_where_there_is_no_id(detection):
    truth = [("one", "b", ""), ("two", "b", ""), ("three", "b", ""), ("strange", "a", "")]
    found = detection(truth)
    assert (found["rows"], found["errors"], found["found"]) == (3, 2, 1)
    assert (found["fixed_right"], found["harmed"]) == (1 / 2, 1.0)


def test_a_text_of_two_true_labels_is_left_out(detection):
    truth = [("four", "a", ""), ("four", "b", ""), ("two", "b", ""), ("", "a", ""), ("one", "", "")]
    assert detection(truth)["rows"] == 1


def test_a_reference_of_other_rows_is_an_error(detection):
    with pytest.raises(DataError) as caught:
        detection([("strange", "a", "")])
    assert (caught.value.code, caught.value.where) == (
        "reference_matches_nothing",
        "evaluate.reference",
    )


def test_figures_are_scikit_learns():
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 12, 200) / 12  # with ties
    is_error = rng.random(200) > scores
    is_flagged = scores < 0.3
    n = rng.integers(1, 4, 200)
    found = detection_._detection(scores, is_error, is_flagged, n)
    assert found["auroc"] == pytest.approx(roc_auc_score(is_error, -scores, sample_weight=n))
    assert found["precision"] == precision_score(is_error, is_flagged, sample_weight=n)
    assert found["recall"] == recall_score(is_error, is_flagged, sample_weight=n)
    expected = average_precision_score(is_error, -scores, sample_weight=n)
    assert found["average_precision"] == pytest.approx(expected)


def test_what_cannot_be_said_is_null():
    nothing = np.zeros(3, bool)
    found = detection_._detection(np.arange(3.0), nothing, nothing, np.ones(3, int))
    assert (found["precision"], found["recall"], found["auroc"]) == (None, None, None)


# --- on a holdout: what a task does -------------------------------------------------------------

LOGISTIC = Logistic(C=1.0, class_weight=None, max_iter=1000, standardize=False)


def task_table(vectors, labels, n_test, *, seeds=1, weight=None, aim=None):
    """Rows as a task gets them, the last `n_test` of them to be asked about, and their parts."""
    n_rows = len(labels)
    parts = np.random.default_rng(9).integers(tasks.N_PARTS, size=(n_rows, seeds))
    is_test = np.arange(n_rows) >= n_rows - n_test
    table = pa.table(
        {
            "variant": ["fixed"] * n_rows,
            "row_id": [f"{i:04}" for i in range(n_rows)],
            "label": pa.array(labels, pa.int32()),
            "weight": pa.array([None] * n_rows if weight is None else weight, pa.float64()),
            "aim": pa.array([None] * n_rows if aim is None else aim, pa.int32()),
            "is_test": is_test,
            "parts": pa.array(parts.tolist(), pa.list_(pa.int32())),
            "vector": pa.array(vectors.tolist(), pa.list_(pa.float32())),
        }
    )
    return table.take(np.random.default_rng(1).permutation(n_rows)), parts[~is_test]


def blobs(n_rows, seed=2):
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, n_rows, p=[0.5, 0.3, 0.2])
    return rng.normal(size=(n_rows, 4)) + 1.2 * np.eye(3, 4)[labels], labels


@pytest.mark.parametrize("how", ["plain", "weight", "aim"])
@pytest.mark.parametrize("kind", ["logistic", "estimator"])
def test_models_are_scikit_learns(kind, how):
    vectors, labels = blobs(400)
    vectors = vectors.astype(np.float32)
    weight = np.random.default_rng(5).random(400) if how == "weight" else None
    aim = np.random.default_rng(6).choice(3, 400, p=[0.2, 0.2, 0.6]) if how == "aim" else None
    table, parts = task_table(vectors, labels, 100, seeds=2, weight=weight, aim=aim)
    params = {"C": 1.0, "max_iter": 1000, "tol": 1e-8}
    classifier = LOGISTIC
    if kind == "estimator":
        path = "sklearn.linear_model.LogisticRegression"
        classifier = Estimator(path, params, seed=0, standardize=False)
    answers = tasks.train(table, classifier, n_classes=3, n_threads=1)
    assert answers.column("n_rows").to_pylist() == [300] * 11
    assert answers.column("model").to_pylist() == list(range(11))
    assert answers.column("true_labels")[0].as_py() == labels[300:].tolist()
    if how == "aim":
        weight = (np.bincount(aim[:300]) / np.bincount(labels[:300]))[labels]
    trained_on = [np.ones(300, bool), *(parts[:, s] != p for s in (0, 1) for p in range(5))]
    for model, rows in enumerate(trained_on):
        expected = LogisticRegression(**params).fit(
            vectors[:300][rows], labels[:300][rows], None if weight is None else weight[:300][rows]
        )
        losses = -np.log(expected.predict_proba(vectors[300:])[np.arange(100), labels[300:]])
        np.testing.assert_allclose(answers.column("losses")[model].as_py(), losses, atol=0.01)
        predicted = np.array(answers.column("predicted")[model].as_py())
        assert (predicted == expected.predict(vectors[300:])).mean() > 0.98


def test_soft_rows_have_their_likeliest_labels():
    posterior = Posterior.of_weights(Calibration.none(8), np.ones((8, 8)))
    probs = [[0.3, 0.2, 0.15, 0.13, 0.11, 0.1, 0.01, 0.0], [0.005, 0.0, 0, 0, 0, 0, 0, 0.995]]
    batch = pa.record_batch(
        {
            "row_id": ["x", "y"],
            "text_key": [b"x", b"y"],
            "label": pa.array([3, 7], pa.int32()),
            "pred_probs": pa.array(probs, pa.list_(pa.float32())),
        }
    )
    [soft] = training_sets.soften([batch], posterior)
    assert soft.column("row_id").to_pylist() == ["x"] * 5 + ["y"]
    assert soft.column("label").to_pylist() == [0, 1, 2, 3, 4, 7]
    expected = [*(np.array([0.3, 0.2, 0.15, 0.13, 0.11]) / 0.89), 1.0]
    np.testing.assert_allclose(soft.column("weight").to_pylist(), expected, atol=1e-6)


def test_too_few_rows_train_nothing():
    table, _ = task_table(*blobs(training_sets.LEAST_ROWS + 9), 10)
    assert len(tasks.train(table, LOGISTIC, n_classes=3, n_threads=1)) == 0


# --- on a holdout: the stage --------------------------------------------------------------------

CLASSES = ["a", "b", "c"]
DECIDED = StructType(
    [
        StructField("row_id", StringType()),
        StructField("given_label", StringType()),
        StructField("suggested_label", StringType()),
        StructField("is_label_issue", BooleanType()),
        StructField("label_score", DoubleType()),
        StructField("decision", StringType()),
        StructField("new_label", StringType()),
        StructField("decided_by", StringType()),
    ]
)
ISSUE = {
    "given_label": "a",
    "suggested_label": "a",
    "is_label_issue": False,
    "label_score": 0.9,
    "decision": "keep",
    "new_label": None,
    "decided_by": None,
}


def put_rows(lake, vectors, labels, prefix, *, halved=False):
    texts = [f"{prefix} {i}" for i in range(len(labels))]
    rows = [
        corpus_row(f"{prefix}{i:04}", text, int(label), fold=i % 2)
        for i, (text, label) in enumerate(zip(texts, labels, strict=True))
    ]
    make_table(lake, "corpus", rows)
    keyed = zip(rows, vectors, strict=True)
    make_table(
        lake, "vectors", [{"text_key": r["text_key"], "vector": v.tolist()} for r, v in keyed]
    )
    counts = np.bincount(labels, minlength=3).tolist()
    details = {"classes": CLASSES, "class_counts": counts, "own_vectors": True}
    make_commit(lake, "ingest", **details, is_halved=halved)
    return rows


class Case:
    """A finished run whose decisions are made up, and its holdout."""

    def __init__(self, spark, folder, *, noise=0.4, found=1.0, n_rows=500, n_test=300, decide=list):
        rng = np.random.default_rng(11)
        self.lake, self.trusted = lake_in(spark, folder), lake_in(spark, folder / "holdout")
        vectors, truth = blobs(n_rows, seed=21)
        is_wrong = (truth == 0) & (rng.random(n_rows) < noise)  # a is called b
        given = np.where(is_wrong, 1, truth)
        rows = put_rows(self.lake, vectors, given, "train")
        is_issue = np.where(rng.random(n_rows) < found, is_wrong, rng.permutation(is_wrong))
        issues = [
            {
                "row_id": row["row_id"],
                "given_label": row["given_label"],
                "suggested_label": CLASSES[true if wrong else int(rng.integers(3))],
                "is_label_issue": bool(flagged),
                "label_score": 0.1,
                "decision": "drop" if flagged else "keep",
                "new_label": None,
                "decided_by": None,
            }
            for row, true, wrong, flagged in zip(rows, truth, is_wrong, is_issue, strict=True)
        ]
        make_table(self.lake, "issues", decide(issues), DECIDED)
        make_commit(self.lake, "crossval", C=1.0, standardize=False)
        probs = np.full((n_rows, 3), 0.05)
        probs[np.arange(n_rows), truth] = 0.9
        probs = [
            {"row_id": row["row_id"], "label": row["label"], "pred_probs": p}
            for row, p in zip(rows, probs.tolist(), strict=True)
        ]
        make_table(self.lake, "pred_probs", probs)
        noise_.run(self.lake)
        self.test_rows = put_rows(self.trusted, *blobs(n_test, seed=22), "test")
        self.is_wrong = is_wrong

    def run(self, classifier="logistic", clean=None, **evaluate_):
        config = own_vectors_config(classifier, clean, **evaluate_)
        return evaluate.run(self.lake, config, trusted=self.trusted)


def own_vectors_config(classifier="logistic", clean=None, **evaluate_):
    params = {"class_weight": None, "C": "auto"} if classifier == "logistic" else {}
    return make_config(
        "x.csv",
        input={"text": None, "embedding": "vector"},
        crossval={"params": params, "classifier": classifier},
        evaluate=evaluate_,
        clean=clean or {},
    )


def test_a_gain_that_is_there_is_found(spark, tmp_path):
    case = Case(spark, tmp_path)
    details = found_by(case.run())
    found = details["evaluate"]
    assert list(found) == ["baseline", "control", "dropped", "fixed", "soft", "clean"]
    n_wrong = int(case.is_wrong.sum())
    assert [found[name]["rows"] for name in found] == [500] * 2 + [500 - n_wrong] + [500] * 2 + [
        500 - n_wrong
    ]
    for name in ("dropped", "fixed", "soft", "clean"):
        to = found[name]["to_baseline"]
        assert to["verdict"] == "better"
        assert 0 < to["accuracy_low"] < to["accuracy"] < to["accuracy_high"]
        assert to["p"] < 0.01
        assert to["accuracy"] == found[name]["accuracy"] - found["baseline"]["accuracy"]
        assert found[name]["recall"]["a"] > found["baseline"]["recall"]["a"]
    assert found["control"]["to_baseline"]["accuracy"] > 0  # the class mix is part of it
    assert found["clean"]["to_control"] == found["dropped"]["to_control"]
    how = details["comparison"]
    assert (how["models"], how["seeds"], how["parts"], how["test_rows"]) == (15, 3, 5, 300)
    assert how["class_mix_matters"]
    assert details["warnings"] == []
    assert json.loads(json.dumps(details)) == details


def test_a_gain_that_is_not_there_is_not_claimed(spark, tmp_path):
    found = found_by(Case(spark, tmp_path, noise=0.0, found=0.0).run())["evaluate"]
    for name in ("control", "dropped", "fixed", "clean"):
        assert found[name]["to_baseline"]["verdict"] == "no difference shown"


@pytest.mark.slow
def test_the_same_rows_give_the_same_figures_and_seeds_others(spark, tmp_path):
    case = Case(spark, tmp_path)
    first = found_by(case.run(seeds=1))
    assert found_by(case.run(seeds=1)) == first
    assert first["comparison"]["models"] == 5
    assert found_by(case.run(seeds=2))["evaluate"]["baseline"] != first["evaluate"]["baseline"]


def test_no_text_of_the_holdout_is_trained_on(spark, tmp_path):
    case = Case(spark, tmp_path)
    leaked = [corpus_row(f"train again {i}", f"test {i}", 2) for i in range(4)]
    make_table(case.lake, "corpus", leaked)
    details = found_by(case.run(seeds=1))
    assert details["comparison"]["in_holdout_too"] == 4
    assert details["comparison"]["input_rows"] == 500 == details["evaluate"]["baseline"]["rows"]
    [warning] = details["warnings"]
    assert warning.startswith("no model was trained on 4 rows of the input")


@pytest.mark.slow
def test_a_sample_has_every_class(spark, tmp_path):
    found = found_by(Case(spark, tmp_path, n_rows=1500).run(max_train_rows=300, seeds=1))[
        "evaluate"
    ]
    assert found["baseline"]["rows"] == 300
    assert found["baseline"]["recall"].keys() == {"a", "b", "c"}


@pytest.mark.slow
def test_a_large_holdout_is_sampled(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(training_sets, "MAX_TEST_ROWS", 100)
    case = Case(spark, tmp_path)
    details = found_by(case.run(seeds=1))
    assert details["comparison"]["test_rows"] == 100
    assert found_by(case.run(seeds=1)) == details


@pytest.mark.slow
def test_the_ceiling_is_that_of_the_reference(spark, tmp_path):
    case = Case(spark, tmp_path / "out")
    _, truth = blobs(500, seed=21)
    rows = [(f"train{i:04}", CLASSES[k], [0.0]) for i, k in enumerate(truth)]
    path = tmp_path / "reference.parquet"
    pq.write_table(
        pa.table(dict(zip(("id", "label", "vector"), zip(*rows, strict=True), strict=True))), path
    )
    config = make_config(path, input={"text": None, "embedding": "vector", "id": "id"})
    report = evaluate.run(
        case.lake,
        replace(config, evaluate=EvaluateConfig(seeds=1)),
        trusted=case.trusted,
        reference=read_source(spark, config.input, "parquet"),
    )
    found = found_by(report)["evaluate"]
    assert found_by(report)["detection"]["recall"] == 1.0
    assert found["ceiling"]["accuracy"] == found["fixed"]["accuracy"]
    assert list(found)[-1] == "ceiling"


def test_what_people_decided_is_a_version_of_its_own(spark, tmp_path):
    def decide(issues):  # half of the issues by a person, who fixes them; the rest are dropped
        for issue in issues[::2]:
            if issue["is_label_issue"]:
                fixed = {"decision": "fix", "new_label": issue["suggested_label"]}
                issue |= {**fixed, "decided_by": "ann"}
        return issues

    case = Case(spark, tmp_path, decide=decide)
    found = found_by(case.run(seeds=1, clean={"decisions": "mine.csv"}))["evaluate"]
    n_wrong, n_fixed = int(case.is_wrong.sum()), int(case.is_wrong[::2].sum())
    assert found["reviewed"]["rows"] == 500
    assert found["clean"]["rows"] == 500 - n_wrong + n_fixed
    assert (
        found["baseline"]["accuracy"] < found["reviewed"]["accuracy"] < found["fixed"]["accuracy"]
    )


def test_too_few_trusted_rows_are_an_error(spark, tmp_path):
    case = Case(spark, tmp_path, n_test=29)
    with pytest.raises(DataError) as caught:
        case.run()
    assert (caught.value.code, caught.value.where) == ("holdout_too_small", "evaluate.holdout")


def test_a_holdout_that_is_the_input_is_an_error(spark, tmp_path):
    case = Case(spark, tmp_path)
    with pytest.raises(DataError) as caught:
        evaluate.run(case.lake, own_vectors_config(), trusted=case.lake)
    assert (caught.value.code, caught.value.where) == ("too_few_to_train_on", "evaluate.holdout")


def test_vectors_that_are_gone_are_an_error(spark, tmp_path):
    case = Case(spark, tmp_path)
    make_table(case.lake, "corpus", [corpus_row("new", "of no vector")])
    make_table(case.lake, "issues", [{**ISSUE, "row_id": "new"}], DECIDED)
    with pytest.raises(EngineError) as caught:
        case.run(seeds=1)
    assert caught.value.code == "embedding_missing"


def test_embeddings_of_another_length_are_an_error(spark, tmp_path):
    case = Case(spark, tmp_path)
    shutil.rmtree(case.trusted.files.path("vectors"))
    short = [{"text_key": row["text_key"], "vector": [0.0]} for row in case.test_rows]
    make_table(case.trusted, "vectors", short)
    with pytest.raises(DataError) as caught:
        case.run()
    assert (caught.value.code, caught.value.where) == ("other_embeddings", "evaluate.holdout")


def test_without_weights_there_is_no_control_and_no_soft(spark, tmp_path):
    classifier = "sklearn.neighbors.KNeighborsClassifier"
    found = found_by(Case(spark, tmp_path).run(seeds=1, classifier=classifier))["evaluate"]
    assert list(found) == ["baseline", "dropped", "fixed", "clean"]
    assert found["fixed"]["to_baseline"]["verdict"] == "better"
    assert "to_control" not in found["fixed"]
