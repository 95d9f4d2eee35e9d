"""What changes, and the exact stages that are done again for it."""

import re
import shutil
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from model2vec import StaticModel
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

import lakewinnow
from builders import CLEAR, USERS_CODE, Recorder, make_config, messages, read_rows, write_csv
from lakewinnow import pipeline
from lakewinnow.errors import ConfigError
from lakewinnow.lake.files import Files
from lakewinnow.pipeline import catalog, records

pytestmark = pytest.mark.slow_on_spark

CLASSIFIER = """
from sklearn.linear_model import LogisticRegression
def make(**params):
    return LogisticRegression(**params)
"""
RULE = """
def n_digits(text):
    return sum(map(str.isdigit, text))
"""
CHECKS = {
    "outliers": {},
    "imbalance": {},
    "near_duplicates": {},
    "pii": {},
    "text": {"rules": [{"use": "users_rules.n_digits", "above": 9}]},
}
ALL = [
    *("ingest", "embed", "crossval", "noise", "label_issues", "neighbors", "exact_duplicates"),
    *("outliers", "imbalance", "near_duplicates", "text", "pii", "decide", "publish", "report"),
]
AFTER_DECIDE = ["decide", "publish", "report"]
# What reads probabilities, and what reads vectors.
BY_PROBS = ["crossval", "noise", "label_issues", "imbalance", *AFTER_DECIDE]
BY_VECTORS = [
    *("embed", "crossval", "noise", "label_issues", "neighbors", "outliers", "imbalance"),
    *AFTER_DECIDE,
]


def save_model(folder, seed):
    words = sorted(set(re.findall(r"\w+|[^\w\s]", " ".join(CLEAR.values()))))
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(["?", *words])}, "?"))
    tokenizer.pre_tokenizer = Whitespace()
    vectors = np.random.default_rng(seed).normal(size=(len(words) + 1, 8)).astype(np.float32)
    StaticModel(vectors, tokenizer, {"normalize": True}).save_pretrained(folder)


class Place:
    """A folder with what a run reads, and the workspace of a finished run."""

    def __init__(self, folder, spark):
        self.folder, self.spark = folder, spark

    def config(self, **changes):
        sections = {
            "crossval": {
                "folds": 3,
                "classifier": "users_classifier.make",
                "params": {"C": 1.0},
            },
            "embedding": {"model": str(self.folder / "model")},
            "checks": {
                **deepcopy(CHECKS),
                "text": {**CHECKS["text"], "words": str(self.folder / "words.txt")},
            },
            "evaluate": {},
        }
        for key, value in changes.items():
            section, *keys, last = key.split("__")
            within = sections.setdefault(section, {})
            for name in keys:
                within = within.setdefault(name, {})
            within[last] = value
        return make_config(self.folder / "rows.csv", self.folder / "out", **sections)

    def planned(self, *, until=(), restart=False, **changes):
        """Return the stages that a plan says would run."""
        config = self.config(**changes)
        plan = pipeline.plan(config, self.spark, until=until, restart=restart)
        return [stage.name for stage in plan.to_run]

    def run(self, *, until=(), restart=False, **changes):
        observer = Recorder()
        config = self.config(**changes)
        lakewinnow.run(config, self.spark, until=until, restart=restart, observer=observer)
        return observer.ran


