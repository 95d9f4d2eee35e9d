"""The embedding store: vectors by (provider, model, dimensions, text key), shared between runs.

Rows are only ever added, and every row is whole in itself, so a run killed while it appends leaves
vectors that the next run need not pay for again. Two runs at once may both add a text: the same
vector twice, of which `vectors` gives one. A text that the provider refused is in the store too,
with the reason in the place of the vector.

`OwnVectors` are the other place that vectors can be in: a table of one workspace, made from the
user's own embeddings or features, in which nothing is worth sharing.
"""

import uuid
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, SparkSession
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
from lakewinnow.config import Config, EmbeddingConfig, EmbeddingIdentity
from lakewinnow.errors import DataError
from lakewinnow.lake.files import Files, absolute
from lakewinnow.lake.workspace import Lake

EMBEDDINGS = StructType(
    [
        StructField(c.TEXT_KEY, BinaryType(), nullable=False),
        StructField(c.PROVIDER, StringType(), nullable=False),
        StructField(c.MODEL, StringType(), nullable=False),
        StructField(c.DIMENSIONS, IntegerType(), nullable=False),
        StructField(c.VECTOR, ArrayType(FloatType(), containsNull=False), nullable=True),
        StructField(c.ERROR_CODE, StringType(), nullable=True),
        StructField(c.ERROR, StringType(), nullable=True),
    ]
)
APPENDING = "_appending"  # a folder for each append that is under way
VECTORS = StructType([EMBEDDINGS[c.TEXT_KEY], EMBEDDINGS[c.VECTOR]])


class EmbeddingStore:
    """Vectors that are paid for once.

    Parameters
    ----------
    spark : SparkSession
    path : str
        Folder of the store; it need not exist yet.

    Attributes
    ----------
    may_repeat : bool
        Whether a text's vector may be there twice.
    """

    may_repeat = True

    def __init__(self, spark: SparkSession, path: str) -> None:
        self._spark = spark
        self.files = Files(path)

    def exists(self) -> bool:
        """Whether anything was ever stored."""
        return bool(self.data_files())

    def size(self) -> int:
        """Bytes on disk."""
        return self.files.size("")

    def n_rows(self) -> int:
        """Rows of all providers and models, from the files' footers."""
        return self.files.count_rows("")

    def data_files(self) -> list[str]:
        """Names of the files that hold rows, in the store's folder."""
        return _data_files(self.files, "")

    def rows(self, names: Sequence[str] | None = None) -> DataFrame:
        """Return all rows, or those of some of the files, of the schema `EMBEDDINGS`."""
        if not self.exists():
            return self._spark.createDataFrame([], EMBEDDINGS)
        paths = [self.files.root] if names is None else [self.files.path(name) for name in names]
        return self._spark.read.schema(EMBEDDINGS).parquet(*paths)

    def vectors(self, identity: EmbeddingIdentity, *, distinct: bool = True) -> DataFrame:
        """Return (text_key, vector) of one provider, model and size.

        Parameters
        ----------
        distinct : bool
            A text once, which takes a shuffle of the vectors; else as often as it was stored.
        """
        stored = self._of(identity).where(F.col(c.ERROR_CODE).isNull())
        stored = stored.select(c.TEXT_KEY, c.VECTOR)
        return stored.dropDuplicates([c.TEXT_KEY]) if distinct else stored

    def refused(self, identity: EmbeddingIdentity) -> DataFrame:
        """Return (text_key, error_code, error) of the texts that have no vector; a text once."""
        refused = self._of(identity).where(F.col(c.ERROR_CODE).isNotNull())
        once = refused.groupBy(c.TEXT_KEY).agg(
            F.min(c.ERROR_CODE).alias(c.ERROR_CODE), F.min(c.ERROR).alias(c.ERROR)
        )
        return once.join(self.vectors(identity, distinct=False), c.TEXT_KEY, "left_anti")

    def add(self, identity: EmbeddingIdentity, made: DataFrame) -> None:
        """Add what a provider has made: rows of text_key, vector, error_code and error."""
        filed = {name: F.lit(value) for name, value in vars(identity).items()}
        self.append(made.withColumns(filed).select(*EMBEDDINGS.fieldNames()))

    def append(self, embedded: DataFrame) -> None:
        """Add rows of the schema `EMBEDDINGS`; other runs may do so at the same time.

        They are written into a folder of their own first: of two Spark jobs that write into one
        folder, the first to end deletes what the other has written so far.
        """
        folder = f"{APPENDING}/{uuid.uuid4().hex}"
        embedded.write.parquet(self.files.path(folder))
        for name in _data_files(self.files, folder):
            self.files.move_file(f"{folder}/{name}", name)
        self.files.delete(folder)

    def _of(self, identity: EmbeddingIdentity) -> DataFrame:
        return self.rows().where(is_of(identity))


def _data_files(files: Files, folder: str) -> list[str]:
    names = (entry.base_name for entry in files.entries(folder))
    return [name for name in names if name.endswith(".parquet") and name[0] not in "_."]


def is_of(identity: EmbeddingIdentity) -> Column:
    """Whether a row of the store is of one provider, model and size."""
    return (
        (F.col(c.PROVIDER) == identity.provider)
        & (F.col(c.MODEL) == identity.model)
        & (F.col(c.DIMENSIONS) == identity.dimensions)
    )


class OwnVectors(EmbeddingStore):
    """The vectors of a workspace's vectors/; whoever asks for a provider's gets these."""

    may_repeat = False

    def __init__(self, lake: Lake) -> None:
        super().__init__(lake.spark, lake.files.path("vectors"))
        self._lake = lake

    def vectors(self, _: EmbeddingIdentity, *, distinct: bool = True) -> DataFrame:  # noqa: ARG002
        """Return (text_key, vector); a content once."""
        return self._lake.read("vectors")


def store_of(lake: Lake, config: EmbeddingConfig) -> EmbeddingStore:
    """Return where a run's vectors are: its own, the configured store, or the workspace's."""
    ingested = lake.committed("ingest")
    if ingested is not None and ingested.details.get("own_vectors"):
        return OwnVectors(lake)
    return EmbeddingStore(lake.spark, absolute(config.store or lake.files.path("embeddings")))


def named_store(spark: SparkSession, config: Config) -> EmbeddingStore:
    """Return the store that a configuration names, whether or not its workspace is there.

    Raises
    ------
    DataError
        ``"no_store"``: there is nothing in it.
    """
    path = config.embedding.store or Files(config.workspace).path("embeddings")
    store = EmbeddingStore(spark, absolute(path))
    if not store.exists():
        hint = "`lakewinnow embed` fills it; embedding.store names another"
        raise DataError("no_store", "embedding.store", "a store with vectors", path, hint)
    return store
