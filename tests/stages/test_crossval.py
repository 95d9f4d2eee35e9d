"""Crossval: what scikit-learn's cross_val_predict gives with the same folds, for every class."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from builders import corpus_row, make_commit, make_table, read_rows, read_table, text_key
from lakewinnow.config import CrossvalConfig, EmbeddingConfig
from lakewinnow.embedding import registry
from lakewinnow.errors import EngineError
from lakewinnow.lake.embedding_store import EMBEDDINGS
from lakewinnow.stages import crossval

PARAMS = {"C": 1.0, "class_weight": "balanced", "max_iter": 1000}
N_FOLDS = 4


@pytest.fixture
def clouds():
    """Features of three classes that overlap, their labels and their folds."""
    rng = np.random.default_rng(20240229)
    labels = np.arange(90) % 3
    features = rng.normal(size=(90, 5)) + np.eye(3, 5)[labels]
    return features, labels, np.arange(90) // 3 % N_FOLDS


def as_shard(features, labels, folds):
    return pa.table(
        {
            "row_id": [f"{i:03}" for i in range(len(labels))],
            "label": labels.astype(np.int32),
            "fold": folds.astype(np.int32),
            "vector": pa.array(features.tolist(), pa.list_(pa.float32())),
        }
    )


def optimum(features, labels, train, held):
    model = LogisticRegression(tol=1e-8, **{**PARAMS, "max_iter": 100_000})
    return model.fit(features[train], labels[train]).predict_proba(features[held])


def test_probabilities_are_those_of_scikit_learn(sample):
    rows = read_rows(sample, "corpus")
    vectors = {row["text_key"]: row["vector"] for row in read_rows(sample, "embeddings")}
    features = np.array([vectors[row["text_key"]] for row in rows])
    labels, folds = (np.array([row[name] for row in rows]) for name in ("label", "fold"))
    found = np.array([row["pred_probs"] for row in read_rows(sample, "pred_probs")])
    assert found.shape == (591, 6)
    for fold in (0, 3):
        held = folds == fold
        expected = optimum(features, labels, ~held, held)
        np.testing.assert_allclose(found[held], expected, rtol=0, atol=2e-3)


def test_every_row_has_a_probability_of_each_class(sample):
    rows, corpus = read_table(sample, "pred_probs"), read_table(sample, "corpus")
    assert rows.column("row_id") == corpus.column("row_id")
    assert rows.column("label") == corpus.column("label")
    sums = np.sum(rows.column("pred_probs").to_pylist(), axis=1)
    np.testing.assert_allclose(sums, 1, atol=1e-6)


def test_a_row_is_judged_by_models_that_never_saw_its_fold(clouds):
    features, labels, folds = clouds
    found, _ = crossval.cross_val_predict(features, labels, folds, 3, PARAMS)
    for fold in range(N_FOLDS):
        held = folds == fold
        expected = optimum(features, labels, ~held, held)
        np.testing.assert_allclose(found[held], expected, rtol=0, atol=2e-3)


def test_a_class_that_the_training_folds_lack_has_probability_0(clouds):
    features, labels, folds = clouds
    labels[folds == 1] = np.where(labels[folds == 1] == 2, 3, labels[folds == 1])
    found, _ = crossval.cross_val_predict(features, labels, folds, 5, PARAMS)
    assert found.shape == (90, 5)
    assert (found[folds == 1, 3] == 0).all()
    assert (found[folds != 1, 3] > 0).all()
    assert (found[:, 4] == 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_where_one_class_is_left_to_learn_from_it_is_certain(clouds):
    features, _, folds = clouds
    labels = np.where(folds == 0, 1, 0)
    found, converged = crossval.cross_val_predict(features, labels, folds, 2, PARAMS)
    assert (found[folds == 0] == [1, 0]).all()
    assert converged.all()


def test_a_fit_that_is_cut_short_says_so(clouds):
    _, converged = crossval.cross_val_predict(*clouds, 3, {**PARAMS, "max_iter": 1})
    assert not converged.any()


def test_the_order_of_rows_and_the_number_of_threads_change_nothing(clouds):
    shard = as_shard(*clouds)
    shuffled = shard.take(np.random.default_rng(1).permutation(len(shard)))
    once = crossval._score_shard(shard, n_classes=3, params=PARAMS, threads=1)
    again = crossval._score_shard(shuffled, n_classes=3, params=PARAMS, threads=3)
    assert once.equals(again)
    assert once.column("row_id").to_pylist() == shard.column("row_id").to_pylist()


def test_a_missing_vector_is_an_error(clouds):
    features, labels, folds = clouds
    shard = as_shard(features, labels, folds)
    vectors = [None, *shard.column("vector").to_pylist()[1:]]
    shard = shard.set_column(3, "vector", pa.array(vectors, pa.list_(pa.float32())))
    with pytest.raises(EngineError) as caught:
        crossval._score_shard(shard, n_classes=3, params=PARAMS, threads=1)
    assert (caught.value.code, caught.value.where) == ("embedding_missing", "embedding.store")


@pytest.fixture
def two_shards(lake, clouds):
    """A corpus of two shards and its vectors, in a workspace."""
    features, labels, folds = clouds
    rows = [
        corpus_row(f"{i:03}", f"text {i}", int(labels[i]), fold=int(folds[i]), shard=i // 45)
        for i in range(90)
    ]
    identity = vars(registry.identify(EmbeddingConfig()))
    vectors = [
        {"text_key": text_key(f"text {i}"), "vector": features[i].tolist(), **identity}
        for i in range(90)
    ]
    make_table(lake, "corpus", rows)
    make_table(lake, "embeddings", vectors, EMBEDDINGS)
    make_commit(lake, "ingest", classes=list("abc"), n_shards=2)
    return lake


def test_each_shard_is_cross_validated_by_itself(two_shards, clouds):
    report = crossval.run(two_shards, EmbeddingConfig(), CrossvalConfig())
    rows = read_rows(two_shards.files.root, "pred_probs")
    assert [row["row_id"] for row in rows] == [f"{i:03}" for i in range(90)]
    assert (report.rows_in, report.rows_out, report.details["warnings"]) == (90, 90, [])
    features, labels, folds = clouds
    for shard in (slice(0, 45), slice(45, 90)):
        expected, _ = crossval.cross_val_predict(
            features[shard].astype(np.float32), labels[shard], folds[shard], 3, PARAMS
        )
        found = [row["pred_probs"] for row in rows[shard]]
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_fits_that_do_not_converge_are_a_warning(two_shards):
    config = CrossvalConfig(params={**PARAMS, "max_iter": 1})
    report = crossval.run(two_shards, EmbeddingConfig(), config)
    assert report.details["not_converged"] == 90
    assert len(report.details["warnings"]) == 1
