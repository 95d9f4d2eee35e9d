"""Crossval: what scikit-learn's cross_val_predict gives with the same folds, for every class."""

import json
import pickle

import numpy as np
import pyarrow as pa
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import functions as F
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

import lakewinnow
from builders import (
    corpus_row,
    make_commit,
    make_config,
    make_table,
    messages,
    read_json,
    read_rows,
    read_table,
    text_key,
    write_csv,
)
from lakewinnow.classifiers import tasks
from lakewinnow.classifiers.estimator import Estimator
from lakewinnow.classifiers.logistic import Logistic
from lakewinnow.config.sections import CrossvalConfig, EmbeddingConfig
from lakewinnow.embedding import registry
from lakewinnow.errors import ConfigError, DataError, EngineError
from lakewinnow.lake.inputs import content
from lakewinnow.lake.vectors.embedding_store import EMBEDDINGS
from lakewinnow.spark.sessions import cluster
from lakewinnow.stages import crossval
from lakewinnow.stages.crossval import by_global_models, corpus

PARAMS = {"C": 1.0, "class_weight": "balanced", "max_iter": 1000}
LOGISTIC = Logistic(C=1.0, class_weight="balanced", max_iter=1000, standardize=False)
N_FOLDS = 4


@pytest.fixture
def clouds():
    """Features of three classes that overlap, their labels and their folds."""
    rng = np.random.default_rng(20240229)
    labels = np.arange(90) % 3
    features = rng.normal(size=(90, 5)) + np.eye(3, 5)[labels]
    return features.astype(np.float32), labels, np.arange(90) // 3 % N_FOLDS


def as_sample(features, labels, folds, pooled=(), number=7):
    return pa.table(
        {
            "row_id": [f"{i:03}" for i in range(len(labels))],
            "text_key": [text_key(f"text {i}") for i in range(len(labels))],
            "label": labels.astype(np.int32),
            "fold": folds.astype(np.int32),
            "shard": np.full(len(labels), number, np.int32),
            "is_pooled": np.isin(np.arange(len(labels)), pooled),
            "vector": pa.array(features.tolist(), pa.list_(pa.float32())),
        }
    )


def as_shard(*args, **kwargs):
    """Return rows and vectors, as they come together in a task: neither in the other's order."""
    sample = as_sample(*args, **kwargs)
    return sample.drop_columns("vector"), sample.select(["text_key", "vector"])[::-1]


def score(shard, classifier=LOGISTIC, n_classes=3, n_threads=1):
    return tasks.score_shard(*shard, classifier, n_classes, n_threads)


def unpacked(made):
    return pickle.loads(made.column("made")[0].as_py())  # noqa: S301 - of this very test


def probs(table):
    return np.array(table.column("pred_probs").to_pylist())


def optimum(features, labels, train, held):
    model = LogisticRegression(tol=1e-8, **{**PARAMS, "max_iter": 100_000})
    return model.fit(features[train], labels[train]).predict_proba(features[held])


# --- a task -------------------------------------------------------------------------------------


def test_the_order_of_rows_and_the_number_of_threads_change_nothing(clouds):
    rows, vectors = as_shard(*clouds)
    shuffled = rows.take(np.random.default_rng(1).permutation(len(rows)))
    once, again = score((rows, vectors)), score((shuffled, vectors), n_threads=3)
    told = ["cpu_seconds"]
    assert once.drop_columns(told).equals(again.drop_columns(told))
    assert once.column("row_id").to_pylist() == rows.column("row_id").to_pylist()


def test_vectors_come_by_text_in_any_order_in_parts_and_more_than_are_needed(clouds):
    features, labels, folds = clouds
    rows, vectors = as_shard(features, labels, folds)
    others = as_sample(features + 1, labels, folds).set_column(
        1, "text_key", [[text_key(f"another {i}") for i in range(90)]]
    )
    scattered = pa.concat_tables([vectors[50:], others.select(["text_key", "vector"]), vectors])
    once, again = score((rows, vectors)), score((rows, scattered))
    np.testing.assert_array_equal(probs(once), probs(again))


def test_a_missing_vector_is_an_error(clouds):
    rows, vectors = as_shard(*clouds)
    for some in (vectors[1:], vectors[:0]):
        with pytest.raises(EngineError) as caught:
            score((rows, some))
        error = caught.value
        assert (error.code, error.where) == ("embedding_missing", "embedding.store")