@pytest.fixture(scope="module")
def first(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    write_csv(folder / "rows.csv", [*messages(60), ("", "login")])
    write_csv(folder / "truth.csv", messages(60))
    (folder / "words.txt").write_text("parcel\n")
    (USERS_CODE / "users_classifier.py").write_text(CLASSIFIER)
    (USERS_CODE / "users_rules.py").write_text(RULE)
    save_model(folder / "model", seed=0)
    assert Place(folder, spark).run() == ALL
    return folder


@pytest.fixture
def place(first, spark, tmp_path):
    """A copy of the finished run; a file that is copied has the time that it had."""
    folder = tmp_path / "first"
    shutil.copytree(first, folder)
    # Paths are settings, and say which files they are
    shutil.move(first, tmp_path / "aside")
    folder.rename(first)
    yield Place(first, spark)
    shutil.rmtree(first)
    (tmp_path / "aside").rename(first)


KEYS = [
    ({"checks__outliers__threshold": 0.3}, ["outliers", *AFTER_DECIDE]),
    ({"checks__pii__kinds": ["email"]}, ["pii", *AFTER_DECIDE]),
    ({"checks__imbalance": None}, AFTER_DECIDE),
    ({"checks__neighbors__k": 5}, ["neighbors", "outliers", *AFTER_DECIDE]),
    ({"crossval__params": {"C": 0.5}}, BY_PROBS),
    ({"crossval__seed": 7}, ALL),
    ({"crossval__mode": "auto"}, []),
    ({"crossval__mode": "global"}, BY_PROBS),
    ({"crossval__max_train_rows": 100_000}, []),
    ({"label_issues__filter_by": "both"}, ["label_issues", *AFTER_DECIDE]),
    ({"embedding__normalize": False}, BY_VECTORS),
    ({"embedding__batch_size": 7}, []),
    *(
        ({f"embedding__openai__{key}": 7}, [])
        for key in ("timeout_s", "concurrency", "max_retries", "max_requests_per_minute")
    ),
    ({"embedding__openai__mode": "batch"}, []),
    ({"clean__label_issues": "review"}, AFTER_DECIDE),
    ({"clean__nulls": "drop"}, []),  # the check is off
    ({"clean__max_drop_fraction": 0.9}, ["publish", "report"]),
    ({"output__rows_per_file": 10}, ["publish", "report"]),
    ({"output__mode": "overwrite"}, []),
    ({"export__format": "openai-chat"}, ["export"]),
]


@pytest.mark.parametrize(("changes", "redone"), KEYS, ids=lambda of: "-".join(map(str, of)))
def test_a_key_redoes_what_reads_it(place, changes, redone):
    assert place.planned(**changes) == redone
    assert place.run(**changes) == redone
    assert place.run(**changes) == []


def test_the_truth_is_compared_with_and_nothing_else_is_done(place):
    assert place.run(evaluate__reference=str(place.folder / "truth.csv")) == ["evaluate"]


@pytest.mark.parametrize(
    ("file", "content", "redone"),
    [
        ("users_classifier.py", f"{CLASSIFIER}# as before", BY_PROBS),
        ("users_rules.py", RULE.replace("isdigit", "isalpha"), ["text", *AFTER_DECIDE]),
        ("words.txt", "courier\n", ["text", *AFTER_DECIDE]),
        ("rows.csv", "text,label\na,login\nb,billing\nc,login\nd,billing\n", ALL),
    ],
)
def test_another_content_of_a_file_redoes_what_reads_it(place, file, content, redone):
    path = (USERS_CODE if file.endswith(".py") else place.folder) / file
    before = path.read_text()
    path.write_text(content)
    try:
        assert place.planned() == place.run() == redone
        assert place.run() == []
    finally:
        path.write_text(before)


def test_another_model_in_the_same_folder_redoes_what_reads_vectors(place):
    save_model(place.folder / "model", seed=1)
    assert place.run() == BY_VECTORS


def test_another_version_of_the_package_redoes_nothing(place, monkeypatch):
    monkeypatch.setattr(records, "version", lambda name: f"99 of {name}")
    assert place.run() == []


def test_another_version_of_a_stage_redoes_it_and_what_reads_it(place, monkeypatch):
    newer = [
        replace(stage, version=2) if stage.name == "pii" else stage for stage in catalog.STAGES
    ]
    monkeypatch.setattr(catalog, "STAGES", newer)
    assert place.run() == ["pii", *AFTER_DECIDE]


def test_a_stage_runs_with_what_it_needs_and_no_more(spark, first, tmp_path):
    config = replace(Place(first, spark).config(), workspace=str(tmp_path))
    observer = Recorder()
    result = lakewinnow.run(config, spark, until="pii", observer=observer)
    assert observer.ran == ["ingest", "pii"]
    assert result.summary["pii"]["rows"] == 0
    assert not (tmp_path / "manifest.json").exists()


def test_a_stage_is_restarted_with_what_depends_on_it(place):
    assert place.planned(restart="neighbors") == place.run(restart="neighbors")
    assert place.run(restart="neighbors") == ["neighbors", "outliers", *AFTER_DECIDE]
    assert place.run(until="text", restart="text") == ["text"]
    assert place.run() == AFTER_DECIDE
    with pytest.raises(ConfigError) as caught:
        place.run(until="pii", restart="text")
    assert caught.value.where == "restart"


def test_number_2_nothing_stands_that_read_what_was_done_again(place):
    assert place.run(restart=True, until="ingest") == ["ingest"]
    assert place.planned(until="pii") == place.run(until="pii") == ["pii"]
    assert place.run() == [name for name in ALL if name not in ("ingest", "pii")]


def test_rows_come_back_when_an_embedding_refuses_none(place):
    """One embedding refuses a text that is too long; the other does not."""
    write_csv(place.folder / "rows.csv", [*messages(60), ("parcel " * 600, "login")])
    changes = {"embedding__long_texts": "quarantine"}
    assert place.run(**changes) == ALL
    assert len(read_rows(place.folder / "out", "quarantine")) == 1
    assert place.run(until="pii") == ["pii"]
    assert read_rows(place.folder / "out", "quarantine") == []
    assert not Files(str(place.folder / "out")).exists("refused")
    assert len(read_rows(place.folder / "out", "checks/pii")) == 61
