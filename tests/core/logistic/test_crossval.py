import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit
from sklearn.model_selection import cross_val_predict as sklearn_cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

from lakewinnow.core.logistic import fold_models
from lakewinnow.core.logistic.crossval import cross_val_predict, fit_folds
from lakewinnow.core.logistic.strength import Strength, choose_strength
from lakewinnow.core.parallel import workers
from lakewinnow.errors import ConfigError, DataError


def clusters(n_rows, n_features, n_classes, *, seed=0, noise=0.1, spread=1.0, unit_norm=True):
    """Rows about a centre a class, some of them mislabelled, and five folds."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n_rows)
    centres = rng.standard_normal((n_classes, n_features))
    features = centres[labels] + spread * rng.standard_normal((n_rows, n_features))
    features *= np.geomspace(1, 0.1, n_features)
    if unit_norm:
        features /= np.linalg.norm(features, axis=1, keepdims=True)
    wrong = rng.random(n_rows) < noise
    labels[wrong] = rng.integers(0, n_classes, wrong.sum())
    return features, labels, rng.permutation(n_rows) % 5


def optimum(
    features,
    labels,
    folds,
    n_classes,
    *,
    C=1.0,  # noqa: N803
    class_weight="balanced",
    sample_weight=None,
    standardize=False,
    tol=1e-8,
):
    """scikit-learn's probabilities, fold by fold, in columns for all classes."""
    pred_probs = np.zeros((len(labels), n_classes))
    for fold in np.unique(folds):
        held, trained = folds == fold, folds != fold
        present = np.unique(labels[trained])
        if len(present) == 1:
            pred_probs[held, present] = 1
            continue
        model = LogisticRegression(C=C, class_weight=class_weight, tol=tol, max_iter=100_000)
        scaler = StandardScaler(with_mean=standardize, with_std=standardize)
        weight = None if sample_weight is None else sample_weight[trained]
        model.fit(scaler.fit_transform(features[trained]), labels[trained], sample_weight=weight)
        found = model.predict_proba(scaler.transform(features[held]))
        pred_probs[np.ix_(held, present)] = found
    return pred_probs


def assert_optimal(rows, **params):
    found = cross_val_predict(*rows, **params)
    assert found.fit.converged.all()
    assert found.pred_probs.dtype == np.float32
    np.testing.assert_allclose(found.pred_probs.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found.pred_probs, optimum(*rows, **params), atol=1e-3)
    return found


@pytest.mark.parametrize("strength", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 3.0, 1: 0.5}])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_probabilities_are_those_of_scikit_learns_optimum(n_classes, class_weight, strength):
    if n_classes > 3 and isinstance(class_weight, dict):
        class_weight = np.linspace(0.5, 3, n_classes)
    rows = clusters(300, 12, n_classes)
    expected = class_weight
    if isinstance(class_weight, np.ndarray):
        expected = dict(enumerate(class_weight))
    found = cross_val_predict(*rows, n_classes, C=strength, class_weight=class_weight)
    reference = optimum(*rows, n_classes, C=strength, class_weight=expected)
    assert found.fit.converged.all()
    np.testing.assert_allclose(found.pred_probs, reference, atol=1e-3)


def test_and_so_are_those_of_77_classes():
    assert_optimal((*clusters(1500, 32, 77, spread=0.5), 77))


def test_they_are_nearer_to_it_than_scikit_learns_own_defaults():
    rows = (*clusters(400, 20, 4), 4)
    expected = optimum(*rows, C=10.0)
    error = np.abs(cross_val_predict(*rows, C=10.0).pred_probs - expected).max()
    assert 3 * error < np.abs(optimum(*rows, C=10.0, tol=1e-4) - expected).max()


