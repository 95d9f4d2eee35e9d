"""Export: each row that stays in one file, equal texts on one side, the same bytes every time."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql.types import StringType, StructField, StructType

from builders import corpus_row, lake_in, make_commit, make_table
from lakewinnow.config.sections import ExportConfig
from lakewinnow.core.evaluation.apportionment import apportion
from lakewinnow.core.noise.confident_learning import JointState, ThresholdState
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.errors import DataError
from lakewinnow.stages import export
from lakewinnow.stages.crossval import PRED_PROBS
from lakewinnow.typed_json import to_json

N = 200
ISSUES = StructType(
    [StructField(name, StringType()) for name in ("row_id", "decision", "new_label", "decided_by")]
)
KEPT = {"decision": "keep", "new_label": None, "decided_by": None}
CHAT = ExportConfig(format="openai-chat", validation_fraction=0.25)


def text_of(i):
    return f"text {i % 150}"  # the last fifty are the first again


def fill(lake, order=1, n=N):
    rows = [corpus_row(f"{i:03}", text_of(i), label=i % 3) for i in range(n)]
    decisions = {7: "drop", 8: "review", 9: "fix"}
    issues = [
        {
            "row_id": f"{i:03}",
            "decision": decisions.get(i, "keep"),
            "new_label": "c" if i == 9 else None,
            "decided_by": "ann" if i == 10 else None,
        }
        for i in range(n)
    ]
    for part in range(2):
        make_table(lake, "corpus", rows[::order][part::2])
        make_table(lake, "issues", issues[::-order][part::2], ISSUES)
    make_commit(lake, "ingest", classes=["a", "b", "c"])
    return lake


def path(lake, name):
    return Path(lake.files.path("exports")) / name


def examples(lake, split):
    lines = path(lake, f"{split}.jsonl").read_text().splitlines()
    return [[of["content"] for of in json.loads(line)["messages"]] for line in lines]


def test_each_row_that_stays_is_an_example_with_its_label(lake):
    report = export.run(fill(lake), CHAT)
    train, validation = examples(lake, "train"), examples(lake, "validation")
    expected = [[text_of(i), "c" if i == 9 else "abc"[i % 3]] for i in range(N) if i not in (7, 8)]
    assert sorted(train + validation) == sorted(expected)
    assert {text for text, _ in train}.isdisjoint({text for text, _ in validation})
    assert 0.15 * N < len(validation) < 0.35 * N
    counts = json.loads(path(lake, "counts.json").read_text())
    assert counts["train"]["rows"] == len(train)
    assert counts["validation"]["bytes"] == path(lake, "validation.jsonl").stat().st_size
    assert counts["train"]["by_class"]["a"] == sum(label == "a" for _, label in train)
    assert (report.rows_in, report.rows_out) == (N - 2, N - 2)


def test_a_second_export_of_other_partitions_has_the_same_bytes(lake, spark, tmp_path):
    export.run(fill(lake), CHAT)
    other = fill(lake_in(spark, tmp_path / "other"), order=-1)
    export.run(other, CHAT)
    for name in ("train.jsonl", "validation.jsonl", "counts.json"):
        assert path(lake, name).read_bytes() == path(other, name).read_bytes()
    labels = [label for _, label in examples(lake, "train")]
    assert labels != sorted(labels)  # classes are mixed


def test_more_bytes_than_a_file_takes_are_numbered_files(lake, monkeypatch):
    fill(lake)
    export.run(lake, CHAT)
    whole = path(lake, "train.jsonl").read_text()
    monkeypatch.setattr(export, "_BYTES_PER_FILE", 4000)
    export.run(lake, CHAT)
    names = json.loads(path(lake, "counts.json").read_text())["train"]["files"]
    assert names[0] == f"train-00000-of-{len(names):05}.jsonl"
    assert len(names) > 2
    assert "".join(path(lake, name).read_text() for name in names) == whole
    assert not path(lake, "train.jsonl").exists()


def test_hugging_face_files_have_the_index_of_the_class(lake):
    export.run(fill(lake), ExportConfig(format="huggingface"))
    table = pq.read_table(path(lake, "data/train-00000-of-00001.parquet"))
    assert [f"{field.name} {field.type}" for field in table.schema] == [
        "text string",
        "label int64",
    ]
    rows = {(row["text"], row["label"]) for row in table.to_pylist()}
    assert {label for _, label in rows} == {0, 1, 2}
    assert "class_label" in path(lake, "README.md").read_text()


def test_examples_that_are_too_long_are_left_out_and_counted(lake):
    make_table(lake, "corpus", [corpus_row("long", "word " * 300)])
    make_table(lake, "issues", [{**KEPT, "row_id": "long"}], ISSUES)
    report = export.run(fill(lake), ExportConfig(format="openai-chat", max_tokens=300))
    assert report.rows_in - report.rows_out == 1
    assert "1 example is left out: more than 300 tokens" in report.warnings[0]
    assert json.loads(path(lake, "counts.json").read_text())["too_long"] == 1


def test_too_few_to_train_on_are_an_error_before_anything_is_written(lake):
    few = fill(lake, n=12)
    with pytest.raises(DataError) as caught:
        export.run(few, ExportConfig(format="openai-chat", validation_fraction=0.9))
    assert caught.value.code == "too_few_examples"
    assert not few.files.exists("exports")


def test_without_validation_there_is_no_such_file(lake):
    export.run(fill(lake), ExportConfig(format="openai-chat", validation_fraction=0))
    assert not path(lake, "validation.jsonl").exists()
    assert len(examples(lake, "train")) == N - 2


def test_soft_copies_have_labels_in_proportion_to_how_probable_they_are(lake):
    fill(lake)
    rng = np.random.default_rng(8)
    labels, probs = np.arange(N) % 3, rng.dirichlet(np.full(3, 0.7), N).astype(np.float32)
    rows = [
        {"row_id": f"{i:03}", "label": int(label), "pred_probs": of.tolist()}
        for i, (label, of) in enumerate(zip(labels, probs, strict=True))
    ]
    make_table(lake, "pred_probs", rows[::-1], PRED_PROBS)
    probs = probs.astype(np.float64)
    thresholds = ThresholdState.zero(3).update(labels, probs)
    joint = JointState.zero(3).update(labels, probs, thresholds.thresholds())
    model = NoiseModel.estimate("abc", thresholds, joint)
    lake.files.write_json("noise_model.json", model.to_dict())
    report = export.run(lake, replace(CHAT, soft_copies=4, price_per_million_tokens=25.0))

    train, validation = examples(lake, "train"), examples(lake, "validation")
    counts = apportion(Posterior.doubting(model).probs(labels, probs), 4)
    counts[10] = [0, 4, 0]  # a person has said so
    held = {text for text, _ in validation}
    stay = [i for i in range(N) if i not in (7, 8)]
    expected = [
        [text_of(i), "abc"[k]]
        for i in stay
        if text_of(i) not in held
        for k in range(3)
        for _ in range(counts[i, k])
    ]
    assert sorted(train) == sorted(expected)
    once = [[text_of(i), "c" if i == 9 else "abc"[i % 3]] for i in stay if text_of(i) in held]
    assert sorted(validation) == sorted(once)
    assert sum(one[0] == other[0] for one, other in pairwise(train)) < len(train) / 10  # apart
    exported = to_json(report.figures)["exports"]["train"]
    assert exported["rows"] == len(expected)
    assert exported["usd_per_epoch"] == pytest.approx(exported["tokens"] * 25 / 1e6)
