"""Corpora of any size for benchmarks: texts of ten classes, with label errors planted."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tokenizers import Tokenizer

N_CLASSES = 10
ERRORS = 0.1  # share of rows whose label is another class's
COPIES = 0.02  # share of rows that have an earlier row's text
N_WORDS, TOPIC_WORDS = 12_000, 150
MEDIAN_WORDS, MOST_WORDS = 25, 300  # a text's, with long tails, as messages have
ROWS = 100_000  # made at once, which bounds the memory


def write(path: Path, n_rows: int) -> None:
    """Write a table of id, text, label and true_label.

    A word is one of its class's 150 in three of ten cases on average, by the text, else any of
    12,000 with the frequencies of a natural language (Zipf). So the same classes, lengths and share
    of errors come in every size.
    """
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for start in range(0, n_rows, ROWS):
            writer.write_table(_rows(start, min(ROWS, n_rows - start)))


SCHEMA = pa.schema(
    {"id": pa.string(), "text": pa.string(), "label": pa.string(), "true_label": pa.string()}
)


def _rows(start: int, n: int) -> pa.Table:
    rng = np.random.default_rng([7, start])
    true = rng.choice(N_CLASSES, n, p=_sizes())
    lengths = np.clip(rng.lognormal(np.log(MEDIAN_WORDS), 0.6, n), 3, MOST_WORDS).astype(np.int64)
    of_topic = np.repeat(rng.beta(3, 7, n), lengths)
    n_words = int(lengths.sum())
    words = rng.choice(N_WORDS, n_words, p=_zipf(N_WORDS))
    topics = np.random.default_rng(7).permutation(N_WORDS)[: N_CLASSES * TOPIC_WORDS]
    in_topic = rng.random(n_words) < of_topic
    of_class = np.repeat(true, lengths)[in_topic]
    nth = rng.choice(TOPIC_WORDS, len(of_class), p=_zipf(TOPIC_WORDS))
    words[in_topic] = topics.reshape(N_CLASSES, TOPIC_WORDS)[of_class, nth]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), _vocabulary().take(words))
    texts = pc.binary_join(lists, " ")
    earlier = np.arange(n)
    copied = np.flatnonzero(rng.random(n) < COPIES)
    earlier[copied] = rng.integers(0, np.maximum(copied, 1))
    true, given = true[earlier], true[earlier]
    wrong = rng.random(n) < ERRORS
    given[wrong] = (true + rng.choice([1, 2, 5], n, p=[0.6, 0.2, 0.2]))[wrong] % N_CLASSES
    names = pa.array([f"class_{k}" for k in range(N_CLASSES)])
    return pa.table(
        {
            "id": [f"{row:09}" for row in range(start, start + n)],
            "text": texts.take(earlier),
            "label": names.take(given),
            "true_label": names.take(true),
        },
        schema=SCHEMA,
    )


def _sizes() -> np.ndarray:
    shares = 1 / np.arange(2, N_CLASSES + 2) ** 0.5
    return shares / shares.sum()


@cache
def _zipf(n: int) -> np.ndarray:
    shares = 1 / np.arange(3, n + 3)
    return shares / shares.sum()


@cache
def _vocabulary() -> pa.Array:
    """Words that the static embedding knows, the likeliest first as far as its order tells."""
    tokenizer = Path(find_spec("wordllama").origin).parent / "tokenizers"
    known = Tokenizer.from_file(str(tokenizer / "l2_supercat_tokenizer_config.json")).get_vocab()
    words = [
        token[1:]
        for token in sorted(known, key=known.__getitem__)
        if token[0] == "▁" and len(token) > 2 and token[1:].isalpha()
    ]
    if len(words) < N_WORDS:
        raise SystemExit(f"{len(words)} words, where {N_WORDS} were to be")
    return pa.array(words[:N_WORDS])
