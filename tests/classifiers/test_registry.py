"""Classifiers by configuration: what is wrong with one is said before anything runs."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from lakewinnow.classifiers import registry
from lakewinnow.classifiers.base import TrainingRows
from lakewinnow.classifiers.estimator import Estimator
from lakewinnow.classifiers.logistic import Logistic
from lakewinnow.config.sections import CrossvalConfig
from lakewinnow.errors import ConfigError

WEIGHTS = {"C": 2.0, "class_weight": {"b": 3}, "max_iter": 9}


def unscaled(**params):
    """A user's own function that returns a classifier without probabilities, or none at all."""
    from sklearn.svm import LinearSVC

    return LinearSVC(**params)


def broken(**_):
    """A user's own function that does not work."""
    raise KeyError("depth")


def test_logistic_has_weights_by_class_name():
    found = registry.load(CrossvalConfig(params=WEIGHTS), ["a", "b"])
    assert found == Logistic(2.0, {1: 3.0}, 9, "auto")


def test_a_weight_of_an_unknown_class_is_an_error():
    with pytest.raises(ConfigError) as caught:
        registry.load(CrossvalConfig(params=WEIGHTS), ["a", "B"])
    error = caught.value
    assert (error.code, error.where) == ("unknown_class", "crossval.params.class_weight")
    assert error.hint == "did you mean 'B'?"


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("sklearn.ensemble.RandomForest", {}, "not_importable"),
        ("sklearn.ensembles.RandomForestClassifier", {}, "not_importable"),
        ("forest", {}, "not_importable"),
        ("sklearn.ensemble.RandomForestClassifier", {"trees": 5}, "bad_params"),
        ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": -5}, "bad_params"),
        ("tests.classifiers.test_registry.broken", {}, "bad_params"),
        ("tests.classifiers.test_registry.unscaled", {}, "no_predict_proba"),
        ("sklearn.svm.SVC", {}, "no_predict_proba"),
        ("sklearn.cluster.KMeans", {}, "no_predict_proba"),
        ("json.dumps", {"obj": 1}, "no_predict_proba"),
    ],
)
def test_what_cannot_classify_is_an_error(path, params, code):
    with pytest.raises(ConfigError) as caught:
        registry.check(CrossvalConfig(classifier=path, params=params))
    key = "crossval.params" if code == "bad_params" else "crossval.classifier"
    assert (caught.value.code, caught.value.where) == (code, key)


class Mistyped:
    """A user's own classifier that trains on nothing."""

    def fit(self, features, labels):
        return self.fitted(features, labels)

    predict_proba = fit


def test_a_classifier_that_trains_on_nothing_is_an_error():
    path = "tests.classifiers.test_registry.Mistyped"
    with pytest.raises(ConfigError) as caught:
        registry.check(CrossvalConfig(classifier=path, params={}))
    assert (caught.value.code, caught.value.where) == ("classifier_failed", "crossval.classifier")
    assert "has no attribute 'fitted'" in str(caught.value)


def test_a_classifier_that_20_rows_are_too_few_for_is_a_warning(caplog):
    path, params = "sklearn.calibration.CalibratedClassifierCV", {"cv": 15}
    registry.check(CrossvalConfig(classifier=path, params=params))
    assert path in caplog.text
    assert "20 made-up rows" in caplog.text
    assert "15" in caplog.text


@pytest.mark.parametrize("scales", [True, "auto"])
def test_an_estimator_is_seeded_and_scaled_where_asked(scales):
    config = CrossvalConfig(
        classifier="sklearn.linear_model.LogisticRegression",
        params={"C": 0.5, "max_iter": 10_000},
        seed=3,
        standardize=scales,
    )
    registry.check(config)
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(60, 3)) * [1, 10, 100], np.arange(60) % 3
    folds = np.arange(60) // 3 % 2
    estimator = registry.load(config, list("abcde"))
    found, _ = estimator.cross_val_predict(TrainingRows(features, labels + 1, folds, 5))
    assert (found[:, [0, 4]] == 0).all()
    scale = features[folds == 1].std(axis=0) if scales is True else 1
    centre = features[folds == 1].mean(axis=0) if scales is True else 0
    columns = (features - centre) / scale
    model = LogisticRegression(C=0.5, max_iter=10_000).fit(columns[folds == 1], labels[folds == 1])
    np.testing.assert_allclose(
        found[folds == 0, 1:4], model.predict_proba(columns[folds == 0]), atol=1e-4
    )
    assert estimator.make().get_params().get("random_state", 3) == 3


