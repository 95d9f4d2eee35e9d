"""Annotators rated by all opinions, and rows judged by what they say."""

import numpy as np
import pytest

from builders import found_by, lake_in, make_pred_probs, make_table, read_json, read_rows
from core.crowd.test_opinions import drawn, said, symmetric
from lakewinnow.config.sections import LabelIssuesConfig
from lakewinnow.core.crowd.opinions import OpinionModel, Opinions
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.errors import DataError
from lakewinnow.lake.annotators import told_apart
from lakewinnow.lake.opinions import OPINIONS
from lakewinnow.stages import annotators, label_issues, noise

N_ROWS = 600
PEOPLE = ("annotation",)


@pytest.fixture(scope="module")
def rows():
    """True labels, given labels, probabilities; (row, annotator, label) of amy, ben and cid."""
    true, labels, by_text, _ = drawn(N_ROWS)
    rng = np.random.default_rng(3)
    opinions = [
        (row, name, label)
        for name, right in (("amy", 0.95), ("ben", 0.6))
        for row, label in enumerate(said(true, symmetric(right), rng).tolist())
        if row % 3 == 0 or (name == "amy" and row % 3 == 1)
    ]
    return true, labels, by_text, [*opinions, (0, "cid", int(labels[0]))]


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory, rows):
    _, labels, pred_probs, opinions = rows
    lake = lake_in(spark, tmp_path_factory.mktemp("annotators"))
    make_pred_probs(lake, labels, pred_probs)
    lake.commit("noise", "made by a test", 0.0, noise.run(lake))
    table = [
        {"row_id": f"{row:05}", "annotator": name, "label": label} for row, name, label in opinions
    ]
    make_table(lake, "opinions/annotations", [*table[1::2], *table[::2]], OPINIONS)
    return lake


@pytest.fixture(scope="module")
def rated(lake):
    return found_by(annotators.run(lake, PEOPLE))


@pytest.fixture(scope="module")
def judged(lake, rated):  # noqa: ARG001 - which writes what is read here
    report = label_issues.run(lake, LabelIssuesConfig(), has_opinions=True)
    assert report.figures.n > 0
    return read_rows(lake.files.root, "checks/label_issues")


def test_the_model_is_the_one_of_all_opinions(lake, rows, rated):
    _, labels, pred_probs, opinions = rows
    names = ["amy", "ben", "cid"]
    of = [(row, names.index(name), label) for row, name, label in opinions]
    noise_model = NoiseModel.from_dict(lake.files.read_json("noise_model.json"))
    both = Posterior.of(noise_model), Posterior.doubting(noise_model)
    said = Opinions.of(*map(np.array, zip(*of, strict=True)))
    expected = OpinionModel.fit(labels, pred_probs, said, names, PEOPLE * 3, *both)
    written = OpinionModel.from_dict(read_json(lake.files.root, "annotators.json"))
    np.testing.assert_allclose(written.confusion, expected.confusion)
    amy, ben, cid = rated["annotators"]
    assert [of["n"] for of in (amy, ben, cid)] == [400, 200, 1]
    assert amy["quality"] > 0.85 > 0.7 > ben["quality"]
    assert amy["quality_low"] < amy["quality"] < amy["quality_high"]
    assert np.shape(amy["confusion"]) == (3, 3)
    assert (rated["rows"], rated["n"], rated["n_annotators"]) == (400, 601, 3)
    assert 0.25 < rated["wrong_labels"] < 0.45


def test_rows_with_opinions_are_judged_by_them(rows, judged):
    true, labels, _, _ = rows
    with_some = [row for row in judged if row["n_opinions"]]
    assert len(with_some) == 400
    for row in with_some:
        assert row["is_label_issue"] == (row["suggested_label"] != row["given_label"])
        assert row["label_score"] == row["given_label_prob"]
    suggested = [int(row["suggested_label"][-1]) for row in judged]
    has_some = np.array([row["n_opinions"] > 0 for row in judged])
    before, after = (of[has_some] == true[has_some] for of in (labels, np.array(suggested)))
    assert after.mean() > 0.85 > 0.75 > before.mean()
    first = judged[0]
    assert (first["n_opinions"], first["n_saying"]) in {(3, 2), (3, 3), (3, 1)}
    assert first["most_said"].startswith("class ")


def test_rows_without_opinions_are_judged_as_ever(lake, judged):
    label_issues.run(lake, LabelIssuesConfig())
    plain = read_rows(lake.files.root, "checks/label_issues")
    for row, other in zip(judged, plain, strict=True):
        if not row["n_opinions"]:
            assert row["most_said"] is None
            assert {**other, "gain": 0} == {**{name: row[name] for name in other}, "gain": 0}


def test_one_more_opinion_gains_most_where_nobody_is_sure(judged):
    def mean_gain(*, agrees):
        return np.mean(
            [
                row["gain"]
                for row in judged
                if row["n_opinions"] == 1 and (row["most_said"] == row["given_label"]) == agrees
            ]
        )

    without = np.mean([row["gain"] for row in judged if not row["n_opinions"]])
    assert mean_gain(agrees=False) > without > mean_gain(agrees=True)
    assert all(0 <= row["gain"] < 1 for row in judged)


def test_of_many_people_those_of_most_opinions_are_told_apart():
    counts = {("llm", "x"): 1, ("annotation", "amy"): 9, ("annotation", "ben"): 5}
    all_ = told_apart(counts, 10)
    assert all_.keys == ["annotation:amy", "annotation:ben", "llm:x"]
    few = told_apart(counts, 1000)
    assert few.keys == ["annotation:", "annotation:amy", "llm:x"]


def test_too_many_classes_are_an_error():
    annotators.check(1000)
    with pytest.raises(DataError, match="at most 1,000 classes"):
        annotators.check(1001)


def test_those_of_few_opinions_share_a_confusion(lake, monkeypatch):
    monkeypatch.setattr("lakewinnow.lake.annotators._CELLS", 9)
    found = found_by(annotators.run(lake, PEOPLE))
    assert [(of["annotator"], of["n"]) for of in found["annotators"]] == [("amy", 400), ("", 201)]
    assert found["n_annotators"] == 3
    [row, *_] = read_rows(lake.files.root, "opinions_by_row")
    assert [number // 3 for number in row["opinions"]] == [0, 0, 1]  # others come first


def test_rows_that_functions_alone_speak_of_are_flagged_as_ever(lake, rows):
    label_issues.run(lake, LabelIssuesConfig())
    before = read_rows(lake.files.root, "checks/label_issues")
    echo = rows[2].argmax(axis=1).tolist()
    said = [
        {"row_id": f"{row:05}", "annotator": "echo", "label": label}
        for row, label in enumerate(echo)
    ]
    make_table(lake, "opinions/functions", said, OPINIONS)
    annotators.run(lake, ("function",))
    label_issues.run(lake, LabelIssuesConfig(), has_opinions=True)
    after = read_rows(lake.files.root, "checks/label_issues")
    for name in ("is_label_issue", "label_score"):
        assert [row[name] for row in after] == [row[name] for row in before]
    assert {row["n_opinions"] for row in after} == {1}
    assert max(row["gain"] for row in after) > 0.05
