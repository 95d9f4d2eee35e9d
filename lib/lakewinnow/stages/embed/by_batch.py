"""Embedding by OpenAI's Batch API, from the driver, a chunk of texts after the other.

All chunks are sent before the first is waited for. What is known of the batches is in the
workspace's batches/, a JSON file each, and so is the plan: which texts are a chunk. A run that was
killed finds both, and goes on waiting. The plan goes when all is in the store; the records stay.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from lakewinnow import columns as c
from lakewinnow.config.sections import EmbeddingConfig
from lakewinnow.core.text import normal_form
from lakewinnow.embedding import tasks
from lakewinnow.embedding.openai.batches import BatchRun, BatchState
from lakewinnow.embedding.openai.embedder import OpenAIEmbedder
from lakewinnow.embedding.requests.engine import Share
from lakewinnow.lake.files import Files
from lakewinnow.lake.json_records import JsonRecords
from lakewinnow.plan.words import counted
from lakewinnow.stages.embed.todo import ReportProgress, Spent, Todo

_FOLDER: Final = "batches"
_PLAN: Final = f"{_FOLDER}/_plan_by_key.json"  # _plan.json dealt texts into other buckets
_CHUNK_BYTES: Final = 64 * 2**20  # of vectors, on the driver
_MOST_TEXTS: Final = 50_000  # in a batch


@dataclass(frozen=True)
class _Plan:
    """Buckets ``bounds[i] .. bounds[i + 1] - 1`` of n_buckets are chunk i."""

    identity: dict[str, Any]
    n_buckets: int
    bounds: list[int]

    def chunks(self) -> Iterator[tuple[str, int, int]]:
        """Yield the name of each chunk, its first bucket and the one after its last."""
        name = hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:12]
        for first, end in zip(self.bounds, self.bounds[1:], strict=False):
            yield f"{name}:{first}-{end}", first, end


def embed(todo: Todo, report_progress: ReportProgress) -> Spent:
    """Embed all new texts."""
    spent = Spent()
    if not todo.counts.n_new:
        return spent
    files = todo.lake.files
    plan = _plan_of(todo)
    if plan.n_buckets != len(todo.counts.new):  # an earlier run's, of another corpus
        todo = Todo(todo.lake, todo.config, plan.n_buckets)
    progress = _Progress(files, todo, report_progress)
    batches = _batch_run(todo.config, files, progress.save, todo.cost.share(1, 0))
    chunks = [chunk for chunk in plan.chunks() if todo.counts.new[chunk[1] : chunk[2]].any()]
    for name, first, end in chunks:
        batches.submit(name, _texts(todo.of_buckets(first, end))[1])
    is_half = todo.config.precision == "float16"
    for name, first, end in chunks:
        keys, texts = _texts(todo.of_buckets(first, end))
        made = [tasks.rows(keys, outcome, is_half=is_half) for outcome in batches.run(name, texts)]
        if made:
            _append(todo, pa.Table.from_batches(made), spent)
        if batches.stopped is not None:
            raise batches.stopped
    spent.tokens, spent.requests = batches.n_tokens, batches.n_requests
    files.delete(_PLAN)
    return spent


def cancel(config: EmbeddingConfig, files: Files) -> int:
    """Have the batches of a workspace that are under way cancelled; return how many there were."""
    batches = _batch_run(config, files, _Progress(files).save)
    n = sum(state.is_under_way for state in _records(files).all())
    batches.cancel()
    return n


def _plan_of(todo: Todo) -> _Plan:
    """Return the plan of a run that was killed, else a new one."""
    identity = vars(todo.identity)
    kept = todo.lake.files.read_json(_PLAN)
    if kept is not None and kept["identity"] == identity:
        return _Plan(**kept)
    most = min(_MOST_TEXTS, max(1, _CHUNK_BYTES // (4 * todo.identity.dimensions)))
    before = np.concatenate([[0], np.cumsum(todo.counts.new)])
    bounds = [0]
    while bounds[-1] < len(todo.counts.new):
        reach = before[bounds[-1]] + most
        end = int(np.searchsorted(before, reach, side="right")) - 1
        bounds.append(max(end, bounds[-1] + 1))
    plan = _Plan(identity, len(todo.counts.new), bounds)
    todo.lake.files.write_json(_PLAN, asdict(plan))
    return plan


def _batch_run(
    config: EmbeddingConfig,
    files: Files,
    save: Callable[[BatchState], None],
    share: Share = Share(),  # noqa: B008 - frozen
) -> BatchRun:
    return BatchRun(
        embedder=OpenAIEmbedder(config),
        states=_records(files).all(),
        save=save,
        long_texts=config.long_texts,
        share=share,
        poll_s=config.openai.poll_s,
        max_retries=config.openai.max_retries,
    )


def _records(files: Files) -> JsonRecords[BatchState]:
    return JsonRecords(files, _FOLDER, BatchState)


class _Progress:
    """Keeps the records of batches, and tells how far they are."""

    def __init__(
        self, files: Files, todo: Todo | None = None, report_progress: ReportProgress | None = None
    ) -> None:
        self._records, self._todo, self._report_progress = _records(files), todo, report_progress
        self._states: dict[str, BatchState] = {}

    def save(self, state: BatchState) -> None:
        self._records.save(state.file_id, state)
        self._states[state.file_id] = state
        if self._todo is not None and self._report_progress is not None:
            n_done = sum(of.n_completed for of in self._states.values())
            n_waiting = sum(of.is_under_way for of in self._states.values())
            note = f"{counted(n_waiting, 'batch')} under way"
            n_new = self._todo.counts.n_new
            self._report_progress(min(n_done, n_new), n_new, note)


def _texts(rows: DataFrame) -> tuple[pa.Array, list[str]]:
    """Return the keys and texts of a chunk, in the order of the keys."""
    table = rows.select(c.TEXT_KEY, c.TEXT).toArrow().sort_by(c.TEXT_KEY).combine_chunks()
    keys, texts = table.columns
    return keys.combine_chunks(), list(map(normal_form, texts.to_pylist()))


def _append(todo: Todo, made: pa.Table, spent: Spent) -> None:
    n_refused = len(made) - made.column(c.ERROR_CODE).null_count
    spent.refused += n_refused
    spent.embedded += len(made) - n_refused
    todo.store.add(todo.identity, todo.lake.spark.createDataFrame(made))