def test_the_reference_of_these_tests_is_cross_val_predict():
    features, labels, folds = clusters(200, 8, 3)
    model = make_pipeline(
        StandardScaler(),
        LogisticRegression(class_weight="balanced", tol=1e-8, max_iter=10_000),
    )
    expected = sklearn_cross_val_predict(
        model, features, labels, cv=PredefinedSplit(folds), method="predict_proba"
    )
    found = optimum(features, labels, folds, 3, standardize=True)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_sample_weights(n_classes, class_weight):
    rows = (*clusters(250, 10, n_classes), n_classes)
    sample_weight = np.random.default_rng(1).uniform(0.1, 3, 250)
    assert_optimal(rows, class_weight=class_weight, sample_weight=sample_weight)


def test_rows_of_weight_zero_are_scored_but_not_learnt_from():
    features, labels, folds = clusters(200, 10, 3)
    ignored = np.arange(200) % 4 == 0
    found = cross_val_predict(features, labels, folds, 3, sample_weight=~ignored)
    kept = cross_val_predict(features[~ignored], labels[~ignored], folds[~ignored], 3)
    np.testing.assert_allclose(found.pred_probs[~ignored], kept.pred_probs, atol=1e-3)
    np.testing.assert_allclose(found.pred_probs[ignored].sum(axis=1), 1, atol=1e-5)
    nobody = cross_val_predict(features, labels, folds, 3, sample_weight=labels != 2)
    np.testing.assert_array_equal(nobody.pred_probs[:, 2], 0)


@pytest.mark.parametrize("n_classes", [3, 5])
def test_a_class_that_a_fold_cannot_learn_has_no_probability_there(n_classes):
    features, labels, folds = clusters(250, 10, n_classes)
    folds[labels == 1] = 3
    found = assert_optimal((features, labels, folds, n_classes))
    np.testing.assert_array_equal(found.pred_probs[folds == 3, 1], 0)
    assert (found.pred_probs[folds != 3, 1] > 0).all()


def test_a_class_without_rows_has_none_anywhere():
    features, labels, folds = clusters(250, 10, 4)
    with_gaps = cross_val_predict(features, labels * 2 + 1, folds, 9)
    without = cross_val_predict(features, labels, folds, 4)
    np.testing.assert_array_equal(with_gaps.pred_probs[:, 1:9:2], without.pred_probs)
    np.testing.assert_array_equal(with_gaps.pred_probs[:, ::2], 0)


def test_one_class_to_learn_is_certain():
    features, labels, folds = clusters(100, 5, 2)
    labels = np.where(folds == 2, labels, 1)
    found = assert_optimal((features, labels, folds, 3))
    np.testing.assert_array_equal(found.pred_probs[folds == 2], [[0, 1, 0]] * 20)
    alone = cross_val_predict(features, np.full(100, 2), folds, 3)
    np.testing.assert_array_equal(alone.pred_probs, [[0, 0, 1]] * 100)
    assert alone.fit.converged.all()


def test_rare_classes():
    features, labels, folds = clusters(300, 10, 4)
    labels[labels > 1] = 0
    labels[:3], folds[:3] = 2, [0, 1, 2]
    labels[3:5], folds[3:5] = 3, [0, 1]
    assert_optimal((features, labels, folds, 4))
    assert_optimal((features, labels, folds, 4), class_weight=None)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_more_features_than_rows(n_classes, standardize):
    rows = (*clusters(60, 150, n_classes), n_classes)
    assert_optimal(rows, standardize=standardize)


def test_constant_columns_and_duplicate_rows():
    features, labels, folds = clusters(200, 10, 3)
    features[:, 3], features[:, 4], features[:, 5] = 0, 7.3, features[:, 6]
    features[100:] = features[:100]
    for standardize in (False, True):
        assert_optimal((features, labels, folds, 3), standardize=standardize)


def test_standardize_is_a_scaler_inside_each_fold():
    features, labels, folds = clusters(300, 12, 3, unit_norm=False)
    features[folds == 2] *= 1.7  # so that the folds' scales differ
    features = features * np.geomspace(1e-4, 1e4, 12) + np.linspace(-100, 100, 12)
    assert_optimal((features, labels, folds, 3), standardize=True)


