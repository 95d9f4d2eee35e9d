"""Label Studio: tasks to import, the project's labelling interface, and its export as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from xml.etree import ElementTree as ET

from lakewinnow import columns as c

EXPORT: Final = "what Label Studio exports as JSON: a list of tasks with their annotations"
HINT: Final = (
    "choose JSON under Export, not JSON-MIN; or CSV, which input.annotations.format: csv reads"
)
_QUESTION, _TEXT = "label", "text"
_MOST_BUTTONS: Final = 20  # classes; of more there is a list to search in
_SHOWN: Final = (c.TEXT, c.ROW_ID, c.ASK_RANK, c.GIVEN_LABEL, c.WHY)


def files(rows: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Mapping[str, str]:
    """Return the files to import, by name.

    Parameters
    ----------
    rows : of ask/, in order
    """
    tasks = [{"data": {name: row[name] for name in _SHOWN}, **_predicted(row)} for row in rows]
    return {
        "tasks.json": json.dumps(tasks, ensure_ascii=False, indent=1) + "\n",
        "interface.xml": _interface(classes),
    }


def _predicted(row: Mapping[str, Any]) -> dict[str, Any]:
    result = {
        "from_name": _QUESTION,
        "to_name": _TEXT,
        "type": "choices",
        "value": {"choices": [row[c.SUGGESTED_LABEL]]},
    }
    by_us = {"model_version": "lakewinnow", "score": row[c.SUGGESTED_PROB], "result": [result]}
    return {"predictions": [by_us]}


def _interface(classes: Sequence[str]) -> str:
    """Return what goes under Settings, Labeling Interface, Code."""
    view = ET.Element("View")
    # Else a text that begins like an address is fetched
    ET.SubElement(view, "Text", name=_TEXT, value=f"${c.TEXT}", valueType="text")
    layout = "select" if len(classes) > _MOST_BUTTONS else "vertical"
    of = {"name": _QUESTION, "toName": _TEXT, "choice": "single", "layout": layout}
    choices = ET.SubElement(view, "Choices", of, required="true")
    for name in classes:
        ET.SubElement(choices, "Choice", value=name)
    ET.indent(view)
    return ET.tostring(view, encoding="unicode") + "\n"


def answers(tasks: Any, row: str, question: str) -> Iterator[tuple[object, object, object]]:
    """Yield row id, who, and label; an annotation that was skipped is none."""
    for task in tasks:
        for annotation in task["annotations"]:
            if annotation.get("was_cancelled"):
                continue
            chosen = [
                name
                for result in annotation["result"]
                if result["type"] == "choices" and result["from_name"] == question
                for name in result["value"]["choices"]
            ]
            label = chosen[0] if len(chosen) == 1 else None
            yield task["data"].get(row), _who(annotation["completed_by"]), label


def _who(by: Any) -> object:
    """Return the name of an annotator, of whom an export has the number, or some of the profile."""
    return (by.get("email") or by["id"]) if isinstance(by, dict) else by
