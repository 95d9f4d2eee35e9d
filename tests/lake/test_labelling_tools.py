"""What tools for labelling import and export, by itself and by the tools' own packages."""

import json
from xml.etree import ElementTree as ET

import pytest

from lakewinnow.errors import DataError
from lakewinnow.lake.labelling_tools import TOOLS, Answer, answers

CLASSES = ["a, b", 'say "no"', "<b>&\n"]
NEEDS = "needs the extra `labelling-tools`: bash tests/run --with labelling-tools"
# Packages of others warn of what is theirs
THEIRS = pytest.mark.filterwarnings("ignore")


def ask_row(number, text="some text"):
    return {
        "ask_rank": number,
        "row_id": f"r,{number}",
        "text": text,
        "given_label": CLASSES[0],
        "suggested_label": CLASSES[2],
        "suggested_prob": 0.6,
        "given_label_prob": 0.3,
        "gain": 0.1,
        "why": "the text looks like it",
        "opinions": [{"annotator": "ann", "label": CLASSES[1]}],
    }


ROWS = [ask_row(1), ask_row(2, "https://example.org/<&>")]


def read(tool, content, row="row_id", question="label"):
    return [*answers(tool, json.dumps(content).encode(), "path", row, question)]


# --- Label Studio -------------------------------------------------------------------------------


def annotated(tasks, *annotations):
    """Return tasks as Label Studio exports them, each with the same annotations."""
    return [
        {"id": n, "predictions": [], **task, "annotations": annotations}
        for n, task in enumerate(tasks, 1)
    ]


def annotation(by, *chosen, **more):
    value = {"choices": [*chosen]}
    result = {"from_name": "label", "to_name": "text", "type": "choices", "value": value}
    return {"completed_by": by, "result": [result] if chosen else [], **more}


def test_label_studio_gets_tasks_and_answers_come_back():
    files = TOOLS["label-studio"].files(ROWS, CLASSES)
    tasks = json.loads(files["tasks.json"])
    assert tasks[1]["data"]["text"] == "https://example.org/<&>"
    assert tasks[0]["predictions"][0]["result"][0]["value"] == {"choices": [CLASSES[2]]}
    choices = ET.fromstring(files["interface.xml"]).iter("Choice")  # noqa: S314
    assert [choice.get("value") for choice in choices] == CLASSES
    exported = annotated(
        tasks,
        annotation(7, CLASSES[2]),
        annotation({"id": 8, "email": "ann@example.org"}, CLASSES[0]),
        annotation({"id": 9}, CLASSES[0], CLASSES[1]),
        annotation(7, CLASSES[1], was_cancelled=True),
    )
    found = read("label-studio", exported)
    assert found[:3] == [
        Answer("r,1", "7", CLASSES[2]),
        Answer("r,1", "ann@example.org", CLASSES[0]),
        Answer("r,1", "9", None),
    ]
    assert len(found) == 6
    of_others = read("label-studio", exported, "ask_rank", "another question")
    assert of_others[0] == Answer("1", "7", None)


@THEIRS
def test_label_studio_takes_tasks_and_interface():
    module = pytest.importorskip("label_studio_sdk.label_interface", reason=NEEDS)
    files = TOOLS["label-studio"].files(ROWS, CLASSES)
    interface = module.LabelInterface(files["interface.xml"])
    interface.validate()
    for task in json.loads(files["tasks.json"]):
        assert interface.validate_task({"data": task["data"]})
        assert interface.validate_prediction(task["predictions"][0])
        loaded = interface.load_task(task["data"])
        assert loaded.get_object("text").value == task["data"]["text"]
    assert interface.get_control("label").labels == CLASSES


# --- what is no export --------------------------------------------------------------------------


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("content", [b"text,label\n", b'{"a": 1}', b'[{"text": "x"}]', b"[1]"])
def test_another_file_is_named_with_a_way_on(tool, content):
    with pytest.raises(DataError) as caught:
        [*answers(tool, content, "input.annotations.path", "row_id", "label")]
    assert (caught.value.code, caught.value.where) == ("not_an_export", "input.annotations.path")
    assert caught.value.hint