def test_five_rows():
    features = np.array([[0.0, 1], [1, 0], [1, 1], [0, 0.5], [0.3, 0]])
    assert_optimal((features, np.array([0, 1, 2, 0, 1]), np.array([0, 1, 0, 1, 1]), 3))


def test_models_of_few_rows_are_not_done_before_their_own_curvature_agrees():
    rng = np.random.default_rng(19)  # found among 300: the shared curvature leaves 1.4e-3
    labels = np.where(rng.random(12) < 0.5, 0, rng.integers(0, 5, 12))
    features = 3 * rng.standard_normal((12, 8)) + 2 * rng.standard_normal((5, 8))[labels]
    assert_optimal((features, labels, np.arange(12) % 2, 5), C=10.0, class_weight=None)


@pytest.mark.parametrize("seed", [13, 14, 20])
def test_a_fold_that_is_solved_first_waits_for_the_others(seed):
    rng = np.random.default_rng(seed)  # its last gradients are rounding, and once led it astray
    features = np.tile(1.3 * rng.standard_normal((4, 39))[2:], (2, 1))
    rows = (features, np.array([0, 2, 1, 1]), np.array([2, 1, 0, 1]), 4)
    weight = {0: 1.865, 1: 0.778, 2: 1.16, 3: 1.19}
    sampled = rng.uniform(0.2, 2, 4)
    assert_optimal(rows, C=10.0, class_weight=weight, sample_weight=sampled)


