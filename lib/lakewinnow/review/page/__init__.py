"""The page that a person reviews on: one file that needs nothing else, no network either."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

import pyarrow as pa

from lakewinnow import columns as c

MAX_BYTES: Final = 2_500_000  # of all rows on the page; long texts are cut until they fit
_SHORTER: Final = 0.8
_MARKUP: Final = re.compile("[<>&\u2028\u2029]")


def page(id_: str, classes: Sequence[str], rows: pa.Table) -> str:
    """Return the page of a sample as HTML.

    Parameters
    ----------
    id_ : of the sample, which the page keeps answers under
    """
    script = _template("review.js")
    hash_ = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {
        "SCRIPT_HASH": f"'sha256-{hash_}'",
        "STYLE": _template("review.css"),
        "SCRIPT": script,
        "DATA": _data(id_, classes, rows.to_pylist()),  # last: a text may look like one of these
    }
    whole = _template("review.html")
    for name, part in parts.items():
        before, _, after = whole.partition(f"{{{{{name}}}}}")
        whole = f"{before}{part}{after}"
    return whole


def _template(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _data(id_: str, classes: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what the page shows as JSON that can stand in HTML, with texts that fit."""
    index = {name: k for k, name in enumerate(classes)}
    texts = [row[c.TEXT] for row in rows]
    n_bytes = [len(_json(text).encode()) / max(len(text), 1) for text in texts]  # of a character
    limit = max(map(len, texts), default=0)
    while True:
        about = sum(min(len(text), limit) * n for text, n in zip(texts, n_bytes, strict=True))
        if about <= MAX_BYTES or not limit:
            shown = [_shown(row, index, limit) for row in rows]
            data = _json({"sample": id_, "classes": list(classes), "rows": shown})
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
    }


def _json(content: object) -> str:
    """Return JSON in which no character can end the element that it stands in."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return _MARKUP.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
