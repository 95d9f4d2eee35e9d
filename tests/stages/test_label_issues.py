"""Label issues: the rows that cleanlab finds in the same probabilities, scored and ranked."""

import numpy as np
import pytest
from cleanlab.rank import get_label_quality_scores

import lakewinnow
from builders import (
    SHARED,
    labels_and_pred_probs,
    lake_in,
    make_config,
    make_pred_probs,
    read_rows,
)
from core.generate import corpus
from core.reference import find_label_issues
from lakewinnow.config.sections import LabelIssuesConfig
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.errors import ConfigError
from lakewinnow.stages import label_issues, noise
from lakewinnow.typed_json import to_json

POLITENESS = SHARED / "data" / "politeness" / "train.csv"


def assert_are_cleanlabs(workspace, labels, pred_probs, scores=None, **settings):
    """Compare flags, scores and ranks with cleanlab's on the same rows."""
    rows = read_rows(workspace, "checks/label_issues")
    flagged = find_label_issues(labels, pred_probs, **settings)
    np.testing.assert_array_equal([row["is_label_issue"] for row in rows], flagged)
    if scores is None:
        scores = get_label_quality_scores(labels, pred_probs)
    np.testing.assert_allclose([row["label_score"] for row in rows], scores, rtol=1e-12)
    issues = [row for row in rows if row["is_label_issue"]]
    worst_first = sorted(issues, key=lambda row: (row["label_score"], row["row_id"]))
    ranks = {row["row_id"]: row["label_rank"] for row in read_rows(workspace, "checks/label_ranks")}
    assert ranks == {row["row_id"]: rank for rank, row in enumerate(worst_first, start=1)}
    return len(issues)


@pytest.fixture(scope="module")
def given(spark, tmp_path_factory):
    """A lake with generated labels and probabilities, many of them equal, and a noise model."""
    lake = lake_in(spark, tmp_path_factory.mktemp("given"))
    labels, pred_probs, _ = corpus(11, n_classes=4, n_rows=300, kind="rounded")
    make_pred_probs(lake, labels, pred_probs)
    report = noise.run(lake)
    lake.commit("noise", "made by a test", 0.0, report)
    return lake, labels, pred_probs


@pytest.mark.parametrize(
    ("settings", "rank_by"),
    [
        ({"filter_by": "prune_by_noise_rate"}, "self_confidence"),
        (
            {"filter_by": "prune_by_noise_rate", "frac_noise": 0.5, "min_examples_per_class": 10},
            "normalized_margin",
        ),
        ({"filter_by": "prune_by_class"}, "confidence_weighted_entropy"),
        ({"filter_by": "both"}, "self_confidence adjusted"),
        ({"filter_by": "confident_learning"}, "normalized_margin adjusted"),
        ({"filter_by": "predicted_neq_given"}, "self_confidence"),
        ({"filter_by": "low_self_confidence"}, "self_confidence"),
        ({"filter_by": "low_normalized_margin"}, "normalized_margin"),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else value,
)
def test_flags_scores_and_ranks_are_cleanlabs(given, settings, rank_by):
    lake, labels, pred_probs = given
    rank_by, _, adjusted = rank_by.partition(" ")
    config = LabelIssuesConfig(**settings, rank_by=rank_by, adjust_pred_probs=bool(adjusted))
    report = label_issues.run(lake, config)
    scores = get_label_quality_scores(
        labels, pred_probs, method=rank_by, adjust_pred_probs=bool(adjusted)
    )
    n_issues = assert_are_cleanlabs(lake.files.root, labels, pred_probs, scores, **settings)
    figures = to_json(report.figures)
    assert 0 < n_issues == figures["n"] == sum(figures["by_class"].values())
    assert list(figures["class_counts"].values()) == np.bincount(labels).tolist()


def test_as_many_of_each_class_as_asked_for(given):
    lake, labels, pred_probs = given
    config = LabelIssuesConfig(
        filter_by="prune_by_class", num_to_remove_per_class={"class 2": 7, "class 0": 3}
    )
    label_issues.run(lake, config)
    rows = read_rows(lake.files.root, "checks/label_issues")
    expected = find_label_issues(
        labels, pred_probs, filter_by="prune_by_class", num_to_remove_per_class=[3, 0, 7, 0]
    )
    assert [row["is_label_issue"] for row in rows] == expected.tolist()
    assert 0 < expected.sum() <= 10


def test_classes_that_are_none_are_named_together(given):
    names = {"Class 2": 7, "class 0": 3, "x": 1}
    config = LabelIssuesConfig(filter_by="prune_by_class", num_to_remove_per_class=names)
    with pytest.raises(ConfigError) as caught:
        label_issues.run(given[0], config)
    problems = caught.value.problems
    assert [p.code for p in problems] == ["unknown_class", "unknown_class"]
    assert [p.hint for p in problems] == ["did you mean 'class 2'?", ""]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"num_to_remove_per_class": {"class 0": 1}}, "impossible_combination"),
        (
            {"rank_by": "confidence_weighted_entropy", "adjust_pred_probs": True},
            "score_not_adjustable",
        ),
        ({"filter_by": "confident_learning", "frac_noise": 0.5}, "impossible_combination"),
    ],
)
def test_settings_that_cannot_go_together_are_an_error(given, settings, code):
    with pytest.raises(ConfigError) as caught:
        label_issues.run(given[0], LabelIssuesConfig(**settings))
    assert caught.value.code == code


