"""Own probabilities: the user's, in place of embed and crossval.

Reads    corpus/
Writes   pred_probs/, one row per accepted row
Passes   2: how many rows are not exact probabilities; they are written
Shuffle  none
"""

from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, FloatType, StructType

from lakewinnow import columns as c
from lakewinnow.config.sections import InputConfig
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.passes import valid_probs


def run(lake: Lake, config: InputConfig) -> StageReport[None]:
    """Take the probabilities that ingest has checked, clipped to 0 .. 1; doubles stay doubles."""
    name = config.pred_probs or ""
    corpus = lake.read("corpus")
    source: StructType = corpus.schema[c.SOURCE].dataType  # type: ignore[assignment]
    data_type = source[name].dataType
    values = valid_probs.as_array(F.col(c.SOURCE).getField(name), data_type)
    is_float = isinstance(data_type, ArrayType) and isinstance(data_type.elementType, FloatType)
    kind = "array<float>" if is_float else "array<double>"
    doubles = values.cast("array<double>")
    ((n_imprecise,),) = corpus.agg(F.count_if(valid_probs.is_imprecise(doubles))).collect()
    clipped = (valid_probs.clip(doubles) if n_imprecise else values).cast(kind)
    lake.publish("pred_probs", corpus.select(c.ROW_ID, c.LABEL, clipped.alias(c.PRED_PROBS)))
    n_rows = lake.rows("pred_probs")
    return StageReport(
        rows_in=n_rows,
        rows_out=n_rows,
        reads={"corpus": 2},
        writes=("pred_probs",),
        warnings=[valid_probs.imprecise(n_imprecise)] if n_imprecise else [],
    )