@st.composite
def small_cases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n_rows, n_classes = draw(st.integers(4, 40)), draw(st.integers(2, 5))
    features = rng.standard_normal((n_rows, draw(st.integers(1, 50))))
    labels = rng.integers(0, n_classes, n_rows)
    features += draw(st.sampled_from([0.0, 1.0])) * rng.standard_normal(features.shape[1])
    features += rng.standard_normal((n_classes, features.shape[1]))[labels]
    folds = np.append(rng.integers(0, draw(st.integers(2, 4)), n_rows - 2), [0, 1])
    if draw(st.booleans()):
        features[:, 0] = 1.0
    if draw(st.booleans()):
        features[: n_rows // 2] = features[-(n_rows // 2) :]
    class_weight = st.sampled_from([None, "balanced", dict(enumerate(rng.uniform(0.3, 2, 5)))])
    params = {
        "C": draw(st.sampled_from([0.01, 0.1, 1.0, 10.0])),
        "class_weight": draw(class_weight),
        "sample_weight": rng.uniform(0.2, 2, n_rows) if draw(st.booleans()) else None,
        "standardize": draw(st.booleans()),
    }
    return (features, labels, folds, n_classes), params


@settings(max_examples=60, deadline=None)
@given(small_cases())
def test_small_cases(case):
    rows, params = case
    if isinstance(params["class_weight"], dict):
        params["class_weight"] = {
            label: weight for label, weight in params["class_weight"].items() if label < rows[3]
        }
    assert_optimal(rows, **params)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_no_row_learns_from_its_own_label(class_weight):
    features, labels, folds = clusters(120, 8, 3, noise=0.3)
    before = cross_val_predict(features, labels, folds, 3, class_weight=class_weight).pred_probs
    for row in range(0, 120, 15):
        changed = labels.copy()
        changed[row] = (labels[row] + 1) % 3
        after = cross_val_predict(features, changed, folds, 3, class_weight=class_weight).pred_probs
        own_fold = folds == folds[row]
        np.testing.assert_allclose(after[own_fold], before[own_fold], atol=1e-3)
        assert np.abs(after - before)[~own_fold].max() > 0.01  # the others do


def test_too_few_steps_are_reported():
    rows = (*clusters(3000, 60, 5), 5)
    found = cross_val_predict(*rows, C=100.0, max_iter=2)
    assert not found.fit.converged.any()
    assert found.fit.n_steps == 2
    np.testing.assert_array_equal(found.fit.folds, np.arange(5))
    assert (found.fit.decrement > 1e-6).all()
    assert (cross_val_predict(*rows, C=100.0).fit.decrement < 1e-6).all()
    np.testing.assert_allclose(found.pred_probs.sum(axis=1), 1, atol=1e-5)


def test_a_tighter_tolerance_comes_nearer():
    rows = (*clusters(400, 20, 4), 4)
    expected = optimum(*rows, C=10.0)
    for tol in (1e-2, 1e-3, 1e-4):
        found = cross_val_predict(*rows, C=10.0, tol=tol)
        assert found.fit.converged.all()
        assert np.abs(found.pred_probs - expected).max() <= tol


def test_threads_change_no_bit(monkeypatch):
    monkeypatch.setattr("lakewinnow.core.logistic.softmax_regression.CHUNK_SCORES", 1)
    monkeypatch.setattr("lakewinnow.core.parallel.WORTH_THREADS", 0)
    rows = (*clusters(1500, 20, 4), 4)
    one, three = cross_val_predict(*rows), cross_val_predict(*rows, n_threads=3)
    np.testing.assert_array_equal(three.pred_probs, one.pred_probs)


def test_blas_has_one_thread_meanwhile_and_then_as_many_as_before():
    def counts():
        return [
            module["num_threads"] for module in threadpool_info() if module["user_api"] == "blas"
        ]

    with threadpool_limits(2, user_api="blas"):
        before = counts()
        for n_threads, work in [(1, 0), (3, 0), (3, 1e9)]:
            with workers(n_threads, work) as pool:
                assert set(counts()) == {1}
                assert (pool is not None) == (work > 0)
        assert counts() == before


def test_the_order_of_rows_does_not_matter():
    features, labels, folds = clusters(400, 20, 4)
    order = np.random.default_rng(1).permutation(400)
    found = cross_val_predict(features, labels, folds * 7 - 3, 4)
    shuffled = cross_val_predict(features[order], labels[order], folds[order], 4)
    np.testing.assert_allclose(shuffled.pred_probs, found.pred_probs[order], atol=1e-4)


def test_the_type_of_features_does_not_matter():
    features, labels, folds = clusters(300, 12, 3)
    features = (100 * features).astype(np.int8)
    expected = cross_val_predict(features.astype(np.float64), labels, folds, 3)
    for dtype in (np.int8, np.float16, np.float32):
        found = cross_val_predict(features.astype(dtype), labels.astype(np.int32), folds, 3)
        np.testing.assert_allclose(found.pred_probs, expected.pred_probs, atol=1e-4)


@pytest.mark.parametrize("standardize", [False, True])
def test_columns_of_any_magnitude(standardize):
    features, labels, folds = clusters(300, 6, 3, unit_norm=False)
    tiny, huge = features[:, :1] * 1e-25, features[:, 1:2] * 1e25
    if standardize:
        features = np.hstack([tiny, huge, features[:, 2:]])
        assert_optimal((features, labels, folds, 3), standardize=True)
    else:  # a tiny one has no effect
        with_tiny = cross_val_predict(np.hstack([features, tiny]), labels, folds, 3)
        without = cross_val_predict(features, labels, folds, 3)
        np.testing.assert_allclose(with_tiny.pred_probs, without.pred_probs, atol=1e-4)
    nothing = np.hstack([features, tiny * 1e-30])
    found = cross_val_predict(nothing, labels, folds, 3, standardize=standardize)
    assert np.isfinite(found.pred_probs).all()
    assert found.fit.converged.all()


@pytest.mark.parametrize("far", [10.0, 1e3, 1e5])
@pytest.mark.parametrize("folds_of_outliers", [[2], [0, 1, 2, 3, 4]])
@pytest.mark.parametrize(
    ("n_rows", "n_features", "n_classes"), [(90, 5, 2), (90, 5, 3), (900, 8, 4)]
)
def test_outliers_mislead_no_model(n_rows, n_features, n_classes, folds_of_outliers, far):
    features, labels, folds = clusters(n_rows, n_features, n_classes, unit_norm=False)
    outliers = np.flatnonzero(np.isin(folds, folds_of_outliers))[:4]
    features[outliers[0], 1] = far  # without it, the column hardly varies
    features[outliers[1:], 3] = [-far, -far / 3, far / 20]
    assert_optimal((features, labels, folds, n_classes), standardize=True)


SHAPES = (
    lambda x, _: x,
    lambda x, _: np.exp(4 * x),
    lambda x, _: x**3 * np.abs(x) ** 3,
    lambda x, _: x > 2,
    lambda x, rng: np.where(rng.random(len(x)) < 0.02, 9_999_999, np.round(10 * x)),
    lambda x, rng: x / np.abs(rng.standard_normal(len(x))),
    lambda x, rng: 1e6 + x * 10 ** rng.uniform(-8, 3),
    lambda x, rng: 0.3 + 1e-6 * (rng.random(len(x)) < 1 / len(x)),
    lambda x, rng: np.where(rng.random(len(x)) < 2 / len(x), 1e9 * np.sign(x), x),
)


@pytest.mark.parametrize("seed", range(12))
def test_columns_of_any_shape(seed):
    rng = np.random.default_rng(seed)
    n_rows, n_classes = int(10 ** rng.uniform(1.5, 2.7)), int(rng.integers(2, 6))
    features, labels, folds = clusters(n_rows, 12, n_classes, seed=seed, unit_norm=False)
    shaped = [SHAPES[rng.integers(len(SHAPES))](x, rng) for x in features.T]
    rows = (np.column_stack(shaped).astype(np.float64), labels, folds, n_classes)
    strength = 10 ** rng.uniform(-1.5, 1.5)
    found = cross_val_predict(*rows, C=strength, standardize=True)
    assert found.fit.converged.all()
    expected = optimum(*rows, C=strength, standardize=True)
    np.testing.assert_allclose(found.pred_probs, expected, atol=1.5e-3)


def test_heavy_tails():
    features, labels, folds = clusters(800, 20, 3, unit_norm=False)
    assert_optimal((np.exp(3 * features), labels, folds, 3), standardize=True)


def test_rare_words():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 600)
    often = 10 ** rng.uniform(-3, -1, 40) * np.exp(rng.standard_normal((4, 40)))
    features = (rng.random((600, 40)) < often[labels]).astype(np.float64)
    folds = rng.integers(0, 5, 600)
    trained = [features[folds != fold] for fold in range(5)]
    assert any((rows.std(axis=0) == 0).any() for rows in trained)
    for standardize in (False, True):
        assert_optimal((features, labels, folds, 4), standardize=standardize)


