"""Classes in the order of the probabilities, and the position of a label among them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import pandas as pd
from pandas.api.types import is_bool_dtype, is_integer_dtype
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, IntegralType, StringType

from lakewinnow.errors import ConfigError, DataError, Shown
from lakewinnow.frames.pandas_columns import as_name
from lakewinnow.lake.inputs.acceptance import MAX_CLASSES
from lakewinnow.lake.inputs.source import column
from lakewinnow.spark.passes import valid_probs

FIRST_ROWS: Final = 1000  # if they agree on the number of classes, the others need not be asked
FALSE_TRUE: Final = [as_name(False), as_name(True)]  # noqa: FBT003


def class_names(
    labels: DataFrame,
    pred_probs: DataFrame,
    classes: Sequence[object] | None,
    first_lengths: Callable[[int], list[int]] | None = None,
) -> list[str]:
    """Return the classes in the order of the probabilities.

    Parameters
    ----------
    labels, pred_probs : frames of one column
    classes : the caller's. None: 0 .. K-1 for integers, where K is how many probabilities the rows
        have, or most of them; the sorted distinct labels for strings
    first_lengths : says how many probabilities some of the rows have; default: asks the engine

    Raises
    ------
    ConfigError : "repeated_class"
    DataError : "no_rows", "too_many_classes"
    """
    if classes is not None:
        return _distinct(classes)
    [label], [probs] = labels.columns, pred_probs.columns
    if isinstance(labels.schema[label].dataType, StringType):
        found = labels.where(column(label).isNotNull()).distinct().limit(MAX_CLASSES + 1).collect()
        return _sorted([row[0] for row in found])
    lengths = pred_probs.where(column(probs).isNotNull()).select(F.size(column(probs)).alias("k"))
    if first_lengths is None:
        # Collected as they are: an aggregate would have every partition read before the limit
        first = Counter(lengths.limit(FIRST_ROWS).toArrow().column("k").to_pylist())
    else:
        first = Counter(first_lengths(FIRST_ROWS))
    return _numbers(first if len(first) == 1 else _counts(lengths))


def label_index(label: Column, label_type: DataType, classes: Sequence[str]) -> Column:
    """Return the position of each row's label in the class list, or null."""
    n_classes = len(classes)
    if isinstance(label_type, IntegralType) and list(classes) == [str(k) for k in range(n_classes)]:
        return F.when(label.between(0, n_classes - 1), label).cast("int")
    return valid_probs.label_index(label.cast("string"), list(classes))


def _counts(lengths: DataFrame) -> Counter[int]:
    most = lengths.groupBy("k").count().orderBy(F.desc("count"), F.desc("k")).limit(2)
    return Counter({row[0]: row[1] for row in most.collect()})


def class_names_in_memory(
    labels: pd.Series, lengths: Iterable[int], classes: Sequence[object] | None
) -> list[str]:
    """Return the classes as `class_names` does; labels are those that `plain` returned."""
    if classes is not None:
        return _distinct(classes)
    if is_bool_dtype(labels):
        return FALSE_TRUE
    if is_integer_dtype(labels):
        return _numbers(Counter(lengths))
    return _sorted(labels.dropna().unique().tolist())


def _distinct(classes: Sequence[object]) -> list[str]:
    counts = Counter(map(as_name, classes))
    twice = [name for name, n in counts.items() if n > 1]
    if twice:
        raise ConfigError("repeated_class", "classes", "each class once", twice[0])
    return _some(list(counts))


def _sorted(labels: list[str]) -> list[str]:
    if len(labels) > MAX_CLASSES:
        expected, got = f"at most {MAX_CLASSES:,} distinct labels", Shown("more")
        hint = "is this an id or free text by mistake?"
        raise DataError("too_many_classes", "label", expected, got, hint)
    return _some(sorted(labels))


def _numbers(lengths: Counter[int]) -> list[str]:
    most = max(((n, k) for k, n in lengths.items()), default=(0, 0))
    return _some([str(k) for k in range(most[1])])


def _some(classes: list[str]) -> list[str]:
    if not classes:
        expected = "rows with labels and probabilities"
        raise DataError("no_rows", "label, pred_probs", expected, Shown("none"))
    return classes
