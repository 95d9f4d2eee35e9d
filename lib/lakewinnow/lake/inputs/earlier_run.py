"""A finished run that another one is compared with: what is read of its workspace."""

import hashlib
from dataclasses import dataclass

import yaml
from pyspark.sql import DataFrame, SparkSession

from lakewinnow import columns as c
from lakewinnow.config.sections import EmbeddingIdentity
from lakewinnow.errors import ConfigError, DataError, Shown
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.files import Files, absolute
from lakewinnow.lake.vectors.embedding_store import EmbeddingStore, VectorsOfInput
from lakewinnow.lake.workspace import Lake

_NOISE_MODEL = "noise_model.json"


@dataclass(frozen=True)
class EarlierRun:
    """A workspace to read from."""

    lake: Lake  # of the workspace, in which nothing is to be written
    fingerprint: str  # of its rows and its noise model

    @property
    def has_own_vectors(self) -> bool:
        """Whether the vectors were the input's own."""
        return self.lake.figures("ingest", Ingested).own_vectors

    def vectors(self, identity: EmbeddingIdentity) -> DataFrame:
        """Return (text_key, vector) of an embedding, none where that run had another."""
        if self.has_own_vectors:
            return VectorsOfInput(self.lake).vectors(identity)
        written = yaml.safe_load(self.lake.files.read_bytes("config.yaml") or b"") or {}
        path = written.get("embedding", {}).get("store") or self.lake.files.path("embeddings")
        store = EmbeddingStore(self.lake.spark, absolute(path))
        return store.vectors(identity, distinct=False).select(c.TEXT_KEY, c.VECTOR)


def is_workspace(path: str) -> bool:
    """Whether a path is that of a workspace that has a noise model."""
    try:
        return Files(path).exists(_NOISE_MODEL)
    except ConfigError:  # of a file system that Spark alone may know: a table's
        return False


def open_run(spark: SparkSession, path: str, own_workspace: str, where: str) -> EarlierRun:
    """Open the workspace of an earlier run.

    Parameters
    ----------
    where : what an error names

    Raises
    ------
    ConfigError : "same_workspace"
    DataError : "no_corpus", of a run that has not come so far, or that is being done again
    """
    lake = Lake(spark, path)
    if lake.files.root == Lake(spark, own_workspace).files.root:
        expected, hint = (
            "a different workspace from this run's",
            "--set workspace=… sets this run's",
        )
        raise ConfigError("same_workspace", where, expected, path, hint)
    commit = lake.committed("ingest")
    if commit is None:
        expected, hint = "a finished run's workspace", "is that run still in progress?"
        raise DataError("no_corpus", where, expected, Shown(f"{path}, without corpus/"), hint)
    content = lake.files.read_bytes(_NOISE_MODEL) or b""
    digest = hashlib.sha256(f"{lake.files.root} {commit.fingerprint}".encode() + content)
    return EarlierRun(lake, digest.hexdigest())
