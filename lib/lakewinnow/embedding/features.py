"""Features as a vector: numbers imputed and scaled, categories one-hot, by scikit-learn.

Fitted on rows without their labels, so that no row's own label can reach its probabilities. What
is fitted (medians, means, deviations, categories) one row of a sample hardly moves.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:  # a run without features does without what scikit-learn takes to import
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

MAX_CATEGORIES: Final = 50  # of a column; the rarer ones share the last
_MISSING: Final = ("", "?", "na", "n/a", "nan", "null", "none")  # where text may hold numbers
_DECIMAL_COMMA: Final = r"^(\s*[-+]?\d+),(\d+\s*)$"
_NO_THOUSANDS: Final = r"^\s*[-+]?0,|,(?:\d{1,2}|\d{4,})\s*$"
_LARGEST: Final = 1e30  # beyond it, squares and float32 overflow: as good as infinite
_FARTHEST: Final = 1e6  # standard deviations: a stranger to the sample must not overflow either


@dataclass(frozen=True)
class Preprocessor:
    """What turns feature columns into a matrix."""

    # positions of the columns that are taken so
    numeric: tuple[int, ...]
    categorical: tuple[int, ...]
    dimensions: int  # columns of the matrix
    scaler: "Pipeline"
    encoder: "OneHotEncoder"

    def transform(self, columns: Sequence[pa.Array]) -> NDArray[np.float32]:
        """Return the matrix of these columns, shape (n_rows, dimensions), finite."""
        blocks = []
        if self.numeric:
            scaled = self.scaler.transform(_numbers(columns[i] for i in self.numeric))
            blocks.append(np.clip(scaled, -_FARTHEST, _FARTHEST).astype(np.float32))
        if self.categorical:
            blocks.append(self.encoder.transform(_categories(columns[i] for i in self.categorical)))
        return np.hstack(blocks)


def fit(columns: Sequence[pa.Array], *, text_may_be_numbers: bool = False) -> Preprocessor:
    """Fit on a sample of rows.

    Parameters
    ----------
    columns : numbers, or strings
    text_may_be_numbers : take a column of strings that all read as numbers for numbers: CSV has no
        types
    """
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    is_numeric = [_is_numeric(column, text_may_be_numbers) for column in columns]
    numeric = tuple(i for i, is_number in enumerate(is_numeric) if is_number)
    categorical = tuple(i for i, is_number in enumerate(is_numeric) if not is_number)
    # A column without a value in the sample stays, as zeros: the rest of it may have some.
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    scaler = make_pipeline(imputer, StandardScaler())
    encoder = OneHotEncoder(
        handle_unknown="ignore",
        max_categories=MAX_CATEGORIES,
        sparse_output=False,
        dtype=np.float32,
    )
    dimensions = len(numeric)
    if numeric:
        scaler.fit(_numbers(columns[i] for i in numeric))
    if categorical:
        encoder.fit(_categories(columns[i] for i in categorical))
        dimensions += len(encoder.get_feature_names_out())
    return Preprocessor(numeric, categorical, dimensions, scaler, encoder)


def _is_numeric(column: pa.Array, text_may_be_numbers: bool) -> bool:  # noqa: FBT001
    if not _is_text(column):
        return True
    if not text_may_be_numbers:
        return False
    texts = pd.Series(column.to_pylist(), dtype=object).dropna()
    values = texts[~texts.str.strip().str.lower().isin(_MISSING)]
    has_comma = values.str.contains(",", regex=False)
    if has_comma.any() and not values[has_comma].str.contains(_NO_THOUSANDS).any():
        return False  # 1,234 may be either
    return len(values) > 0 and bool(_parsed(values).notna().all())


def _is_text(column: pa.Array) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def _parsed(texts: "pd.Series[Any]") -> "pd.Series[Any]":
    with_points = texts.str.replace(_DECIMAL_COMMA, r"\1.\2", regex=True)
    return pd.to_numeric(with_points, errors="coerce")


def _numbers(columns: Iterable[pa.Array]) -> NDArray[np.float64]:
    """Return numbers as a matrix; NaN for null, for what does not parse, and for infinity."""
    values = [
        _parsed(pd.Series(column.to_pylist(), dtype=object)).to_numpy(np.float64)
        if _is_text(column)
        else column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        for column in columns
    ]
    matrix = np.column_stack(values)
    matrix[~(np.abs(matrix) < _LARGEST)] = np.nan
    return matrix


def _categories(columns: Iterable[pa.Array]) -> NDArray[Any]:
    """Return strings as a matrix; a missing one is a category of its own."""
    values = [[text or "" for text in column.to_pylist()] for column in columns]
    return np.array(values, np.object_).T
