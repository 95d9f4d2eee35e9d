"""What the embed stage runs on executors: Arrow batches in, Arrow batches out."""

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakewinnow import columns as c
from lakewinnow.config.sections import EmbeddingConfig
from lakewinnow.core.text import normal_form
from lakewinnow.embedding import registry
from lakewinnow.embedding.requests.engine import EmbeddedTexts, RefusedText, Requests, Share
from lakewinnow.errors import ProviderError, Shown
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.schemas import schema

EMBEDDED: Final = "embedded"
REFUSED: Final = "refused"
REQUESTS: Final = "requests"
DEBT: Final = "debt"  # of seconds, to those who come after: see `Pace.debt`
STOPPED: Final = "stopped"  # by which ProviderError: see `error_of`
SECONDS: Final = "seconds"
COUNTS: Final = (EMBEDDED, REFUSED, c.TOKENS, REQUESTS)

# A row is a text's vector, or why it has none; a task's last row has no key and tells what it took.
MADE = schema(
    {
        c.TEXT_KEY: "binary?",
        c.VECTOR: "array<float>?",
        c.ERROR_CODE: "string?",
        c.ERROR: "string?",
        EMBEDDED: "bigint?",
        REFUSED: "bigint?",
        c.TOKENS: "bigint?",
        REQUESTS: "bigint?",
        DEBT: "double?",
        STOPPED: "string?",
    }
)
TIMED = schema({c.TOKENS: "bigint", SECONDS: "double"})


def embed(
    batches: Iterable[pa.RecordBatch], config: EmbeddingConfig, share: Share
) -> Iterator[pa.RecordBatch]:
    """Embed a chunk: rows of text_key and text in, rows of `MADE` out.

    Nothing is raised for what the provider does: what is paid for must get into the store first.
    """
    read = list(batches)
    if not read:
        return
    chunk = pa.Table.from_batches(read)
    requests = _requests(config, share)
    keys = chunk.column(c.TEXT_KEY).combine_chunks()
    n_made = {EMBEDDED: 0, REFUSED: 0}
    for made in requests.run(_texts(chunk)):
        made_rows = rows(keys, made, is_half=config.precision == "float16")
        n_made[REFUSED if isinstance(made, RefusedText) else EMBEDDED] += len(made_rows)
        yield made_rows
    yield _row(
        **n_made,
        tokens=requests.n_tokens,
        requests=requests.n_requests,
        debt=requests.debt_s,
        stopped=requests.stopped and _as_text(requests.stopped),
    )


def _as_text(error: ProviderError) -> str:
    code, where, expected, got, hint = error.args
    return json.dumps([code, where, expected, got if isinstance(got, Shown) else repr(got), hint])


def error_of(text: str) -> ProviderError:
    """Return the error that stopped a task, from what is in `STOPPED`."""
    code, where, expected, got, hint = json.loads(text)
    return ProviderError(code, where, expected, Shown(got), hint)


def count_tokens(
    batches: Iterable[pa.RecordBatch], config: EmbeddingConfig
) -> Iterator[pa.RecordBatch]:
    """Replace the estimate in `tokens` by what the provider will count."""
    embedder = registry.load(config)
    most = embedder.limits.tokens_per_input if config.long_texts != "split-mean" else None
    for batch in batches:
        at = batch.schema.get_field_index(c.TOKENS)
        counted = np.asarray(embedder.count_tokens(_texts(batch)), np.int64)
        counted = counted if most is None else np.minimum(counted, most)
        yield batch.set_column(at, batch.schema.field(at), pa.array(counted))


def time_sample(
    batches: Iterable[pa.RecordBatch], config: EmbeddingConfig
) -> Iterator[pa.RecordBatch]:
    """Embed some texts for the time it takes, after the model is loaded."""
    for batch in batches:
        texts = _texts(batch)
        list(_requests(config, Share()).run(texts[:1]))  # loads the model
        started = time.monotonic()
        list(_requests(config, Share()).run(texts))
        yield arrow.record_batch(
            TIMED,
            {
                c.TOKENS: [int(pc.sum(batch.column(c.TOKENS)).as_py())],
                SECONDS: [time.monotonic() - started],
            },
        )


def _requests(config: EmbeddingConfig, share: Share) -> Requests:
    return Requests(
        registry.load(config),
        long_texts=config.long_texts,
        batch_size=config.batch_size,
        max_retries=config.openai.max_retries,
        share=share,
    )


def _texts(rows: pa.RecordBatch | pa.Table) -> list[str]:
    return list(map(normal_form, rows.column(c.TEXT).to_pylist()))


def rows(
    keys: pa.Array, made: EmbeddedTexts | RefusedText, *, is_half: bool = False
) -> pa.RecordBatch:
    """Return rows of `MADE`: what became of some of the texts with these keys.

    Parameters
    ----------
    is_half : whether vectors are rounded to half precision
    """
    if isinstance(made, RefusedText):
        key = keys[made.position].as_py()
        return _row(text_key=key, error_code=made.code, error=made.reason)
    vectors = made.vectors
    if is_half:
        vectors = vectors.astype(np.float16).astype(np.float32)
    columns: dict[str, Any] = dict.fromkeys(MADE.fieldNames(), pa.nulls(len(vectors)))
    columns[c.TEXT_KEY] = keys.take(pa.array(made.positions))
    columns[c.VECTOR] = arrow.list_array(vectors)
    return arrow.record_batch(MADE, columns)


def _row(**values: object) -> pa.RecordBatch:
    return arrow.record_batch(MADE, {name: [values.get(name)] for name in MADE.fieldNames()})
