"""Argilla 2: a data set on disk, as `Dataset.from_disk` reads it and `to_disk` writes it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lakewinnow import columns as c

EXPORT: Final = "records.json as Argilla's Dataset.to_disk writes it"
HINT: Final = 'dataset.to_disk("FOLDER") makes it; the path is the folder or its records.json'
_QUESTION: Final = "label"
_KEPT: Final = (c.ASK_RANK, c.GIVEN_LABEL, c.SUGGESTED_LABEL, c.WHY)  # beside the text, not shown


def files(rows: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Mapping[str, str]:
    """Return the files to import, by name; it shows each suggestion, so there is none in them.

    Parameters
    ----------
    rows : of ask/, in order
    """
    records = [
        {
            "id": row[c.ROW_ID],
            "fields": {c.TEXT: row[c.TEXT]},
            "metadata": {c.ROW_ID: row[c.ROW_ID], **{name: row[name] for name in _KEPT}},
        }
        for row in rows
    ]
    contents = {
        ".argilla/dataset.json": {"name": "lakewinnow-ask"},
        ".argilla/settings.json": _settings(classes),
        "records.json": records,
    }
    return {
        name: json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        for name, content in contents.items()
    }


def _settings(classes: Sequence[str]) -> Mapping[str, Any]:
    options = [{"value": name, "text": name} for name in classes]
    return {
        "guidelines": "Choose the label that fits the text.",
        "fields": [{"name": c.TEXT, "title": "Text", "settings": {"type": "text"}}],
        "questions": [
            {
                "name": _QUESTION,
                "title": "Label",
                "settings": {"type": "label_selection", "options": options},
            }
        ],
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
    }


def answers(records: Any, row: str, question: str) -> Iterator[tuple[object, object, object]]:
    """Yield row id, who, and label; of a response that only was begun, or discarded, none."""
    for record in records:
        ids = {c.ROW_ID: record["id"], **(record["metadata"] or {})}
        for response in (record["responses"] or {}).get(question, ()):
            if response.get("status", "submitted") == "submitted":
                yield ids.get(row), response["user_id"], response["value"]