def test_what_the_rows_of_a_shard_do_not_allow_is_an_error_that_names_it(clouds):
    features, labels, _ = clouds
    with pytest.raises(DataError) as caught:
        score(as_shard(features, labels, np.zeros(90)))
    assert (caught.value.code, caught.value.where) == ("nothing_to_train_on", "folds, shard 7")


def test_pooled_rows_are_learnt_from_and_come_back_from_their_own_shard_only(clouds):
    features, labels, folds = clouds
    pooled = np.arange(60, 90)
    found = score(as_shard(features, labels, folds, pooled))
    assert found.column("row_id").to_pylist() == [f"{i:03}" for i in range(60)]
    np.testing.assert_allclose(probs(found), probs(score(as_shard(*clouds)))[:60], atol=1e-6)
    assert len(score(as_shard(features, labels, folds, np.arange(90)))) == 0


def test_models_of_folds_trained_apart_score_like_those_trained_together(clouds):
    sample = as_sample(*clouds)
    packed = []
    for n_groups, group in ((1, 0), (2, 0), (2, 1)):
        grouped = sample.append_column("group", pa.array([group] * 90, pa.int32()))
        made = tasks.fit_models(grouped, LOGISTIC, 3, N_FOLDS, n_groups, 1)
        packed.append(made.column("made")[0].as_py())
    together, apart = (
        pa.Table.from_batches(tasks.apply_models(sample.to_batches(), models, 3))
        for models in (packed[:1], packed[1:])
    )
    np.testing.assert_allclose(probs(together), probs(score(as_shard(*clouds))), atol=1e-5)
    np.testing.assert_allclose(probs(together), probs(apart), atol=1e-3)


def test_settling_chooses_c_and_whether_to_scale(clouds):
    open_ = Logistic(C="auto", class_weight=None, max_iter=200, standardize="auto")
    made = tasks.settle(as_sample(*clouds), open_, 3, 1)
    settled = unpacked(made)
    note = json.loads(made.column("note")[0].as_py())
    assert not open_.is_settled
    assert settled.is_settled
    assert (settled.C, settled.standardize) == (note["C"], True)
    assert note["losses"][str(settled.C)] <= note["losses"]["1.0"]
    features, *rest = clouds
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    made = tasks.settle(as_sample(unit, *rest), open_, 3, 1)
    assert unpacked(made).standardize is False


# --- the stage ----------------------------------------------------------------------------------


def test_probabilities_are_those_of_scikit_learn(sample):
    rows = read_rows(sample, "corpus")
    vectors = {row["text_key"]: row["vector"] for row in read_rows(sample, "embeddings")}
    features = np.array([vectors[row["text_key"]] for row in rows])
    labels, folds = (np.array([row[name] for row in rows]) for name in ("label", "fold"))
    found = np.array([row["pred_probs"] for row in read_rows(sample, "pred_probs")])
    assert found.shape == (591, 6)
    chosen = read_json(sample, "summary.json")["crossval"]["C"]
    for fold in (0, 3):
        held = folds == fold
        model = LogisticRegression(C=chosen, tol=1e-8, class_weight="balanced", max_iter=100_000)
        expected = model.fit(features[~held], labels[~held]).predict_proba(features[held])
        np.testing.assert_allclose(found[held], expected, rtol=0, atol=2e-3)


def test_every_row_has_a_probability_of_each_class(sample):
    rows, corpus = read_table(sample, "pred_probs"), read_table(sample, "corpus")
    assert rows.column_names == ["row_id", "label", "pred_probs"]
    assert rows.column("row_id") == corpus.column("row_id")
    assert rows.column("label") == corpus.column("label")
    sums = np.sum(rows.column("pred_probs").to_pylist(), axis=1)
    np.testing.assert_allclose(sums, 1, atol=1e-6)


def workspace(lake, features, labels, folds, n_shards=1, texts=None, vectors=slice(None)):
    """Put a corpus and its vectors into a workspace."""
    texts = texts or [f"text {i}" for i in range(len(labels))]
    places = places_of(lake.spark, texts, n_shards)
    rows = [
        corpus_row(f"{i:03}", text, int(labels[i]), fold=int(folds[i]), shard=int(places[i]))
        for i, text in enumerate(texts)
    ]
    identity = vars(registry.identify(EmbeddingConfig()))
    by_key = {row["text_key"]: features[i].tolist() for i, row in enumerate(rows)}
    stored = [{"text_key": key, "vector": vector, **identity} for key, vector in by_key.items()]
    for table in ("corpus", "embeddings"):
        lake.files.delete(table)
    make_table(lake, "corpus", rows)
    make_table(lake, "embeddings", stored[vectors], EMBEDDINGS)
    make_commit(lake, "ingest", classes=list("abcd"), n_shards=n_shards)
    return lake


