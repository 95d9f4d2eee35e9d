"""The embedding store: vectors by (provider, model, dimensions, text key), shared between runs.

Rows are only ever added, and every row is whole in itself, so a run killed while it appends leaves
vectors that the next run need not pay for again. Two runs at once may both add a text: the same
vector twice, of which `vectors` gives one. A text that the provider refused is in the store too,
with the reason in the place of the vector.

`VectorsOfInput` are the other place that vectors can be in: a table of one workspace, made from the
user's own embeddings or features, in which nothing is worth sharing.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from lakewinnow import columns as c
from lakewinnow.config.sections import HALF, EmbeddingConfig, EmbeddingIdentity
from lakewinnow.lake.files import Files, absolute
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.schemas import schema
from lakewinnow.spark.sessions import cluster
from lakewinnow.spark.sessions.object_stores import engine_path

EMBEDDINGS = schema(
    {
        c.TEXT_KEY: "binary",
        c.PROVIDER: "string",
        c.MODEL: "string",
        c.DIMENSIONS: "int",
        c.VECTOR: "array<float>?",
        c.ERROR_CODE: "string?",
        c.ERROR: "string?",
    }
)
APPENDING = "_appending"  # a folder for each append that is under way
_ROW_GROUP_BYTES: Final = 32 * 2**20
_DICTIONARY: Final = "parquet.enable.dictionary#vector.list.element"  # an option of Spark's writer
VECTORS = StructType([EMBEDDINGS[c.TEXT_KEY], EMBEDDINGS[c.VECTOR]])


class EmbeddingStore:
    """Vectors that are paid for once.

    Parameters
    ----------
    path : folder of the store; it need not exist yet

    Attributes
    ----------
    may_repeat : whether a text's vector may be there twice
    """

    may_repeat = True

    def __init__(self, spark: SparkSession, path: str) -> None:
        self._spark = spark
        self.files = Files(engine_path(spark, path))

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
        distinct : a text once, which takes a shuffle of the vectors; else as often as it was stored
        """
        stored = self._of(identity).where(F.col(c.ERROR_CODE).isNull())
        stored = stored.select(c.TEXT_KEY, c.VECTOR)
        return cluster.first_of_group(stored, [c.TEXT_KEY]) if distinct else stored

    def refused(self, identity: EmbeddingIdentity) -> DataFrame:
        """Return (text_key, error_code, error) of the texts that have no vector; a text once."""
        refused = self._of(identity).where(F.col(c.ERROR_CODE).isNotNull())
        once = refused.groupBy(c.TEXT_KEY).agg(
            F.min(c.ERROR_CODE).alias(c.ERROR_CODE), F.min(c.ERROR).alias(c.ERROR)
        )
        return once.join(self.vectors(identity, distinct=False), c.TEXT_KEY, "left_anti")

    def add(self, identity: EmbeddingIdentity, made: DataFrame) -> None:
        """Add what a provider has made: rows of text_key, vector, error_code and error."""
        with self.appending() as folder:
            self.write(identity, made, folder)

    @staticmethod
    def write(identity: EmbeddingIdentity, made: DataFrame, folder: str) -> None:
        """Write what a provider has made into a folder of `appending`."""
        filed = {name: F.lit(value) for name, value in vars(identity).items()}
        rows = made.withColumns(filed).select(*EMBEDDINGS.fieldNames())
        rows.write.option(_DICTIONARY, _repeats_numbers(identity)).parquet(folder)

    def append(self, embedded: DataFrame) -> None:
        """Add rows of the schema `EMBEDDINGS`."""
        with self.appending() as folder:
            embedded.write.parquet(folder)

    @contextmanager
    def appending(self) -> Iterator[str]:
        """Give the path of a folder whose files, once they are whole, become the store's.

        Other runs may have one at the same time; each has its own, as of two Spark jobs that write
        into one folder the first to end deletes what the other has written so far.
        """
        folder = f"{APPENDING}/{uuid.uuid4().hex}"
        try:
            yield self.files.path(folder)
        finally:  # whatever happened: what is in a whole file is paid for
            for name in _data_files(self.files, folder):
                self.files.move_file(f"{folder}/{name}", name)
            self.files.delete(folder)

    def put(self, identity: EmbeddingIdentity, made: pa.RecordBatch) -> str:
        """Add what this process has made, at once; return the name of its file.

        Parameters
        ----------
        made : rows of text_key, vector, error_code and error
        """
        rows = pa.Table.from_batches([_filed(made, identity, to_arrow_schema(EMBEDDINGS))])
        return self._put(rows)

    def put_together(self, names: Sequence[str]) -> None:
        """Make one file of several of `put`; it is whole before they go."""
        if len(names) > 1:
            self._put(self.files.read_parquet(names))
            for name in names:
                self.files.delete(name)

    def _put(self, rows: pa.Table) -> str:
        name = f"{uuid.uuid4().hex}.parquet"
        self.files.write_parquet(f"_{name}", rows)
        self.files.move_file(f"_{name}", name)
        return name

    @property
    def takes_files(self) -> bool:
        """Whether tasks can put files into the store themselves, by `write_rows`."""
        return self.files.is_local and cluster.is_local(self._spark)

    def _of(self, identity: EmbeddingIdentity) -> DataFrame:
        return self.rows().where(is_of(identity))


