"""Export: the rows that stay as training and validation files for fine-tuning.

Reads    corpus/, issues/; with `export.soft_copies` pred_probs/, noise_model.json
Writes   exports/: train and validation files, and counts.json
Passes   1 to count, 1 to write each split, 1 over the files to check each line
Shuffle  one by row id (the join with the decisions), one of the examples into their files

Which rows are for validation, in which file an example is and where in it, are functions of its
text's key: equal texts are on one side, classes are mixed, and a second run writes the same bytes.

With `export.soft_copies` each row to train on is written that often, its labels apportioned by the
posterior (a row that a person has decided: all with that label), and the copies lie apart. A row
for validation is written once, with its label: whoever stops by a loss wants it of the labels.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import ExportConfig
from lakewinnow.core.evaluation.apportionment import apportion
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.errors import DataError, EngineError, Shown
from lakewinnow.figures.rows import Exported, Ingested, Split
from lakewinnow.lake import ordered_files
from lakewinnow.lake.corpus import in_corpus
from lakewinnow.lake.training import examples as finetuning
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.plan.words import counted
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.passes.posterior import probs_of
from lakewinnow.spark.schemas import schema
from lakewinnow.typed_json import to_json

EXPORTS: Final = "exports"
_STAGING: Final = "_staging"
_BYTES_PER_FILE: Final = 256 * 2**20  # on average; OpenAI takes 512 MB
_FEWEST: Final = 10  # examples that OpenAI trains on
_SPLITS: Final = ("train", "validation")
_NONE: Final = (0, 0, 0)
_EXAMPLE, _SPLIT, _HASH, _CLASS = "example", "split", "hash", "class"
_COPY, _SOFT = "copy", "soft"
_COPIES: Final = schema({c.ROW_ID: "string", _SOFT: "int", _COPY: "int"})


def run(lake: Lake, config: ExportConfig, text: Column | None = None) -> StageReport[Exported]:
    """Write the files.

    Parameters
    ----------
    text : what is written for the text of a row of corpus/, `lake.redaction`'s; None: the text

    Raises
    ------
    DataError : "too_few_examples": fewer than 10 to train on
    """
    classes = lake.figures("ingest", Ingested).classes
    examples = _examples(lake, config, classes, F.col(c.TEXT) if text is None else text)
    counts, n_too_long = _count(examples, config, classes)
    if counts["train"].rows < _FEWEST:
        expected = f"at least {_FEWEST} examples to train on"
        hint = "lower export.validation_fraction, or drop less"
        raise DataError("too_few_examples", "export", expected, counts["train"].rows, hint)
    examples = examples.where(F.col("tokens") <= config.max_tokens)
    target = _STAGING if lake.files.renames_folders else EXPORTS
    lake.versions.keep_files(EXPORTS)
    lake.files.delete(target)
    for split, of in counts.items():
        chosen = examples.where(F.col(_SPLIT) == split)
        of.files.extend(_write(lake, chosen, split, target, config, of.bytes))
    if config.format in finetuning.JSONL:
        _check(lake, target, config, classes)
    else:
        card = finetuning.dataset_card(classes, counts)
        lake.files.write_text(f"{target}/README.md", card)
    lake.files.write_json(f"{target}/counts.json", {**to_json(counts), "too_long": n_too_long})
    if target != EXPORTS:
        lake.files.move(target, EXPORTS)
    n_rows = sum(of.rows for of in counts.values())
    soft = () if config.soft_copies is None else ("pred_probs",)
    left_out = counted(n_too_long, "example", "is")
    too_long = f"{left_out} left out: more than {config.max_tokens:,} tokens"
    return StageReport(
        rows_in=n_rows + n_too_long,
        rows_out=n_rows,
        reads={name: 1 + len(counts) for name in ("corpus", "issues", *soft)},
        writes=tuple(f"{EXPORTS}/{path}" for path in sorted(lake.files.data_files(EXPORTS))),
        figures=Exported(exports=counts),
        warnings=[too_long] if n_too_long else [],
    )


def _examples(lake: Lake, config: ExportConfig, classes: list[str], text: Column) -> DataFrame:
    rows = _labelled(lake, config, classes)
    label = F.col(_CLASS)
    if config.format in finetuning.JSONL:
        example = finetuning.line(str(config.format), text, label, config.system)
        n_bytes = F.octet_length(example) + 1
    else:
        index = F.array_position(F.array(*map(F.lit, classes)), label) - 1
        example = F.struct(text.alias("text"), index.cast("bigint").alias("label"))
        n_bytes = F.octet_length(text)
    tokens = finetuning.n_tokens(example if config.format in finetuning.JSONL else text)
    order = [F.col(c.TEXT_KEY), F.lit("order")]
    if config.soft_copies is not None:
        order += [F.col(c.ROW_ID), F.col(_COPY)]  # equal texts apart, too
    return rows.select(
        c.ROW_ID,
        _CLASS,
        _COPY,
        example.alias(_EXAMPLE),
        n_bytes.alias("bytes"),
        tokens.alias("tokens"),
        F.shiftrightunsigned(F.xxhash64(*order), 1).alias(_HASH),
        _SPLIT,
    )


def _labelled(lake: Lake, config: ExportConfig, classes: list[str]) -> DataFrame:
    """Return the rows that stay, their split, and the label of each of their copies."""
    decided = lake.read("issues").select(c.ROW_ID, c.DECISION, c.NEW_LABEL, c.DECIDED_BY)
    rows = in_corpus(lake).join(decided, c.ROW_ID).where(F.col(c.DECISION).isin("keep", "fix"))
    is_train = finetuning.is_for_training(config.validation_fraction)
    rows = rows.withColumn(_SPLIT, F.when(is_train, "train").otherwise("validation"))
    label = F.coalesce(c.NEW_LABEL, c.GIVEN_LABEL)
    if config.soft_copies is None:
        return rows.withColumns({_CLASS: label, _COPY: F.lit(0)})
    posterior = Posterior.doubting(NoiseModel.from_dict(lake.files.read_json("noise_model.json")))
    copies = partial(_copies, posterior=posterior, n_copies=config.soft_copies)
    soft = lake.read("pred_probs").select(c.ROW_ID, c.LABEL, c.PRED_PROBS)
    rows = rows.join(map_batches(soft, copies, _COPIES), c.ROW_ID)
    rows = rows.where((F.col(_SPLIT) == "train") | (F.col(_COPY) == 0))
    is_soft = (F.col(_SPLIT) == "train") & F.col(c.DECIDED_BY).isNull()
    name = F.element_at(F.array(*map(F.lit, classes)), F.col(_SOFT) + 1)
    return rows.withColumn(_CLASS, F.when(is_soft, name).otherwise(label))


def _copies(
    batches: Iterable[pa.RecordBatch], posterior: Posterior, n_copies: int
) -> Iterator[pa.RecordBatch]:
    """Return the label of each copy of each row, by how probable the labels are."""
    for batch in batches:
        shares, n_rows = probs_of(batch, posterior), len(batch)
        rows, names = np.nonzero(counts := apportion(shares, n_copies))
        yield arrow.record_batch(
            _COPIES,
            {
                c.ROW_ID: batch.column(c.ROW_ID).take(np.repeat(np.arange(n_rows), n_copies)),
                _SOFT: np.repeat(names, counts[rows, names]),
                _COPY: np.tile(np.arange(n_copies), n_rows),
            },
        )


def _count(
    examples: DataFrame, config: ExportConfig, classes: list[str]
) -> tuple[dict[str, Split], int]:
    """Return what is to be written, its files yet to come; and how many examples are too long."""
    fits = (F.col("tokens") <= config.max_tokens).alias("fits")
    counted = examples.groupBy(_SPLIT, _CLASS, fits)
    sums = counted.agg(F.count("*"), F.sum("bytes"), F.sum("tokens")).collect()
    found = {(split, name): numbers for split, name, fit, *numbers in sums if fit}
    price, counts = config.price_per_million_tokens, {}
    for split in _SPLITS:
        by_class = {name: found[split, name] for name in classes if (split, name) in found}
        rows, n_bytes, tokens = (
            map(sum, zip(*by_class.values(), strict=True)) if by_class else _NONE
        )
        if rows or split == "train":
            is_priced = split == "train" and price is not None
            counts[split] = Split(
                rows=rows,
                bytes=n_bytes,
                tokens=tokens,
                by_class={name: n for name, (n, *_) in by_class.items()},
                usd_per_epoch=round(tokens * (price or 0) / 1e6, 6) if is_priced else None,
                files=[],
            )
    return counts, sum(n for _, _, fit, n, *_ in sums if not fit)


def _write(
    lake: Lake, examples: DataFrame, split: str, target: str, config: ExportConfig, n_bytes: int
) -> list[str]:
    """Write a split's files, and return their names."""
    n_files = max(1, -(-n_bytes // _BYTES_PER_FILE))
    at = F.least(F.floor(F.col(_HASH) / F.lit(2.0**63 / n_files)), F.lit(n_files - 1))
    is_jsonl = config.format in finetuning.JSONL
    names = [_name(split, i, n_files, is_jsonl=is_jsonl) for i in range(n_files)]
    columns = [_EXAMPLE]
    if not is_jsonl:
        columns = ["text", "label"]
        examples = examples.select(_HASH, c.ROW_ID, _COPY, f"{_EXAMPLE}.*")
    order = [_HASH, c.ROW_ID, _COPY]
    in_target = [f"{target}/{name}" for name in names]
    written = ordered_files.write(lake, examples, at, order, columns, in_target)
    return [name.removeprefix(f"{target}/") for name in written]


def _name(split: str, i: int, n_files: int, *, is_jsonl: bool) -> str:
    number = f"-{i:05}-of-{n_files:05}"
    return (
        f"{split}{number if n_files > 1 else ''}.jsonl"
        if is_jsonl
        else f"data/{split}{number}.parquet"
    )


def _check(lake: Lake, target: str, config: ExportConfig, classes: list[str]) -> None:
    """Read every line that was written, as a trainer would."""
    check = partial(_faults, of=(str(config.format), classes, config.max_tokens))
    files = [entry.base_name for entry in lake.files.entries(target)]
    paths = [lake.files.path(f"{target}/{name}") for name in files if name.endswith(".jsonl")]
    lines = lake.spark.read.text(paths)
    faults = map_batches(lines, check, "fault string").groupBy("fault").count().collect()
    if faults:
        expected = "lines that a trainer accepts"
        got = Shown(", ".join(f"{n:,} × {fault}" for fault, n in faults))
        raise EngineError("bad_example", "export", expected, got, "please report it")


def _faults(
    batches: Iterable[pa.RecordBatch], of: tuple[str, list[str], int]
) -> Iterator[pa.RecordBatch]:
    fault_of = finetuning.fault_of(*of)
    for batch in batches:
        faults = map(fault_of, batch.column(0).to_pylist())
        found = [fault for fault in faults if fault is not None]
        yield pa.record_batch({"fault": pa.array(found, pa.string())})