def places_of(spark, texts, n_shards):
    """Return the shard of each text."""
    keys = spark.createDataFrame([(text_key(text),) for text in texts], "key binary")
    shards = keys.select("key", content.shard("key", n_shards, 0).alias("shard")).collect()
    by_key = {bytes(row.key): row.shard for row in shards}
    return np.array([by_key[text_key(text)] for text in texts])


@pytest.fixture
def shards(spark):
    """Where the rows of a corpus of two shards are."""
    return places_of(spark, [f"text {i}" for i in range(90)], 2)


@pytest.fixture
def two_shards(lake, clouds):
    return workspace(lake, *clouds, n_shards=2)


def run(lake, **config):
    config = {"params": PARAMS, "folds": N_FOLDS, "standardize": False, **config}
    report = crossval.run(lake, EmbeddingConfig(), CrossvalConfig(**config))
    rows = read_rows(lake.files.root, "pred_probs")
    return report, np.array([row["pred_probs"] for row in rows])


def test_each_shard_is_cross_validated_by_itself(two_shards, clouds, shards):
    report, found = run(two_shards, rows_per_shard=45)
    assert (report.rows_in, report.rows_out, report.warnings) == (90, 90, [])
    how = report.figures
    assert (how.mode, how.C, how.not_converged) == ("shard", 1.0, 0)
    assert how.cpu_seconds > 0
    for inside in (shards == 0, shards == 1):
        expected = score(as_shard(*(array[inside] for array in clouds)), n_classes=4)
        np.testing.assert_allclose(found[inside], probs(expected), atol=1e-6)


@pytest.mark.parametrize("mode", ["shard", "global"])
def test_more_texts_in_the_store_or_the_same_ones_twice_make_no_difference(two_shards, mode):
    params = {**PARAMS, "C": "auto"}
    _, before = run(two_shards, mode=mode, params=params)
    make_table(two_shards, "embeddings", read_rows(two_shards.files.root, "embeddings"), EMBEDDINGS)
    texts = [f"another {i}" for i in range(200)]
    more = {"text_key": None, **vars(registry.identify(EmbeddingConfig())), "vector": [0.0] * 5}
    stored = [{**more, "text_key": text_key(text)} for text in texts]
    make_table(two_shards, "embeddings", stored, EMBEDDINGS)
    _, after = run(two_shards, mode=mode, params=params)
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("mode", ["shard", "global"])
def test_rows_too_many_to_send_make_no_difference(two_shards, monkeypatch, mode):
    make_table(two_shards, "embeddings", read_rows(two_shards.files.root, "embeddings"), EMBEDDINGS)
    _, before = run(two_shards, mode=mode)
    monkeypatch.setattr(corpus, "_MOST_TO_SEND", 0)
    _, after = run(two_shards, mode=mode)
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("mode", ["shard", "global"])
@pytest.mark.parametrize("vectors", [slice(1, None), slice(0, 0)])
def test_a_lost_vector_ends_the_run(lake, clouds, mode, vectors):
    workspace(lake, *clouds, n_shards=2, vectors=vectors)
    with pytest.raises((EngineError, PySparkException), match=r"(1|90) missing"):
        run(lake, mode=mode, params={**PARAMS, "C": "auto"})


@pytest.mark.parametrize("mode", ["shard", "global"])
def test_rows_of_one_text_have_one_vector_and_one_fold(lake, clouds, mode):
    features, labels, folds = (array[:60] for array in clouds)
    texts = [f"text {i % 50}" for i in range(60)]
    folds = np.concatenate([folds[:50], folds[:10]])
    _, found = run(workspace(lake, features, labels, folds, 2, texts), mode=mode)
    np.testing.assert_array_equal(found[:10], found[50:])


def test_fits_that_do_not_converge_are_a_warning(two_shards):
    report, _ = run(two_shards, params={**PARAMS, "max_iter": 1})
    assert report.figures.not_converged == 8
    [warning] = report.warnings
    assert "shard 0 fold 0, 1, 2, 3; shard 1 fold 0" in warning


