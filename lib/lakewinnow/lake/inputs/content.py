"""What a row is judged by: its text, the user's own embedding of it, or its features.

It decides which rows are the same: equal content has one key, and so one shard and one fold. Where
there is nothing but the user's own probabilities, of images, say, a row is told from others by its
id, or else by all that is said of it.
"""

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, BooleanType, DataType, NumericType, StringType, StructType

from lakewinnow.config.sections import InputConfig
from lakewinnow.core.text import normal_form
from lakewinnow.lake.inputs.source import column, json_of, text_key, text_of
from lakewinnow.spark.arrow import lists, udf
from lakewinnow.spark.passes import valid_probs
from lakewinnow.spark.portable import expressions as portable

WRONG_LENGTH: Final = "embedding_wrong_length"
SENTENCES: Final[Mapping[str, str]] = {
    "embedding_null": "the embedding is null or empty",
    "embedding_not_finite": "the embedding holds a null, a NaN or an infinity",
    WRONG_LENGTH: "the embedding is not as long as most are",
    "features_null": "none of input.features has a value",
}
_SHOWN_LENGTH: Final = 300
_SHOWN_NUMBERS: Final = 4  # of an embedding with nothing beside it


def key(config: InputConfig, schema: StructType) -> Column:
    """Return what makes the content of two rows the same, 32 bytes.

    It is a hash of the text, of the features' values, or of the embedding (as float32) and of the
    text where there is one; where there is none of these, of the id, or of the whole row.
    """
    if config.features is not None:
        return F.unhex(F.sha2(json_of(config.features, schema), 256))
    if config.text is None and config.embedding is None:
        names = schema.names if config.id is None else [config.id]
        return F.unhex(F.sha2(json_of(names, schema), 256))
    if config.embedding is None:
        return text_key(column(config.text or ""))
    texts = () if config.text is None else (column(config.text),)
    return udf.on_arrow(_vector_keys, BinaryType())(vector(config, schema), *texts)


def shard(key: str, n_shards: int, seed: int) -> Column:
    """Return the shard of a content by its key, 0 .. n_shards - 1: a fair pseudo-random one."""
    return F.pmod(F.xxhash64(key, F.lit(seed)), F.lit(n_shards)).cast("int")


def vector(config: InputConfig, schema: StructType) -> Column:
    """Return the user's embedding as an array of float."""
    name = config.embedding or ""
    return as_vector(column(name), schema[name].dataType)


def as_vector(values: Column, data_type: DataType) -> Column:
    """Return an array of any numbers, or a vector of Spark ML, as an array of float."""
    return valid_probs.as_array(values, data_type).cast("array<float>")


def error_code(config: InputConfig, schema: StructType) -> Column:
    """Return why the embedding or the features cannot be used, or null; the length aside."""
    if config.embedding is not None:
        return udf.on_arrow(_vector_codes, StringType())(vector(config, schema))
    if config.features is not None:
        return F.when(F.coalesce(*map(text_of, config.features)).isNull(), "features_null")
    return F.lit(None).cast("string")


def shown(config: InputConfig, schema: StructType) -> Column:
    """Return the text, or the row in a short form that a person can read: ``age=41, job=clerk``.

    Of a row with an embedding or probabilities and no text that is what the input has beside them,
    a file name, say; where there is nothing, their first numbers.
    """
    if config.text is not None:
        return column(config.text)
    names = config.features or tuple(
        field.name
        for field in schema.fields
        if field.name not in (config.embedding, config.label)
        and isinstance(field.dataType, (StringType, NumericType, BooleanType))
    )
    if not names:
        name = config.embedding or config.pred_probs or ""
        numbers = as_vector(column(name), schema[name].dataType)
        return udf.on_arrow(_first_numbers, StringType())(numbers)
    show = udf.on_arrow(partial(_named_values, names=names), StringType())
    return show(*(portable.as_text(column(name), schema[name].dataType) for name in names))


def _vector_keys(vectors: pa.Array, texts: pa.Array | None = None) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(vectors), 0).to_numpy(zero_copy_only=False)
    flat = np.asarray(pc.fill_null(vectors.flatten(), np.nan), np.float32) + np.float32(0)  # no -0
    ends = np.cumsum(lengths)
    keys = []
    for i, (start, end) in enumerate(zip(ends - lengths, ends, strict=True)):
        digest = hashlib.sha256(flat[start:end].tobytes())
        digest.update(normal_form((texts and texts[i].as_py()) or "").encode())
        keys.append(digest.digest())
    return pa.array(keys, pa.binary())


def _vector_codes(vectors: pa.Array) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(vectors), 0).to_numpy(zero_copy_only=False)
    rows, numbers = lists.entries(vectors)
    is_bad = ~np.isfinite(np.asarray(pc.fill_null(numbers, np.nan), np.float32))
    codes = np.full(len(vectors), None, object)
    codes[rows[is_bad]] = "embedding_not_finite"
    codes[lengths == 0] = "embedding_null"
    return pa.array(codes, pa.string())


def _named_values(*values: pa.Array, names: tuple[str, ...]) -> pa.Array:
    rows = zip(*(map(_short, column.to_pylist()) for column in values), strict=True)
    texts = [", ".join(map("{}={}".format, names, row)) for row in rows]
    return pa.array([text[:_SHOWN_LENGTH] for text in texts], pa.string())


def _short(value: str | None) -> str:
    """Return a value as few characters: the 17 digits of a double are no help to a reader."""
    if value is None:
        return "–"
    digits = value.lstrip("-")
    if len(digits) > 8 and digits[:1].isdigit():
        try:
            return f"{float(value):.6g}" if "." in value else value
        except ValueError:  # a date, say
            return value
    return value


def _first_numbers(vectors: pa.Array) -> pa.Array:
    starts = [vector[:_SHOWN_NUMBERS] for vector in vectors.to_pylist()]
    return pa.array([", ".join(f"{x:.3g}" for x in start) + ", …" for start in starts], pa.string())
