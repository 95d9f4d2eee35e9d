"""The page that a person reviews on: one file that needs nothing else, no network either."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final, NamedTuple

import pyarrow as pa

from lakewinnow import columns as c
from lakewinnow.plan.words import counted

MAX_BYTES: Final = 2_500_000  # of all rows on the page; long texts are cut until they fit
_SHORTER: Final = 0.8
_MARKUP: Final = re.compile("[<>&\u2028\u2029]")


class Purpose(NamedTuple):
    """What rows are reviewed for, in words of the page."""

    order: str
    then: str  # what to do with the decisions


SAMPLE: Final = Purpose(
    "Rows come in random order, so you may stop early.", "lakewinnow review measure CONFIG FILE"
)
QUEUE: Final = Purpose(
    "The rows come first of which an answer is worth most, so you may stop early.",
    "lakewinnow run CONFIG --set clean.decisions=FILE",
)


def page(id_: str, classes: Sequence[str], rows: pa.Table, purpose: Purpose = SAMPLE) -> str:
    """Return the page of a sample, or of another choice of rows, as HTML.

    Parameters
    ----------
    id_ : of the rows, which the page keeps answers under
    """
    script = _template("review.js")
    hash_ = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {
        "SCRIPT_HASH": f"'sha256-{hash_}'",
        "STYLE": _template("review.css"),
        "SCRIPT": script,
        "DATA": _data(
            id_, classes, rows.to_pylist(), purpose
        ),  # last: a text may look like one of these
    }
    whole = _template("review.html")
    for name, part in parts.items():
        before, _, after = whole.partition(f"{{{{{name}}}}}")
        whole = f"{before}{part}{after}"
    return whole


def _template(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _data(
    id_: str, classes: Sequence[str], rows: Sequence[Mapping[str, Any]], purpose: Purpose
) -> str:
    """Return what the page shows as JSON that can stand in HTML, with texts that fit."""
    index = {name: k for k, name in enumerate(classes)}
    texts = [row[c.TEXT] for row in rows]
    n_bytes = [len(_json(text).encode()) / max(len(text), 1) for text in texts]  # of a character
    near = (of["text"] for row in rows for of in row[c.NEAREST])
    limit = max(map(len, (*texts, *near)), default=0)
    while True:
        about = sum(min(len(text), limit) * n for text, n in zip(texts, n_bytes, strict=True))
        if about <= MAX_BYTES or not limit:
            shown = [_shown(row, index, limit) for row in rows]
            head = {"sample": id_, "classes": list(classes), **purpose._asdict()}
            data = _json({**head, "rows": shown})
            if len(data.encode()) <= MAX_BYTES or not limit:
                return data
        limit = int(limit * _SHORTER)


def _shown(row: Mapping[str, Any], index: Mapping[str, int], limit: int) -> dict[str, Any]:
    return {
        "id": row[c.ROW_ID],
        "text": row[c.TEXT][:limit],
        "length": row[c.TEXT_LENGTH],
        "given": index[row[c.GIVEN_LABEL]],
        "predicted": [index[row[c.PREDICTED_LABEL]], round(row[c.PREDICTED_PROB], 3)],
        "suggested": [index[row[c.SUGGESTED_LABEL]], round(row[c.SUGGESTED_PROB], 3)],
        "likely": [[index[of["label"]], round(of["prob"], 3)] for of in row[c.LIKELY_LABELS]],
        "why": _why(row[c.GAIN]) if c.GAIN in row else "",
        "opinions": [
            [of["annotator"], index[of["label"]], of["quality"]] for of in row[c.OPINIONS]
        ],
        "nearest": [[index[of["label"]], of["text"][:limit]] for of in row[c.NEAREST]],
    }


def _why(gain: float) -> str:
    """Say what one more opinion on a row is worth."""
    n_rows = next((n for n in (100, 1000, 10_000) if n * gain >= 1), None)
    if n_rows is None:
        return "One more opinion would hardly change what is believed of this row."
    more = counted(round(n_rows * gain), "more label")
    return f"One more opinion on each of {n_rows:,} rows like this makes about {more} right."


def _json(content: object) -> str:
    """Return JSON in which no character can end the element that it stands in."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return _MARKUP.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