def test_every_row_a_fold_of_its_own():
    features, labels, _ = clusters(40, 5, 3)
    assert_optimal((features, labels, np.arange(40), 3))


def test_auto_is_the_chosen_strength():
    rows = (*clusters(600, 12, 3, noise=0.0, spread=0.7), 3)
    found = cross_val_predict(*rows, C="auto")
    assert choose_strength(*rows) == Strength(found.fit.C, found.fit.losses)
    assert found.fit.C == 10
    assert found.fit.converged.all()
    np.testing.assert_allclose(found.pred_probs, optimum(*rows, C=10.0), atol=1e-3)


@pytest.mark.parametrize("standardize", [False, True])
def test_fold_models_give_what_cross_validation_gives(standardize):
    features, labels, folds = clusters(300, 10, 4, unit_norm=False)
    folds[labels == 1] = 3
    folds[labels != 0] %= 4
    labels = 2 * labels + 1  # and gaps between the classes
    features = 10 * features + 5
    rows = (features, labels, folds, 9)
    expected = cross_val_predict(*rows, C=0.1, standardize=standardize)
    models = fit_folds(*rows, C=0.1, standardize=standardize)
    assert models.fit.converged.all()
    models = pickle.loads(pickle.dumps(models))  # noqa: S301 (our own)
    for fold in range(5):
        held = folds == fold
        found = models.predict(features[held], fold)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected.pred_probs[held], atol=1e-4)
        np.testing.assert_array_equal(found == 0, expected.pred_probs[held] == 0)