def test_where_one_class_is_left_to_learn_from_it_is_certain():
    estimator = registry.load(
        CrossvalConfig(classifier="sklearn.linear_model.LogisticRegression", params={}), list("ab")
    )
    folds = np.arange(10) % 2
    found, _ = estimator.cross_val_predict(TrainingRows(np.eye(10), 1 - folds, folds, 2))
    assert (found[folds == 0] == [1, 0]).all()
    assert (found[folds == 1] == [0, 1]).all()


def test_what_a_classifier_says_of_its_convergence_is_passed_on():
    config = CrossvalConfig(
        classifier="sklearn.linear_model.LogisticRegression", params={"max_iter": 1}
    )
    rng = np.random.default_rng(0)
    rows = TrainingRows(rng.normal(size=(60, 3)), np.arange(60) % 3, np.arange(60) // 3 % 2, 3)
    estimator = registry.load(config, list("abc"))
    assert estimator.cross_val_predict(rows)[1].not_converged == (0, 1)
    assert estimator.fit_folds(rows, [1])[1].not_converged == (1,)


@pytest.mark.parametrize(
    ("path", "takes_weights"),
    [
        ("sklearn.linear_model.LogisticRegression", True),
        ("sklearn.neighbors.KNeighborsClassifier", False),
    ],
)
@pytest.mark.parametrize("standardize", [True, False])
def test_whether_rows_may_be_weighted_is_told(path, takes_weights, standardize):
    classifier = Estimator(path, {}, seed=0, standardize=standardize)
    assert classifier.takes_weights == takes_weights


def test_weights_reach_the_last_step_of_a_pipeline():
    rng = np.random.default_rng(8)
    features, labels = rng.normal(size=(90, 3)), rng.integers(3, size=90)
    features[:, 0] += labels
    weights, folds = rng.integers(0, 3, 90).astype(float), np.arange(90) % 3
    classifier = Estimator("sklearn.linear_model.LogisticRegression", {}, 0, standardize=True)
    models, _ = classifier.fit_folds(TrainingRows(features, labels, folds, 3), [1, 7], weights)
    for fold in (1, 7):  # of fold 7 there are no rows
        rows = (folds != fold) & (weights > 0)
        scaler = StandardScaler().fit(features[rows])
        expected = LogisticRegression().fit(
            scaler.transform(features[rows]), labels[rows], weights[rows]
        )
        probs = expected.predict_proba(scaler.transform(features))
        np.testing.assert_allclose(models.predict(features, fold), probs, atol=1e-6)


@pytest.fixture(scope="module")
def training_rows():
    rng = np.random.default_rng(0)
    labels = np.arange(1500) % 3
    features = rng.normal(size=(1500, 384)) + labels[:, np.newaxis] / 8
    return TrainingRows(features.astype(np.float32), labels, np.arange(1500) % 2, 3, 1)


def test_number_16_a_classifier_of_yours_gives_the_same_on_any_number_of_cores(training_rows):
    path = "sklearn.discriminant_analysis.LinearDiscriminantAnalysis"
    one = Estimator(path, {}, 0, standardize=False)
    alone, _ = one.cross_val_predict(training_rows)
    beside, _ = one.cross_val_predict(training_rows._replace(n_threads=2))
    np.testing.assert_array_equal(alone, beside)


def test_number_16_a_classifier_of_yours_gives_the_same_in_batches_of_any_size(training_rows):
    params = {"max_iter": 5, "tol": 0.1}
    one = Estimator("sklearn.linear_model.LogisticRegression", params, 0, standardize=False)
    models, _ = one.fit_folds(training_rows, [0])
    features = training_rows.features[:300]
    whole = models.predict(features, 0)
    for size in (1, 100, 299):
        parts = [models.predict(features[at : at + size], 0) for at in range(0, 300, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert models.predict(features[:0], 0).shape == (0, 3)
