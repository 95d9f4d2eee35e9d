"""Own vectors: the user's embeddings, or features made into vectors, in place of embed.

Reads    corpus/
Writes   vectors/, one row per distinct content
Passes   1 over the corpus; with features one more, which keeps a sample of `_FIT_ROWS` rows
Shuffle  one, by text key

The preprocessing of features is fitted in one task, on the rows of the smallest keys: hashes, so a
fair sample, and the same one however the rows lie. It sees no label.
"""

import json
import pickle
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructType

from lakewinnow import columns as c
from lakewinnow.config.sections import InputConfig
from lakewinnow.embedding import features
from lakewinnow.figures.labels import OwnVectors
from lakewinnow.lake.inputs import content
from lakewinnow.lake.inputs.formats import input_format
from lakewinnow.lake.vectors.embedding_store import VECTORS
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import apply_to_groups, map_batches
from lakewinnow.spark.schemas import schema
from lakewinnow.spark.sessions import cluster
from lakewinnow.typed_json import from_json, to_json

_FIT_ROWS: Final = 50_000
_FITTED = schema({"preprocessor": "binary", "figures": "string"})


def run(lake: Lake, config: InputConfig) -> StageReport[OwnVectors]:
    """Write a vector for every distinct content."""
    corpus = lake.read("corpus")
    source: StructType = corpus.schema[c.SOURCE].dataType  # type: ignore[assignment]
    if config.features is not None:
        names = config.features
        values = [_feature(source, name).alias(f"{i}") for i, name in enumerate(names)]
        rows = cluster.first_of_group(corpus.select(c.TEXT_KEY, *values), [c.TEXT_KEY])
        fitted, figures = _fit(rows, names, text_may_be_numbers=input_format(config) == "csv")
        vectors = map_batches(rows, partial(_transform_batches, fitted=fitted), VECTORS)
    else:
        name, figures = config.embedding or "", OwnVectors(embedding=config.embedding)
        vector = content.as_vector(F.col(c.SOURCE).getField(name), source[name].dataType)
        vectors = cluster.first_of_group(
            corpus.select(c.TEXT_KEY, vector.alias(c.VECTOR)), [c.TEXT_KEY]
        )
    lake.publish("vectors", vectors)
    return StageReport(
        rows_in=lake.rows("corpus"),
        rows_out=lake.rows("vectors"),
        reads={"corpus": 1 if config.features is None else 2},
        writes=("vectors",),
        figures=figures,
    )


def _feature(source: StructType, name: str) -> Column:
    value = F.col(c.SOURCE).getField(name)
    return value if isinstance(source[name].dataType, StringType) else value.cast("double")


def _fit(
    rows: DataFrame, names: tuple[str, ...], *, text_may_be_numbers: bool
) -> tuple[bytes, OwnVectors]:
    fit = partial(_fit_sample, names=names, text_may_be_numbers=text_may_be_numbers)
    sample = rows.orderBy(c.TEXT_KEY).limit(_FIT_ROWS)
    [fitted] = apply_to_groups(sample, (), fit, _FITTED).collect()
    return bytes(fitted.preprocessor), from_json(OwnVectors, json.loads(fitted.figures))


def _fit_sample(sample: pa.Table, names: tuple[str, ...], *, text_may_be_numbers: bool) -> pa.Table:
    """Fit in a fixed order of rows: the last bits of a mean depend on it."""
    columns = sample.sort_by(c.TEXT_KEY).drop_columns(c.TEXT_KEY).columns
    arrays = [column.combine_chunks() for column in columns]
    preprocessor = features.fit(arrays, text_may_be_numbers=text_may_be_numbers)
    figures = OwnVectors(
        numeric=[names[i] for i in preprocessor.numeric],
        categorical=[names[i] for i in preprocessor.categorical],
        dimensions=preprocessor.dimensions,
        fitted_on=len(sample),
    )
    as_json = json.dumps(to_json(figures))
    fitted = {"preprocessor": [pickle.dumps(preprocessor)], "figures": [as_json]}
    return arrow.table(_FITTED, fitted)


def _transform_batches(
    batches: Iterable[pa.RecordBatch], fitted: bytes
) -> Iterator[pa.RecordBatch]:
    preprocessor = pickle.loads(fitted)  # noqa: S301 - made by `_fit` in this run, stored nowhere
    for batch in batches:
        keys, *columns = batch.columns
        vectors = arrow.list_array(preprocessor.transform(columns))
        yield arrow.record_batch(VECTORS, {c.TEXT_KEY: keys, c.VECTOR: vectors})