def test_fold_models_score_other_rows_and_know_no_others_labels(monkeypatch):
    features, labels, folds = clusters(300, 10, 3)
    train, test = np.arange(300) < 200, np.arange(300) >= 200
    models = fit_folds(features[train], labels[train], folds[train], 3)
    monkeypatch.setattr("lakewinnow.core.logistic.crossval.PREDICTED_AT_ONCE", 70)  # 7 rows
    for fold in range(5):
        trained = train & (folds != fold)
        model = LogisticRegression(class_weight="balanced", tol=1e-8, max_iter=10_000)
        model.fit(features[trained], labels[trained])
        expected = model.predict_proba(features[test])
        np.testing.assert_allclose(models.predict(features[test], fold), expected, atol=2e-3)


def test_fold_models_that_do_not_know_a_class_know_the_others():
    features, labels, folds = clusters(300, 10, 4)
    labels = np.where((labels == 3) & (folds != 2), 0, labels)  # all of class 3 is in fold 2
    rows = (features, labels, folds, 4)
    models, expected = fit_folds(*rows), cross_val_predict(*rows).pred_probs
    held = folds == 2
    found = models.predict(features[held], 2)
    np.testing.assert_array_equal(found[:, 3], 0)
    np.testing.assert_allclose(found, expected[held], atol=1e-3)
    assert np.ptp(found[:, :3], axis=0).min() > 0.5


def test_folds_can_be_trained_in_several_places_and_without_rows():
    features, labels, folds = clusters(300, 10, 3)
    rows = (features, labels, folds, 3)
    together, alone = fit_folds(*rows), fit_folds(*rows, fold_ids=[7, 2])
    np.testing.assert_array_equal(alone.fit.folds, [2, 7])
    found = alone.predict(features, 2)
    np.testing.assert_allclose(found, together.predict(features, 2), atol=1e-3)
    with pytest.raises(DataError) as error:
        alone.predict(features, 3)
    assert error.value.code == "no_such_fold"
    model = LogisticRegression(class_weight="balanced", tol=1e-8, max_iter=10_000)
    expected = model.fit(features, labels).predict_proba(features)
    np.testing.assert_allclose(alone.predict(features, 7), expected, atol=1e-3)


def test_a_model_of_one_class_is_certain():
    features, labels, folds = clusters(100, 5, 2)
    labels = np.where(folds == 2, labels, 1)
    models = fit_folds(features, labels, folds, 3)
    np.testing.assert_array_equal(models.predict(features, 2), [[0, 1, 0]] * 100)
    assert (models.predict(features, 1)[:, :2] > 0).all()


@pytest.mark.parametrize(
    ("code", "features"),
    [
        ("wrong_length", np.zeros((3, 4))),
        ("not_finite", np.full((3, 5), np.nan)),
        ("not_finite", np.full((3, 5), 1e300)),
    ],
)
def test_rows_that_models_cannot_score_are_refused(code, features):
    models = fit_folds(*clusters(50, 5, 3), 3)
    with pytest.raises(DataError) as error:
        models.predict(features, 0)
    assert error.value.code == code


def test_models_need_rows():
    with pytest.raises(DataError) as error:
        fit_folds(np.zeros((0, 3)), np.zeros(0, int), np.zeros(0, int), 4)
    assert error.value.code == "no_rows"


def test_folds_that_take_turns_give_the_same(monkeypatch):
    rows = (*clusters(400, 20, 4), 4)
    together = cross_val_predict(*rows)
    monkeypatch.setattr(fold_models, "MAX_COEFFICIENTS", 200)
    in_turns = cross_val_predict(*rows)
    np.testing.assert_allclose(in_turns.pred_probs, together.pred_probs, atol=1e-3)


