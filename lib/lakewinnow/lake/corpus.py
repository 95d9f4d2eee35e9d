"""The corpus as later stages see it: without the rows whose text the provider could not embed.

Ingest cannot know of them, so its tables stay as they are: `refused/` names such rows, and
quarantine/ is written again with them. Where ingest's own quarantine/ must be kept for that, it is
in `rejected/`.

The other way round, rows that came without a label and got one, at last, leave quarantine/ for
corpus/ and pred_probs/. Their label there is null, since nobody gave them one: what judges labels
reads neither them nor their probabilities, what publishes rows does.
"""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructType

from lakewinnow import columns as c
from lakewinnow.config.sections import InputConfig
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.inputs.acceptance import LABEL_NULL, SENTENCES
from lakewinnow.lake.inputs.source import is_nested, own_name
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.portable.unions import union
from lakewinnow.spark.schemas import schema

_REFUSED = "refused"
_REJECTED = "rejected"
UNLABELLED = "unlabelled/corpus"  # rows that lack a label alone
PREDICTED = "unlabelled/pred_probs"  # of them and of all others, by models that saw neither's label
LABELS_MADE = "unlabelled/labels"  # which of them got a label, and which
_MOVED = {"corpus": UNLABELLED, "pred_probs": PREDICTED}
REFUSED = schema(
    {c.ROW_ID: "string", c.TEXT_KEY: "binary", c.ERROR_CODE: "string", c.ERROR: "string"}
)


def in_corpus(lake: Lake) -> DataFrame:
    """Return the rows that are published: the accepted ones, and those that got a label."""
    corpus = lake.read("corpus")
    if not lake.files.exists(_REFUSED):
        return corpus
    return corpus.join(lake.read(_REFUSED).select(c.ROW_ID), c.ROW_ID, "left_anti")


def came_with_label(lake: Lake) -> DataFrame:
    """Return the rows of corpus/ as ingest has written it."""
    return _labelled(lake, lake.read("corpus"))


def accepted(lake: Lake) -> DataFrame:
    """Return the rows of corpus/ that came with a label and can be worked with."""
    return _labelled(lake, in_corpus(lake))


def n_accepted(lake: Lake) -> int:
    """Return how many rows came with a label and can be worked with."""
    were_taken_in = lake.files.exists(LABELS_MADE)
    n_rows = came_with_label(lake).count() if were_taken_in else lake.rows("corpus")
    return n_rows - lake.rows(_REFUSED)


def accepted_probs(lake: Lake) -> DataFrame:
    """Return pred_probs/ of the rows that came with a label."""
    return _labelled(lake, lake.read("pred_probs"))


def _labelled(lake: Lake, rows: DataFrame) -> DataFrame:
    return rows.where(F.col(c.LABEL).isNotNull()) if lake.files.exists(LABELS_MADE) else rows


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
    rows = came_with_label(lake).join(texts, c.TEXT_KEY)
    counts: dict[str, int] = dict(rows.groupBy(c.ERROR_CODE).count().collect())
    if not was_refused:  # quarantine/ is still ingest's
        lake.publish(_REJECTED, lake.read("quarantine"))
    lake.publish(_REFUSED, rows, schema=REFUSED)
    ours = _as_rejected(lake, rows, config)
    lake.publish("quarantine", lake.read(_REJECTED).unionByName(ours, allowMissingColumns=True))
    if not counts:
        forget_refused(lake)
    return dict(sorted(counts.items()))


def _as_rejected(lake: Lake, rows: DataFrame, config: InputConfig) -> DataFrame:
    """Return rows of corpus/ with an error_code and an error as quarantine/ has them."""
    schema = _input_schema(lake)
    added = {own_name(name, schema.names): name for name in (c.ROW_ID, c.ERROR_CODE, c.ERROR)}
    ours = (F.col(name).alias(own) for own, name in added.items())
    return rows.select(*input_columns(schema, config), *ours)


def _input_schema(lake: Lake) -> StructType:
    return StructType.fromJson(lake.figures("ingest", Ingested).input_columns)


def take_in(lake: Lake, labels: DataFrame | None, config: InputConfig) -> None:
    """Move rows that got a label out of quarantine/, and those of an earlier call back.

    Parameters
    ----------
    labels : row_id and more of rows of `UNLABELLED`; None: none of them got one
    """
    if labels is None and not lake.files.exists(LABELS_MADE):
        return
    tables = {name: lake.read(name).where(F.col(c.LABEL).isNotNull()) for name in _MOVED}
    apart = stay_out = lake.read(UNLABELLED)
    if labels is not None:
        lake.publish(LABELS_MADE, labels)  # first: from now on, such rows are told from others
        ids = lake.read(LABELS_MADE).select(c.ROW_ID)
        for name, others in _MOVED.items():
            tables[name] = union(tables[name], lake.read(others).join(ids, c.ROW_ID))
        stay_out = apart.join(ids, c.ROW_ID, "left_anti")
    for name, rows in tables.items():
        lake.publish(name, rows)
    own_id = own_name(c.ROW_ID, _input_schema(lake).names)
    known = apart.select(F.col(c.ROW_ID).alias(own_id))
    rejected = lake.read("quarantine").join(known, own_id, "left_anti")
    why = {c.ERROR_CODE: F.lit(LABEL_NULL), c.ERROR: F.lit(SENTENCES[LABEL_NULL])}
    ours = _as_rejected(lake, stay_out.withColumns(why), config)
    lake.publish("quarantine", rejected.unionByName(ours, allowMissingColumns=True))
    if labels is None:
        lake.drop(LABELS_MADE)


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


def forget_unlabelled(lake: Lake) -> None:
    """Forget which rows got a label: ingest will write what they were moved between anew."""
    for name in (LABELS_MADE, PREDICTED, UNLABELLED):
        lake.drop(name)


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
