"""The files that a service learns from: two for each training set, as export writes them.

They are in the workspace's finetune/TRAINING SET/: train.jsonl and, where there is one,
validation.jsonl. Their bytes are a function of the rows, so a run that comes again knows its jobs.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import Config
from lakewinnow.errors import DataError, EngineError, Shown
from lakewinnow.finetuning.openai.jobs import Dataset
from lakewinnow.lake import ordered_files
from lakewinnow.lake.files import Files
from lakewinnow.lake.training import examples as finetuning
from lakewinnow.lake.training.training_sets import VARIANT
from lakewinnow.lake.workspace import Lake
from lakewinnow.plan.words import size as bytes_in_units

FOLDER: Final = "finetune"
_FORMAT: Final = "openai-chat"
_FEWEST: Final = 10  # examples that OpenAI trains on
_MOST_BYTES: Final = 512 * 10**6  # of a file
_SPLITS: Final = ("train", "validation")
_EXAMPLE: Final = "example"


@dataclass(frozen=True)
class Written:
    """The files of a training set."""

    variant: str
    names: tuple[str, ...]  # of the files in the workspace
    sha256: tuple[str, ...]  # of each
    # of all of them; tokens are those of `lake.training.examples.n_tokens`
    n_rows: int
    n_tokens: int
    n_trained: int  # tokens to train on, once

    def of_seed(self, files: Files, seed: int) -> Dataset:
        """Return the dataset of a job."""
        opened = [partial(_local_copy, files, name) for name in self.names]
        return Dataset(self.variant, seed, self.sha256, opened)


def write(
    lake: Lake, rows: DataFrame, config: Config, classes: Sequence[str], variants: Sequence[str]
) -> list[Written]:
    """Write the files of all training sets, and read them as a trainer would.

    Parameters
    ----------
    rows : variant, row_id, text_key, text, label
    """
    label = F.get(F.array(*map(F.lit, classes)), F.col(c.LABEL))
    example = finetuning.line(_FORMAT, F.col(c.TEXT), label, config.export.system)
    examples = rows.where(F.col(c.LABEL).isNotNull()).select(
        VARIANT,
        c.ROW_ID,
        example.alias(_EXAMPLE),
        finetuning.place().alias("place"),
        finetuning.is_for_training(config.export.validation_fraction).alias("is_train"),
    )
    fits = finetuning.n_tokens(F.col(_EXAMPLE)) <= config.export.max_tokens
    names = [f"{FOLDER}/{variant}/{split}.jsonl" for variant in variants for split in _SPLITS]
    number = F.array_position(F.array(*map(F.lit, variants)), F.col(VARIANT)) - 1
    at = number * len(_SPLITS) + F.when(F.col("is_train"), 0).otherwise(1)
    for name in names:
        lake.files.delete(name)
    order = ["place", c.ROW_ID]
    ordered_files.write(lake, examples.where(fits), at, order, [_EXAMPLE], names)
    return [_written(lake.files, variant, config, classes) for variant in variants]


def _written(files: Files, variant: str, config: Config, classes: Sequence[str]) -> Written:
    fault_of = finetuning.fault_of(_FORMAT, classes, config.export.max_tokens)
    names = [f"{FOLDER}/{variant}/{split}.jsonl" for split in _SPLITS]
    there = [name for name in names if files.exists(name)]
    read = [_read(files, name, fault_of) for name in there]
    n_examples = read[0][1] if there[:1] == names[:1] else 0
    if n_examples < _FEWEST:
        expected = f"at least {_FEWEST} examples of {variant!r} to train on"
        raise DataError("too_few_examples", "finetune.variants", expected, n_examples)
    digests, n_rows, n_tokens = zip(*read, strict=True)
    return Written(variant, tuple(there), digests, sum(n_rows), sum(n_tokens), n_tokens[0])


def _read(files: Files, name: str, fault_of: Any) -> tuple[str, int, int]:
    """Return the digest of a file, its lines, and their tokens, once each line was looked at."""
    size = files.size(name)
    if size > _MOST_BYTES:
        hint = "lower finetune.max_train_rows"
        expected = f"at most {bytes_in_units(_MOST_BYTES)}"
        raise DataError("file_too_large", name, expected, Shown(bytes_in_units(size)), hint)
    digest, n_rows, n_tokens = hashlib.sha256(), 0, 0
    with _local_copy(files, name) as copy:
        for line in copy:
            digest.update(line)
            fault = fault_of(line.decode().rstrip("\n"))
            if fault is not None:
                expected = "lines that a trainer accepts"
                raise EngineError("bad_example", name, expected, fault, "please report it")
            n_rows += 1
            n_tokens += finetuning.tokens_in(line)
    return digest.hexdigest(), n_rows, n_tokens


def _local_copy(files: Files, name: str) -> IO[bytes]:
    """Return a file of the workspace as one of this machine, gone when it is closed."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's
    with files.open(name) as source:
        shutil.copyfileobj(source, copy)
    copy.seek(0)
    return copy
