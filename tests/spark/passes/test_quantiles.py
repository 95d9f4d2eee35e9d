"""Quantiles of a table: NumPy's, and how far rounding moves them."""

import numpy as np
from pyspark.sql import functions as F

from lakewinnow.spark.passes import quantiles as module
from lakewinnow.spark.passes.quantiles import RELATIVE_ERROR, quantiles

SHARES = [0.0, 0.25, 0.5, 0.75, 1.0]


def test_they_are_numpys_and_rounded_ones_hardly_differ(spark, monkeypatch):
    rng = np.random.default_rng(20240229)
    values, weights = rng.lognormal(sigma=3, size=200), rng.integers(1, 5, 200)
    values[:9] = 0
    rows = spark.createDataFrame(
        [*zip(values.tolist(), weights.tolist(), strict=True), (None, 3)],
        "value double, weight int",
    ).repartition(3)
    expected = np.quantile(np.repeat(values, weights), SHARES)
    value, weight = F.col("value"), F.col("weight")
    np.testing.assert_allclose(quantiles(rows, value, SHARES, weight, 201), expected, rtol=1e-12)
    monkeypatch.setattr(module, "MOST_VALUES", 200)
    rounded = quantiles(rows, value, SHARES, weight, 201)
    np.testing.assert_allclose(rounded, expected, rtol=RELATIVE_ERROR)
    assert rounded != expected.tolist()
    assert quantiles(rows.where("value is null"), value, [0.5], weight, 1) == [None]