def test_the_shards_have_one_c(two_shards):
    report, _ = run(two_shards, params={**PARAMS, "C": "auto"}, rows_per_shard=45)
    how = report.figures
    assert how.losses[str(how.C)] <= how.losses["1.0"]


def test_a_class_too_rare_for_a_shard_is_learnt_from_the_others(lake, clouds, shards):
    features, labels, folds = clouds
    labels = labels.copy()
    rare = np.array([1, 17, 54, 70])  # one a fold, two a shard
    labels[rare] = 3
    features[rare] += 4 * np.eye(5, dtype=np.float32)[4]
    assert sorted(folds[rare]) == [0, 1, 2, 3]
    assert set(shards[rare]) == {0, 1}
    _, found = run(workspace(lake, features, labels, folds, 2), rows_per_shard=1000)
    inside, pooled = np.flatnonzero(shards == 0), rare[shards[rare] == 1]
    rows = np.concatenate([inside, pooled])
    shard = as_shard(features[rows], labels[rows], folds[rows], np.arange(len(inside), len(rows)))
    np.testing.assert_allclose(found[inside], probs(score(shard, n_classes=4)), atol=1e-3)
    assert (found[:, 3] > 0).all()


def test_global_models_of_all_rows_are_one_cross_validation(two_shards, clouds):
    report, found = run(two_shards, mode="global")
    assert report.figures.mode == "global"
    np.testing.assert_allclose(found, probs(score(as_shard(*clouds), n_classes=4)), atol=1e-5)


def test_global_models_of_a_sample_score_every_row(two_shards):
    _, found = run(two_shards, mode="global", max_train_rows=48)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert np.mean(found.argmax(axis=1) == np.arange(90) % 3) > 0.5
    _, again = run(two_shards, mode="global", max_train_rows=48)
    np.testing.assert_array_equal(found, again)


def test_rows_without_a_label_are_scored_as_those_of_the_same_text(two_shards, clouds):
    """Which their models have not learnt from either: the score of neither is a better one."""
    _, of_labelled = run(two_shards, mode="global")
    rows = two_shards.read("corpus").withColumns(
        {"row_id": F.concat(F.lit("apart"), "row_id"), "label": F.lit(None).cast("int")}
    )
    config = CrossvalConfig(params=PARAMS, folds=N_FOLDS, standardize=False)
    crossval.predict_others(
        two_shards, rows.where("row_id < 'apart060'"), EmbeddingConfig(), config
    )
    found = read_rows(two_shards.files.root, "unlabelled/pred_probs")
    assert [row["label"] for row in found] == [*clouds[1].tolist(), *[None] * 60]
    scores = np.array([row["pred_probs"] for row in found])
    np.testing.assert_array_equal(scores[:90], of_labelled)
    np.testing.assert_array_equal(scores[90:], of_labelled[:60])


def test_global_models_too_large_to_send_end_the_run(two_shards, monkeypatch):
    monkeypatch.setattr(by_global_models, "MAX_MODEL_BYTES", 2**10)
    with pytest.raises(EngineError) as caught:
        run(two_shards, mode="global")
    assert (caught.value.code, caught.value.where) == ("models_too_large", "crossval.mode")
    assert "mode=shard" in caught.value.hint
    assert not two_shards.files.exists("pred_probs")


@pytest.mark.parametrize(
    ("mode", "more"), [("shard", {}), ("global", {}), ("global", {"max_train_rows": 48})]
)
def test_a_row_s_own_label_does_not_change_its_probabilities(lake, clouds, mode, more):
    features, labels, folds = clouds
    _, before = run(workspace(lake, features, labels, folds, 2), mode=mode, **more)
    for row in (4, 60):
        flipped = labels.copy()
        flipped[row] = (labels[row] + 1) % 3
        _, after = run(workspace(lake, features, flipped, folds, 2), mode=mode, **more)
        np.testing.assert_allclose(after[row], before[row], atol=2e-3)
        assert np.abs(after - before).max() > 5e-3  # others have learnt from it


# --- scikit-learn's -----------------------------------------------------------------------------


