"""The embedding store: vectors by (provider, model, dimensions, text key), shared between runs.

Rows are only ever added, and every row is whole in itself, so a run killed while it appends leaves
vectors that the next run need not pay for again. Two runs at once may both add a text: the same
vector twice, of which `vectors` gives one.

`OwnVectors` are the other place that vectors can be in: a table of one workspace, made from the
user's own embeddings or features, in which nothing is worth sharing.
"""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    FloatType,
    IntegerType,
    StringType,
    StructField,
    StructType,
)

from lakewinnow import columns as c
from lakewinnow.config import EmbeddingConfig, EmbeddingIdentity
from lakewinnow.lake.files import Files, absolute
from lakewinnow.lake.workspace import Lake

EMBEDDINGS = StructType(
    [
        StructField(c.TEXT_KEY, BinaryType(), nullable=False),
        StructField(c.PROVIDER, StringType(), nullable=False),
        StructField(c.MODEL, StringType(), nullable=False),
        StructField(c.DIMENSIONS, IntegerType(), nullable=False),
        StructField(c.VECTOR, ArrayType(FloatType(), containsNull=False), nullable=False),
    ]
)


VECTORS = StructType([EMBEDDINGS[c.TEXT_KEY], EMBEDDINGS[c.VECTOR]])


class EmbeddingStore:
    """Vectors that are paid for once.

    Parameters
    ----------
    spark : SparkSession
    path : str
        Folder of the store; it need not exist yet.
    """

    def __init__(self, spark: SparkSession, path: str) -> None:
        self._spark = spark
        self._files = Files(path)

    def exists(self) -> bool:
        """Whether anything was ever stored."""
        return self._files.exists()

    def size(self) -> int:
        """Bytes on disk."""
        return self._files.size("")

    def vectors(self, identity: EmbeddingIdentity) -> DataFrame:
        """Return (text_key, vector) of one provider, model and size; a text once."""
        if not self.exists():
            return self._spark.createDataFrame([], VECTORS)
        return (
            self._spark.read.schema(EMBEDDINGS)
            .parquet(self._files.root)
            .where(F.col(c.PROVIDER) == identity.provider)
            .where(F.col(c.MODEL) == identity.model)
            .where(F.col(c.DIMENSIONS) == identity.dimensions)
            .dropDuplicates([c.TEXT_KEY])
            .select(c.TEXT_KEY, c.VECTOR)
        )

    def append(self, embedded: DataFrame) -> None:
        """Add rows of the schema `EMBEDDINGS`."""
        embedded.write.mode("append").parquet(self._files.root)


class OwnVectors(EmbeddingStore):
    """The vectors of a workspace's vectors/; whoever asks for a provider's gets these."""

    def __init__(self, lake: Lake) -> None:
        super().__init__(lake.spark, lake.files.path("vectors"))
        self._lake = lake

    def vectors(self, _: EmbeddingIdentity) -> DataFrame:
        """Return (text_key, vector); a content once."""
        return self._lake.read("vectors")


def store_of(lake: Lake, config: EmbeddingConfig) -> EmbeddingStore:
    """Return where a run's vectors are: its own, the configured store, or the workspace's."""
    ingested = lake.committed("ingest")
    if ingested is not None and ingested.details.get("own_vectors"):
        return OwnVectors(lake)
    return EmbeddingStore(lake.spark, absolute(config.store or lake.files.path("embeddings")))