def write_rows(
    batches: Iterable[pa.RecordBatch], identity: EmbeddingIdentity, folder: str
) -> Iterator[pa.RecordBatch]:
    """Write what a provider has made as a file of `EmbeddingStore.appending`; on executors.

    Spark's writer takes every number of every vector in its hands: some 40 s of CPU for a million
    vectors of 256 numbers, where this takes 4 s.

    Parameters
    ----------
    batches : of rows of text_key, vector, error_code and error

    Yields
    ------
    the rows without a key, as they are
    """
    file = _NewFile(Path(folder, f"{uuid.uuid4().hex}.parquet"), identity)
    for batch in batches:
        has_key = pc.is_valid(batch.column(c.TEXT_KEY))
        file.add(batch.filter(has_key))
        if not pc.all(has_key).as_py():
            yield batch.filter(pc.invert(has_key))
    file.close()


class _NewFile:
    """A file of rows of `EMBEDDINGS`, many in a row group; there is none until it is closed."""

    def __init__(self, path: Path, identity: EmbeddingIdentity) -> None:
        self._path, self._identity = path, identity
        self._unfinished = path.with_name(f"_{path.name}")
        self._schema = to_arrow_schema(EMBEDDINGS)
        self._waiting: list[pa.RecordBatch] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, made: pa.RecordBatch) -> None:
        self._waiting.append(_filed(made, self._identity, self._schema))
        if sum(batch.nbytes for batch in self._waiting) > _ROW_GROUP_BYTES:
            self._write()

    def close(self) -> None:
        if any(map(len, self._waiting)):
            self._write()
        if self._writer is not None:
            self._writer.close()
            self._unfinished.replace(self._path)

    def _write(self) -> None:
        if self._writer is None:
            self._unfinished.parent.mkdir(parents=True, exist_ok=True)
            names = [name for name in self._schema.names if name != c.VECTOR]
            with_dictionary = True if _repeats_numbers(self._identity) else names
            self._writer = pq.ParquetWriter(
                self._unfinished, self._schema, use_dictionary=with_dictionary
            )
        self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema))
        self._waiting = []


def _filed(made: pa.RecordBatch, identity: EmbeddingIdentity, schema: pa.Schema) -> pa.RecordBatch:
    """Return rows of `EMBEDDINGS`, of what a provider has made."""
    filed = {name: pa.repeat(value, len(made)) for name, value in vars(identity).items()}
    columns = [
        (filed[field.name] if field.name in filed else made.column(field.name)).cast(field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _repeats_numbers(identity: EmbeddingIdentity) -> bool:
    """Whether a dictionary of the vectors' numbers pays: there are few in half precision only."""
    return identity.model.endswith(HALF)


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


class VectorsOfInput(EmbeddingStore):
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
    if ingested is not None and ingested.figures.get("own_vectors"):
        return VectorsOfInput(lake)
    return EmbeddingStore(lake.spark, absolute(config.store or lake.files.path("embeddings")))
