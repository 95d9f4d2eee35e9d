import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from lakewinnow.core.logistic.design import is_unit_norm, make_design
from lakewinnow.errors import DataError


def columns(n_rows=60, seed=0):
    """A plain column, one far from 0, a tiny one, one constant, one constant but in fold 2."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n_rows, 5)) * [1, 1, 1e-6, 0, 0] + [0, 1e6, 0, 0.1, 3]
    folds = rng.integers(0, 3, n_rows) * 5
    features[folds == 10, 4] = rng.standard_normal(np.count_nonzero(folds == 10))
    return features, folds


def test_rows_are_ordered_by_fold_and_columns_scaled():
    features, folds = columns()
    design = make_design(features, folds, standardize=False)
    assert [np.unique(folds[design.order][rows]).tolist() for rows in design.folds] == [
        [0],
        [5],
        [10],
    ]
    for fold, rows in zip([0, 5, 10], design.folds, strict=True):
        np.testing.assert_array_equal(design.order[rows], np.flatnonzero(folds == fold))
    np.testing.assert_allclose(design.features[:, :4].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(design.features.std(axis=0), [1, 1, 1, 0, 1, 0], atol=1e-5)
    np.testing.assert_array_equal(design.features[:, -1], 1)


@pytest.mark.parametrize("rest", [0, 1e-4])
def test_a_column_that_hardly_varies_without_a_fold_is_centred_on_the_others(rest):
    features, folds = columns()
    features[folds != 10, 4] += rest * np.random.default_rng(1).standard_normal((folds != 10).sum())
    design = make_design(features, folds, standardize=True)
    assert design.is_uneven
    assert design.varies.all(axis=0).tolist() == [True, True, True, False, rest > 0, True]
    # by its spread among the others, the rows of that fold are far; by other columns hardly any are
    far, held = set(design.order[design.far]), set(np.flatnonzero(folds == 10))
    assert far >= held or not rest
    assert len(far - held) <= 1
    others = np.delete(design.features[:, 4], design.folds[2])
    np.testing.assert_allclose(others.mean(), 0, atol=1e-9)
    np.testing.assert_allclose(others.std(), rest / features[:, 4].std(), rtol=0.2)
    assert not make_design(features[:, :4], folds, standardize=True).is_uneven


def test_outliers_are_rows_that_outweigh_others_in_a_column():
    rng = np.random.default_rng(0)
    features, folds = rng.standard_normal((500, 40)).clip(-2, 2), rng.integers(0, 5, 500)
    assert not len(make_design(features, folds, standardize=False).far)
    features[3, 1], features[8, 2] = 500, -1e6
    design = make_design(features, folds, standardize=False)
    assert sorted(design.order[design.far]) == [3, 8]


def test_the_penalty_is_that_of_the_columns_as_they_are():
    features, folds = columns()
    design = make_design(features, folds, standardize=False)
    scale = np.where(np.arange(5) == 3, 1, features.std(axis=0))
    np.testing.assert_allclose(design.penalty[:, :-1], np.tile(scale**-2, (4, 1)), rtol=1e-4)
    np.testing.assert_array_equal(design.penalty[:, -1], 0)


def test_or_that_of_columns_scaled_within_the_training_rows():
    features, folds = columns()
    design = make_design(features, folds, standardize=True)
    scale = np.where(np.arange(5) == 3, 1, features.std(axis=0))
    for model, fold in enumerate([0, 5, 10, None]):
        inside = StandardScaler().fit(features[folds != fold]).scale_
        np.testing.assert_allclose(design.penalty[model, :-1], (inside / scale) ** 2, rtol=1e-4)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_are_refused(wrong):
    features, folds = columns()
    features[7, 2] = wrong
    with pytest.raises(DataError) as error:
        make_design(features, folds, standardize=False)
    assert error.value.code == "not_finite"
    assert "column 2" in str(error.value)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_unit_vectors_are_recognised(dtype):
    features = np.random.default_rng(0).standard_normal((50, 30))
    assert not is_unit_norm(features.astype(dtype))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    features[3] = 0  # the embedding of an empty text
    assert is_unit_norm(features.astype(dtype))
