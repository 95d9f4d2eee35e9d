"""Texts asked about: what the store has is not asked again, and what is paid for gets into it.

An answer is a file of the store as soon as it comes, where the store is on a local disk; the files
of a round become one in the end.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from lakewinnow import columns as c
from lakewinnow.config.sections import EmbeddingIdentity, LLMConfig
from lakewinnow.embedding import tasks
from lakewinnow.embedding.base import OPINIONS
from lakewinnow.embedding.cost import EmbeddingCost
from lakewinnow.embedding.openai.batches import BatchRun, BatchState
from lakewinnow.embedding.requests.engine import EmbeddedTexts, RefusedText, Requests, Share
from lakewinnow.embedding.requests.sending import cost_limit
from lakewinnow.errors import ProviderError
from lakewinnow.lake.files import Files, absolute
from lakewinnow.lake.json_records import JsonRecords
from lakewinnow.lake.vectors.embedding_store import EmbeddingStore
from lakewinnow.lake.workspace import Lake
from lakewinnow.opinions.llm.annotator import ChatAnnotator
from lakewinnow.opinions.llm.answers import Answers
from lakewinnow.opinions.llm.question import Question
from lakewinnow.plan.words import counted

STORE: Final = "opinion_store"
BATCHES: Final = "opinion_batches"
COST_LIMIT: Final = "cost_limit"
_SECONDS_A_FILE: Final = 5.0  # at least, where the store is not on a local disk

Vector = NDArray[np.float32]
ReportAnswers = Callable[[int], None]  # gets how many texts are answered


def store_of(lake: Lake, config: LLMConfig) -> EmbeddingStore:
    """Return where opinions are kept."""
    return EmbeddingStore(lake.spark, absolute(config.store or lake.files.path(STORE)))


class Asker:
    """Asks a language model one question about texts.

    Parameters
    ----------
    texts : (text_key) of the corpus: the store may have answers to others

    Attributes
    ----------
    answers : by text key, rows as of `Answers`, those that were asked for
    refused : keys of texts that the service does not take
    n_new, n_requests : texts that were answered, and requests made, now
    """

    def __init__(self, lake: Lake, config: LLMConfig, question: Question, texts: DataFrame) -> None:
        self.annotator = ChatAnnotator(config, question)
        self.cost = EmbeddingCost(self.annotator.limits, config.max_cost_usd, OPINIONS)
        self.answers: dict[bytes, Vector] = {}
        self.refused: set[bytes] = set()
        self.n_new = self.n_requests = 0
        self._config, self._files, self._debt_s = config, lake.files, 0.0
        self._n_lost = 0  # units of answers that may be billed, and did not arrive
        self._identity = EmbeddingIdentity(
            self.annotator.name, self.annotator.model, self.annotator.dimensions
        )
        self._store = store_of(lake, config)
        self.stored = self._read(texts)

    def _read(self, texts: DataFrame) -> dict[bytes, Vector]:
        if not self._store.exists():
            return {}
        known = self._store.vectors(self._identity).join(texts, c.TEXT_KEY, "left_semi").toArrow()
        keys = map(bytes, known.column(c.TEXT_KEY).to_pylist())
        vectors = (np.array(row, np.float32) for row in known.column(c.VECTOR).to_pylist())
        return dict(zip(keys, vectors, strict=True))

    @property
    def said(self) -> Answers:
        """All answers, in the order of the text keys."""
        return self.in_order(self.answers)

    def in_order(self, answers: Mapping[bytes, Vector]) -> Answers:
        """Return answers in the order of the text keys."""
        rows = [answers[key] for key in sorted(answers)]
        return Answers.of(np.array(rows, np.float32).reshape(len(rows), self._identity.dimensions))

    def usd_of(self, said: Answers) -> float | None:
        """Return what answers have cost; None where a price is not known."""
        n_prompt, n_answer = int(said.prompt_tokens.sum()), int(said.answer_tokens.sum())
        return self.annotator.prices.usd(n_prompt, n_answer)

    @property
    def note(self) -> str:
        """What all answers took, in words."""
        said = self.said
        n_tokens, usd = int(said.prompt_tokens.sum() + said.answer_tokens.sum()), self.usd_of(said)
        return counted(n_tokens, "token") + (f", {usd:.4f} USD" if usd else "")

    @property
    def units(self) -> int:
        """What all answers took, whenever they were paid for: see `Prices.units`."""
        said = self.said
        both = zip(said.prompt_tokens.tolist(), said.answer_tokens.tolist(), strict=True)
        return sum(self.annotator.prices.units(*of) for of in both)

    def ask(
        self, keys: Sequence[bytes], texts: Sequence[str], report: ReportAnswers
    ) -> ProviderError | None:
        """Ask about texts, the first of them first.

        Returns
        -------
        why not all were asked about: the budget, "cost_limit", or what else stopped it
        """
        known = {key: self.stored[key] for key in keys if key in self.stored}
        self.answers |= known
        new = [i for i, key in enumerate(keys) if key not in known]
        share = self.cost.share(1, self.units + self._n_lost, self._debt_s)
        ask = self._by_batch if self._config.mode == "batch" else self._at_once
        files: list[str] = []
        self._stopped: ProviderError | None = None
        for rows in ask([keys[i] for i in new], [texts[i] for i in new], share):
            self._keep(rows, files)
            report(len(self.answers) + len(self.refused))
        self._store.put_together(files)
        return self._stopped

    def _keep(self, rows: pa.RecordBatch, files: list[str]) -> None:
        files.append(self._store.put(self._identity, rows))
        for key, vector in zip(
            rows.column(c.TEXT_KEY).to_pylist(), rows.column(c.VECTOR).to_pylist(), strict=True
        ):
            if vector is None:
                self.refused.add(bytes(key))
            else:
                self.answers[bytes(key)] = np.array(vector, np.float32)
                self.n_new += 1

    def _at_once(
        self, keys: Sequence[bytes], texts: Sequence[str], share: Share
    ) -> Iterator[pa.RecordBatch]:
        requests = Requests(self.annotator, max_retries=self._config.max_retries, share=share)
        waits = 0.0 if self._store.files.is_local else _SECONDS_A_FILE
        waiting: list[pa.RecordBatch] = []
        written = time.monotonic()
        for made in requests.run(texts):
            waiting.append(_rows(keys, made))
            if time.monotonic() - written >= waits:
                yield _together(waiting)
                waiting, written = [], time.monotonic()
        if waiting:
            yield _together(waiting)
        self.n_requests += requests.n_requests
        self._n_lost += requests.n_lost
        self._debt_s, self._stopped = requests.debt_s, requests.stopped

    def _by_batch(
        self, keys: Sequence[bytes], texts: Sequence[str], share: Share
    ) -> Iterator[pa.RecordBatch]:
        """Ask about those that are sure to be within the budget, in one go."""
        n = _n_within(self.annotator.count_tokens(texts), share.tokens)
        if not n:  # what is left may be asked about by another batch, once this one's bill is known
            self._stopped = cost_limit(share.tokens, 0, OPINIONS) if keys else None
            return
        named = hashlib.sha256(b"".join(sorted(keys[:n]))).hexdigest()[:12]
        batches = batch_run(self.annotator, self._config, self._files, share)
        made = [_rows(keys, of) for of in batches.run(named, texts[:n])]
        if made:
            yield _together(made)
        self.n_requests += batches.n_requests
        self._stopped = batches.stopped


def records(files: Files) -> JsonRecords[BatchState]:
    """Return what is known of the batches of a workspace."""
    return JsonRecords(files, BATCHES, BatchState)


def batch_run(
    annotator: ChatAnnotator,
    config: LLMConfig,
    files: Files,
    share: Share = Share(),  # noqa: B008 - frozen
) -> BatchRun:
    """Return what asks by batches, knowing those of a workspace."""
    known = records(files)
    return BatchRun(
        embedder=annotator,
        states=known.all(),
        save=lambda state: known.save(state.file_id, state),
        share=share,
        poll_s=config.poll_s,
        max_retries=config.max_retries,
    )


def _rows(keys: Sequence[bytes], made: EmbeddedTexts | RefusedText) -> pa.RecordBatch:
    columns = [c.TEXT_KEY, c.VECTOR, c.ERROR_CODE, c.ERROR]
    return tasks.rows(pa.array(keys, pa.binary()), made).select(columns)


def _together(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    (both,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return both


def _n_within(tokens: Sequence[int], most: int | None) -> int:
    """Return how many of the first are within a bound together."""
    if most is None:
        return len(tokens)
    return int(np.searchsorted(np.cumsum(tokens), most, side="right"))