def scaled_regression(**params):
    """A user's own function of parameters that returns a pipeline."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(**params))


TREES = {
    "classifier": "sklearn.ensemble.HistGradientBoostingClassifier",
    "params": {"max_iter": 5, "min_samples_leaf": 5},
}
PIPELINE = {"classifier": "tests.stages.test_crossval.scaled_regression", "params": {"C": 0.5}}


@pytest.mark.parametrize("mode", ["shard", "global"])
def test_any_classifier_with_scikit_learn_s_interface_will_do(lake, clouds, mode):
    features, labels, folds = clouds
    one = workspace(lake, features, labels, folds)
    for config, expected in (
        (TREES, HistGradientBoostingClassifier(**TREES["params"], random_state=0)),
        (PIPELINE, scaled_regression(C=0.5)),
    ):
        _, found = run(one, mode=mode, **config)
        for fold in range(N_FOLDS):
            held = folds == fold
            model = expected.fit(features[~held], labels[~held])
            np.testing.assert_allclose(
                found[held, :3], model.predict_proba(features[held]), atol=1e-5
            )
        assert (found[:, 3] == 0).all()


class Stumbling:
    """A classifier that some rows are too much for."""

    def __init__(self, **_):
        self.classes_ = np.arange(3)

    def fit(self, _, labels):
        if len(labels) > 30:
            raise ArithmeticError("too many\nrows")
        return self

    def predict_proba(self, features):
        return np.full((len(features), 3), 1 / 3)


def test_what_goes_wrong_in_user_code_names_shard_and_fold(clouds):
    stumbling = Estimator("tests.stages.test_crossval.Stumbling", {}, 0, standardize=False)
    with pytest.raises(EngineError) as caught:
        score(as_shard(*clouds), stumbling)
    error = caught.value
    assert (error.code, error.where) == (
        "classifier_failed",
        "crossval.classifier, fold 0, shard 7",
    )
    assert "ArithmeticError: too many rows" in str(error)


# --- auto ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_rows", "n_features", "n_classes", "mode"),
    [
        (50_000, 256, 1000, "shard"),  # one shard
        (10**6, 256, 10, "shard"),
        (10**6, 256, 150, "global"),  # few rows a class in a shard
        (10**6, 4096, 1000, "shard"),  # models too large to send
    ],
)
def test_the_mode_is_chosen_by_rows_features_and_classes(n_rows, n_features, n_classes, mode):
    chosen, why = crossval.choose_mode(n_rows, n_features, n_classes, CrossvalConfig())
    assert chosen == mode
    assert why


def test_why_a_mode_was_chosen_is_told(two_shards):
    report, _ = run(two_shards, mode="auto", rows_per_shard=45)
    assert report.figures.mode == "global"
    assert "11 rows a class" in report.figures.why


@pytest.mark.parametrize("mode", ["shard", "global"])
@pytest.mark.parametrize("seed", [2**31 - 1, 2**32 - 1])
def test_number_21_any_seed_that_is_taken_can_be_used(spark, tmp_path, seed, mode):
    path = write_csv(tmp_path / "rows.csv", messages(40))
    crossval = {"folds": 3, "seed": seed, "mode": mode}
    if mode == "shard":
        crossval |= {"classifier": "sklearn.ensemble.RandomForestClassifier"}
        crossval |= {"params": {"n_estimators": 5}}
    config = make_config(path, tmp_path / "out", crossval=crossval)
    lakewinnow.run(config, spark, until="crossval")
    assert len(read_rows(config.workspace, "pred_probs")) == 40


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_no_generator_takes_is_refused(seed):
    with pytest.raises(ConfigError) as caught:
        make_config("x.csv", crossval={"seed": seed})
    assert (caught.value.code, caught.value.where) == ("out_of_range", "crossval.seed")
    assert "from 0 to 4294967295" in str(caught.value)


def test_number_13_what_does_not_fit_is_said_before_texts_are_embedded(
    tmp_path, spark, monkeypatch
):
    monkeypatch.setattr(cluster, "memory_bytes", lambda: 12 * 3 * 50)
    config = make_config(write_csv(tmp_path / "in.csv", messages(90)), tmp_path / "out")
    with pytest.raises(ConfigError) as caught:
        lakewinnow.run(config, spark)
    assert (caught.value.code, caught.value.where) == ("too_large", "crossval.rows_per_shard")
    assert caught.value.hint == "--set crossval.rows_per_shard=50"
    assert not (tmp_path / "out" / "embeddings").exists()