def test_suggestions_are_the_posteriors_whatever_flags(given):
    lake, labels, pred_probs = given
    model = NoiseModel.from_dict(lake.files.read_json("noise_model.json"))
    expected = Posterior.of(model).suggestions(labels, pred_probs)
    for method in ("confident_learning", "posterior"):
        label_issues.run(lake, LabelIssuesConfig(method=method))
        rows = read_rows(lake.files.root, "checks/label_issues")
        suggested = [row["suggested_label"] for row in rows]
        assert suggested == [f"class {k}" for k in expected.labels]
        for name, values in (
            ("suggested_prob", expected.probs),
            ("given_label_prob", expected.given_probs),
        ):
            np.testing.assert_allclose([row[name] for row in rows], values, rtol=1e-12)


def test_the_posterior_flags_where_it_suggests_another_label(given):
    lake, labels, pred_probs = given
    report = label_issues.run(lake, LabelIssuesConfig(method="posterior"))
    assert report.reads["pred_probs"] == 1  # no selection
    rows = read_rows(lake.files.root, "checks/label_issues")
    model = NoiseModel.from_dict(lake.files.read_json("noise_model.json"))
    doubted = Posterior.doubting(model).suggestions(labels, pred_probs)
    np.testing.assert_allclose(
        [row["label_score"] for row in rows], doubted.given_probs, rtol=1e-12
    )
    for row, other in zip(rows, doubted.labels, strict=True):
        is_alone = row["given_label"] == "class 1"
        differs = {row["suggested_label"], f"class {other}"} != {row["given_label"]}
        assert row["is_label_issue"] == (differs and not is_alone)
    assert [row["predicted_label"] for row in rows] == [
        f"class {k}" for k in pred_probs.argmax(axis=1)
    ]
    issues = [row for row in rows if row["is_label_issue"]]
    figures = to_json(report.figures)
    assert 0 < len(issues) == figures["n"]
    assert all(given != other for given, other in figures["most_often_predicted"].items())
    worst_first = sorted(issues, key=lambda row: (row["label_score"], row["row_id"]))
    ranks = {
        row["row_id"]: row["label_rank"] for row in read_rows(lake.files.root, "checks/label_ranks")
    }
    assert ranks == {row["row_id"]: rank for rank, row in enumerate(worst_first, start=1)}


def test_number_20_the_posterior_does_not_flag_the_only_row_of_a_class(given):
    lake, labels, _ = given
    assert np.bincount(labels)[1] == 1
    label_issues.run(lake, LabelIssuesConfig(method="posterior"))
    rows = read_rows(lake.files.root, "checks/label_issues")
    [alone] = [row for row in rows if row["given_label"] == "class 1"]
    assert (alone["suggested_label"], alone["is_label_issue"]) == ("class 0", False)


def test_issues_of_the_sample_are_cleanlabs(sample):
    assert assert_are_cleanlabs(sample, *labels_and_pred_probs(sample)) > 40


@pytest.mark.skipif(not POLITENESS.exists(), reason="the data is not there")
def test_issues_of_politeness_are_cleanlabs(spark, tmp_path):
    config = make_config(
        POLITENESS, tmp_path, input={"text": "prompt", "label": "completion"}, crossval={"folds": 3}
    )
    lakewinnow.run(config, spark, until="label_issues")
    labels, pred_probs = labels_and_pred_probs(tmp_path)
    assert len(labels) == 1916
    assert assert_are_cleanlabs(tmp_path, labels, pred_probs) > 300
