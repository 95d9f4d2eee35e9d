"""Features as vectors: what scikit-learn makes of them, and nothing that is not finite."""

import pickle

import numpy as np
import pyarrow as pa
import pytest
from sklearn.preprocessing import StandardScaler

from lakewinnow.embedding import features

NUMBERS = pa.array([1.0, 2.0, None, 6.0])
STRINGS = pa.array(["a", "b", None, "a"])


def test_numbers_are_imputed_by_the_median_and_scaled():
    matrix = features.fit([NUMBERS]).transform([NUMBERS])
    expected = StandardScaler().fit_transform(np.array([[1.0], [2.0], [2.0], [6.0]]))
    np.testing.assert_allclose(matrix, expected, rtol=1e-6)
    assert matrix.dtype == np.float32


def test_strings_are_one_hot_and_a_missing_one_is_a_category():
    preprocessor = features.fit([STRINGS])
    assert preprocessor.transform([STRINGS]).tolist() == [
        [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0],
    ]  # fmt: skip
    assert preprocessor.transform([pa.array(["new"])]).tolist() == [[0, 0, 0]]


def test_numbers_come_first_whatever_the_order_of_columns():
    preprocessor = features.fit([STRINGS, NUMBERS])
    assert (preprocessor.numeric, preprocessor.categorical) == ((1,), (0,))
    matrix = preprocessor.transform([STRINGS, NUMBERS])
    assert matrix.shape == (4, preprocessor.dimensions) == (4, 4)
    assert set(np.unique(matrix[:, 1:])) == {0, 1}


def test_the_number_of_categories_is_bounded():
    ids = pa.array([f"{i // 2}" for i in range(1000)])
    preprocessor = features.fit([ids])
    assert preprocessor.dimensions == features.MAX_CATEGORIES
    assert preprocessor.transform([ids]).sum(axis=1).tolist() == [1.0] * 1000


@pytest.mark.parametrize(
    "values", [[np.nan, np.inf, -np.inf, 1e300], [None, None, None, None], [5.0, 5.0, 5.0, 5.0]]
)
def test_what_comes_out_is_finite(values):
    odd = pa.array(values, pa.float64())
    assert np.isfinite(features.fit([odd, NUMBERS]).transform([odd, NUMBERS])).all()
    far = pa.array([1e29, -1e29, 0.0, 0.0])
    assert np.isfinite(features.fit([NUMBERS]).transform([far])).all()


@pytest.mark.parametrize(
    ("texts", "is_numeric"),
    [
        (["1", " 2.5", "-1e3"], True),
        (["1", "", "n/a"], True),
        (["1", "2", "two"], False),
        (["1,5", "12", "0,125"], True),  # decimal commas
        (["1,234", "12"], False),  # which may be 1.234 or 1234
        (["", "?", None], False),
    ],
)
def test_text_may_be_numbers_where_the_format_has_no_types(texts, is_numeric):
    column = pa.array(texts, pa.string())
    preprocessor = features.fit([column], text_may_be_numbers=True)
    assert bool(preprocessor.numeric) == is_numeric
    assert not features.fit([column]).numeric


def test_text_that_is_no_number_is_missing_where_the_others_are():
    preprocessor = features.fit([pa.array(["1", "2", "6"])], text_may_be_numbers=True)
    seen = preprocessor.transform([pa.array(["2", "what", None])])
    assert seen[0] == seen[1] == seen[2]


def test_number_22_a_decimal_comma_is_one():
    points, commas = (pa.array(x) for x in (["1.5", "2.25", "-3"], ["1,5", "2,25", "-3"]))
    fitted = [features.fit([of], text_may_be_numbers=True) for of in (points, commas)]
    np.testing.assert_array_equal(fitted[0].transform([points]), fitted[1].transform([commas]))


def test_it_travels_to_other_processes():
    preprocessor = pickle.loads(pickle.dumps(features.fit([NUMBERS, STRINGS])))  # noqa: S301
    assert preprocessor.transform([NUMBERS, STRINGS]).shape == (4, 4)
