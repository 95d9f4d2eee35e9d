"""The corpus as later stages see it: without the rows whose text the provider could not embed.

Ingest cannot know of them, so its tables stay as they are: `refused/` names such rows, and
quarantine/ is written again with them. Where ingest's own quarantine/ must be kept for that, it is
in `rejected/`.
"""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructType

from lakewinnow import columns as c
from lakewinnow.config.sections import InputConfig
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.inputs.source import is_nested, own_name
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.schemas import schema

_REFUSED = "refused"
_REJECTED = "rejected"
REFUSED = schema(
    {c.ROW_ID: "string", c.TEXT_KEY: "binary", c.ERROR_CODE: "string", c.ERROR: "string"}
)


def accepted(lake: Lake) -> DataFrame:
    """Return the rows of corpus/ that can be worked with."""
    corpus = lake.read("corpus")
    if not lake.files.exists(_REFUSED):
        return corpus
    return corpus.join(lake.read(_REFUSED).select(c.ROW_ID), c.ROW_ID, "left_anti")


def n_accepted(lake: Lake) -> int:
    """Return how many rows can be worked with."""
    return lake.rows("corpus") - lake.rows(_REFUSED)


def refuse(lake: Lake, texts: DataFrame, config: InputConfig, n_texts: int) -> dict[str, int]:
    """Move the rows of some texts to quarantine/, and those of earlier calls back.

    Parameters
    ----------
    texts : DataFrame of text_key, error_code, error
    n_texts : how many they are

    Returns
    -------
    rows by error code
    """
    was_refused = lake.files.exists(_REFUSED)
    if not n_texts and not was_refused:
        return {}
    rows = lake.read("corpus").join(texts, c.TEXT_KEY)
    counts: dict[str, int] = dict(rows.groupBy(c.ERROR_CODE).count().collect())
    if not was_refused:  # quarantine/ is still ingest's
        lake.publish(_REJECTED, lake.read("quarantine"))
    lake.publish(_REFUSED, rows, schema=REFUSED)
    rejected = lake.read(_REJECTED)
    schema = StructType.fromJson(lake.figures("ingest", Ingested).input_columns)
    added = {own_name(name, schema.names): name for name in (c.ROW_ID, c.ERROR_CODE, c.ERROR)}
    ours = rows.select(
        *input_columns(schema, config), *(F.col(name).alias(own) for own, name in added.items())
    )
    lake.publish("quarantine", rejected.unionByName(ours, allowMissingColumns=True))
    if not counts:
        forget_refused(lake)
    return dict(sorted(counts.items()))


def readmit(lake: Lake) -> None:
    """Move rows that an earlier embedding has refused back: this one refuses none."""
    if lake.files.exists(_REFUSED):
        lake.revoke("embed")
        lake.publish("quarantine", lake.read(_REJECTED))
        forget_refused(lake)


def forget_refused(lake: Lake) -> None:
    """Forget what was refused: ingest has written, or will write, its quarantine/ anew."""
    lake.drop(_REFUSED)
    lake.drop(_REJECTED)


def input_columns(
    schema: StructType, config: InputConfig, label: Column | None = None, text: Column | None = None
) -> list[Column]:
    """Return the input's columns, in their order and types, of rows of corpus/.

    Parameters
    ----------
    label : another label, where it is not null
    text : what takes the place of the text
    """
    new: dict[str, Column] = {}  # in place of what came
    if config.text is not None and text is not None:
        new[config.text] = text
    elif config.text in schema.names and not is_nested(schema[config.text]):
        new[config.text] = F.col(c.TEXT)
    if config.label in schema.names and label is not None:
        given = F.col(c.SOURCE).getField(config.label)
        new[config.label] = F.coalesce(label.cast(schema[config.label].dataType), given)
    own = [field for field in schema if not is_nested(field)]
    return [
        _with_new(F.col(c.SOURCE).getField(field.name), field.dataType, field.name, new).alias(
            field.name
        )
        for field in own
    ]


def _with_new(value: Column, kind: DataType, name: str, new: Mapping[str, Column]) -> Column:
    """Return a value, or, where there are new ones for it or for fields of it, those."""
    if name in new:
        return new[name]
    if not isinstance(kind, StructType) or not any(key.startswith(f"{name}.") for key in new):
        return value
    return F.struct(
        *(
            _with_new(value.getField(f.name), f.dataType, f"{name}.{f.name}", new).alias(f.name)
            for f in kind
        )
    )


def input_column(config: InputConfig, name: str) -> Column:
    """Return one of the input's columns, of rows of corpus/."""
    return F.col(c.TEXT) if name == config.text else F.col(c.SOURCE).getField(name)