@pytest.mark.parametrize("max_bytes", [1, 100_000])
def test_a_thousand_classes_in_little_memory(monkeypatch, max_bytes):
    rows = (*clusters(2500, 16, 1000, spread=0.3), 1000)
    expected = cross_val_predict(*rows)
    monkeypatch.setattr("lakewinnow.core.logistic.subspace.MAX_BYTES", max_bytes)
    found = cross_val_predict(*rows)
    assert expected.fit.converged.all()
    assert found.fit.converged.all()
    np.testing.assert_allclose(found.pred_probs, expected.pred_probs, atol=1e-3)


@pytest.mark.parametrize(
    "settings", [{"C": 1.0}, {"C": 10.0}, {"standardize": True}], ids=["C=1", "C=10", "scaled"]
)
def test_wide_rows(settings, monkeypatch):
    monkeypatch.setattr("lakewinnow.core.logistic.subspace.NARROW", 50)
    monkeypatch.setattr("lakewinnow.core.logistic.subspace.RANK", 30)
    rows = (*clusters(500, 120, 3), 3)
    found = cross_val_predict(*rows, **settings)
    assert found.fit.converged.all()
    expected = optimum(*rows, **settings, tol=1e-7)
    np.testing.assert_allclose(found.pred_probs, expected, atol=1e-3)


def test_nearly_separable_rows_still_converge():
    features, labels, folds = clusters(600, 120, 8, noise=0.05, spread=2.0, unit_norm=False)
    rows = (features, labels, folds, 8)
    found = cross_val_predict(*rows, C=10.0, standardize=True)
    assert found.fit.converged.all()
    expected = optimum(*rows, C=10.0, standardize=True, tol=1e-7)
    np.testing.assert_allclose(found.pred_probs, expected, atol=2e-3)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("label_out_of_range", {"labels": np.array([0, 1, 3, 0])}),
        ("nothing_to_train_on", {"folds": np.zeros(4, int)}),
        ("nothing_to_train_on", {"sample_weight": np.array([0, 0, 1, 1])}),
        ("bad_weight", {"sample_weight": np.array([1, -1, 1, 1])}),
        ("bad_weight", {"sample_weight": np.array([1, np.nan, 1, 1])}),
        ("bad_weight", {"class_weight": {0: -1.0}}),
        ("bad_weight", {"class_weight": {3: 1.0}}),
        ("bad_weight", {"class_weight": [1.0, 2.0]}),
        ("bad_weight", {"class_weight": "even"}),
        ("bad_strength", {"C": 0.0}),
        ("bad_strength", {"C": np.inf}),
        ("wrong_length", {"labels": np.array([0, 1, 1])}),
        ("wrong_length", {"folds": np.array([0, 1, 1])}),
        ("wrong_length", {"sample_weight": np.ones(5)}),
        ("not_finite", {"features": np.array([[0, 1], [1, np.nan], [2, 0], [3, 1]])}),
        ("not_finite", {"features": np.array([[0, 1], [1, np.inf], [2, 0], [3, 1]])}),
        ("not_finite", {"features": np.array([[0, 1], [1, 1e39], [2, 0], [3, 1]])}),
    ],
)
def test_what_cannot_be_worked_with_is_refused(code, changes):
    rows = {
        "features": np.arange(8.0).reshape(4, 2),
        "labels": np.array([0, 1, 1, 0]),
        "folds": np.array([0, 0, 1, 1]),
        "n_classes": 3,
    }
    with pytest.raises((DataError, ConfigError)) as error:
        cross_val_predict(**rows | changes)
    assert error.value.code == code


def test_no_rows_are_no_work():
    found = cross_val_predict(np.zeros((0, 3)), np.zeros(0, int), np.zeros(0, int), 4)
    assert found.pred_probs.shape == (0, 4)
    assert found.fit.converged.shape == (0,)
    assert found.fit.C == 1
