"""`find_multilabel_issues`: cleanlab's, of any kind of frame, partitions or bad rows beside."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest
from cleanlab.multilabel_classification import filter as theirs
from cleanlab.multilabel_classification import get_label_quality_scores

from core.reference import stable_cleanlab
from lakewinnow import find_multilabel_issues
from lakewinnow.core.selection.label_issues import LOW, FilterBy
from lakewinnow.errors import ConfigError, DataError, SchemaError

CLASSES = ["ant", "bee", "cat", "dog"]
COLUMNS = {"labels": "tags", "pred_probs": "probs", "id": "id"}
FOUND = ["predicted_labels", "is_label_issue", "label_score", "label_rank", "issue_labels"]


def generated(n_rows=260, seed=3):
    """Sets of tags, some of them wrong, and a model's probability of each tag; scores tie."""
    rng = np.random.default_rng(seed)
    true = rng.random((n_rows, len(CLASSES))) < [0.5, 0.3, 0.1, 0.3]
    given = true ^ (rng.random(true.shape) < 0.1)
    logits = rng.normal(size=true.shape) * 1.5 + (2 * true - 1) * 1.5
    probs = np.round(1 / (1 + np.exp(-logits)), 2)
    return pd.DataFrame(
        {
            "id": [f"r{i:03}" for i in range(n_rows)],
            "tags": [[CLASSES[k] for k in np.flatnonzero(row)] for row in given],
            "probs": list(probs),
        }
    )


def cleanlabs(df, **settings):
    """Return cleanlab's arguments, and what it flags."""
    labels = [[CLASSES.index(tag) for tag in tags] for tags in df.tags]
    pred_probs = np.stack(df.probs)
    with stable_cleanlab():
        return (
            labels,
            pred_probs,
            theirs.find_label_issues(labels, pred_probs, n_jobs=1, **settings),
        )


def bad(df):
    """Return the same with rows that cannot be used, all mixed up, and why they cannot."""
    probs = df.probs.iloc[0]
    faults = {
        "n0": ([], np.nan * probs, "pred_probs_nan"),
        "n1": (["ant"], probs - 1, "pred_probs_negative"),
        "n2": (["ant"], probs + 1, "pred_probs_above_one"),
        "n3": (["ant"], probs[:-1], "pred_probs_wrong_length"),
        "n4": (["ant"], None, "pred_probs_wrong_length"),
        "n5": (["ant", "unicorn"], probs, "label_not_in_classes"),
        "n6": (None, probs, "label_not_in_classes"),
        "n7": (["ant", None], probs, "label_not_in_classes"),
    }
    more = [{"id": i, "tags": tags, "probs": p} for i, (tags, p, _) in faults.items()]
    mixed = pd.concat([pd.DataFrame(more), df]).sample(frac=1, random_state=1)
    return mixed, {i: code for i, (*_, code) in faults.items()}


def plain(df):
    """Return what was found, by id, as Python's own values."""
    rows = df[["id", *FOUND, "error_code"]].astype(object).to_numpy().tolist()
    return {
        row_id: [
            list(value)
            if isinstance(value, (list, np.ndarray))
            else None
            if pd.isna(value)
            else value
            for value in values
        ]
        for row_id, *values in rows
    }


@pytest.mark.parametrize("filter_by", get_args(FilterBy))
def test_it_is_cleanlabs(filter_by):
    df = generated()
    found = find_multilabel_issues(df, filter_by=filter_by, **COLUMNS)
    labels, pred_probs, flagged = cleanlabs(df, filter_by=filter_by)
    assert found.is_label_issue.tolist() == flagged.tolist()
    scores = get_label_quality_scores(labels, pred_probs)
    np.testing.assert_allclose(found.label_score, scores, rtol=1e-12)
    worst_first = np.lexsort((df.id, found.label_score))
    ranked = [i for i in worst_first if flagged[i]]
    assert found.label_rank[ranked].tolist() == list(range(1, len(ranked) + 1))
    assert found.label_rank.isna().tolist() == (~flagged).tolist()
    assert found.error_code.isna().all()
    assert found[df.columns.tolist()].equals(df)
    if filter_by not in LOW:
        assert (found.issue_labels.map(len) > 0).tolist() == flagged.tolist()


def test_predicted_labels_are_those_of_a_half_or_more():
    df = generated()
    found = find_multilabel_issues(df, **COLUMNS)
    expected = [[CLASSES[k] for k in np.flatnonzero(row >= 0.5)] for row in df.probs]
    assert found.predicted_labels.map(list).tolist() == expected


def test_issue_labels_are_cleanlabs_by_class():
    df = generated()
    labels, pred_probs, _ = cleanlabs(df)
    with stable_cleanlab():
        by_class = theirs.find_multilabel_issues_per_class(labels, pred_probs, n_jobs=1)
    expected = [[CLASSES[k] for k in np.flatnonzero(row)] for row in by_class]
    assert find_multilabel_issues(df, **COLUMNS).issue_labels.map(list).tolist() == expected


def test_bad_rows_do_not_move_the_others():
    df = generated()
    expected = plain(find_multilabel_issues(df, **COLUMNS))
    more, codes = bad(df)
    with pytest.warns(
        UserWarning, match=r"8 of 268 rows are left out: .*2 pred_probs_wrong_length"
    ):
        found = plain(find_multilabel_issues(more, classes=CLASSES, **COLUMNS))
    for row_id, code in codes.items():
        assert found.pop(row_id) == [None] * len(FOUND) + [code]
    assert found == expected


def on_spark(spark, df, n_partitions):
    lists = df.assign(probs=[None if p is None else p.tolist() for p in df.probs])
    schema = "id string, tags array<string>, probs array<double>"
    rows = list(lists[["id", "tags", "probs"]].itertuples(index=False, name=None))
    return spark.createDataFrame(rows, schema).repartition(n_partitions)


@pytest.mark.filterwarnings("ignore:.*left out")
@pytest.mark.parametrize(
    ("n_partitions", "settings"),
    [
        (1, {"filter_by": "low_self_confidence", "rank_by": "normalized_margin"}),
        (5, {"adjust_pred_probs": True}),
    ],
)
def test_spark_equals_pandas_and_cleanlab(spark, n_partitions, settings):
    df = generated()
    more, _ = bad(df)
    expected = find_multilabel_issues(more, classes=CLASSES, **settings, **COLUMNS)
    found = find_multilabel_issues(
        on_spark(spark, more, n_partitions), classes=CLASSES, **settings, **COLUMNS
    )
    assert found.columns == expected.columns.tolist()
    types = dict(found.dtypes)
    assert types["predicted_labels"] == types["issue_labels"] == "array<string>"
    collected = plain(found.toPandas())
    assert collected == plain(expected)
    filter_by = settings.get("filter_by", "prune_by_noise_rate")
    *_, flagged = cleanlabs(df, filter_by=filter_by)
    flags = [collected[row_id][FOUND.index("is_label_issue")] for row_id in df.id]
    assert flags == flagged.tolist()


def test_numbers_and_no_ids_on_spark(spark):
    df = generated()
    numbers = df.assign(tags=[[CLASSES.index(tag) for tag in tags] for tags in df.tags])
    expected = plain(find_multilabel_issues(numbers, **COLUMNS))
    rows = [(i, tags, probs.tolist()) for i, tags, probs in numbers.itertuples(index=False)]
    frame = spark.createDataFrame(rows, "id string, tags array<int>, probs array<double>")
    by_content = {"labels": "tags", "pred_probs": "probs"}
    found = find_multilabel_issues(frame, filter_by="predicted_neq_given", **by_content)
    assert dict(found.dtypes)["predicted_labels"] == "array<int>"
    collected = plain(found.toPandas())
    for row_id, (predicted, *_) in expected.items():
        assert collected[row_id][0] == predicted
    *_, flagged = cleanlabs(df, filter_by="predicted_neq_given")
    assert [collected[row_id][1] for row_id in df.id] == flagged.tolist()


def test_many_numbers_are_in_the_order_of_numbers():
    rng = np.random.default_rng(0)
    given = rng.random((200, 12)) < 0.3
    probs = np.where(given, 0.8, 0.1) + rng.random(given.shape) / 10
    df = pd.DataFrame({"tags": [np.flatnonzero(row) for row in given], "probs": list(probs)})
    found = find_multilabel_issues(df, labels="tags", pred_probs="probs")
    assert found.predicted_labels.map(list).tolist() == df.tags.map(list).tolist()
    assert not found.is_label_issue.any()


def test_our_columns_give_way_to_the_callers():
    df = generated()
    found = find_multilabel_issues(df.assign(label_score="theirs"), **COLUMNS)
    assert set(found.label_score) == {"theirs"}
    expected = find_multilabel_issues(df, **COLUMNS).label_score
    assert found.lakewinnow_label_score.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("columns", "settings", "error", "code"),
    [
        ({}, {"labels": "tag"}, SchemaError, "missing_column"),
        ({}, {"id": "key"}, SchemaError, "missing_column"),
        ({"tags": "ant"}, {}, SchemaError, "wrong_column_type"),
        ({"probs": "ant"}, {}, SchemaError, "wrong_column_type"),
        ({"id": 0.5}, {}, SchemaError, "wrong_column_type"),
        ({}, {"classes": ["ant", "bee", "ant", "dog"]}, ConfigError, "repeated_class"),
        ({}, {"filter_by": "prune"}, ConfigError, "unknown_filter"),
        ({}, {"frac_noise": 2}, ConfigError, "out_of_range"),
        ({}, {"rank_by": "margin"}, ConfigError, "unknown_score"),
        (
            {},
            {"filter_by": "prune_by_class", "num_to_remove_per_class": [1]},
            ConfigError,
            "wrong_length",
        ),
        ({}, {"classes": ["ant", "bee"]}, DataError, "classes_do_not_fit"),
        ({"probs": None}, {}, DataError, "classes_do_not_fit"),
        ({"tags": [["unicorn"]] * 30}, {"classes": CLASSES}, DataError, "too_many_bad_rows"),
        ({"tags": None}, {}, DataError, "no_rows"),
    ],
)
def test_what_cannot_be(columns, settings, error, code):
    with pytest.raises(error) as caught:
        find_multilabel_issues(generated(30).assign(**columns), **{**COLUMNS, **settings})
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("settings", "error", "code"),
    [
        ({"labels": "id"}, SchemaError, "wrong_column_type"),
        ({"labels": "probs"}, SchemaError, "wrong_column_type"),
        ({"pred_probs": "tags"}, SchemaError, "wrong_column_type"),
        ({"id": "probs"}, SchemaError, "wrong_column_type"),
        ({"id": "key"}, SchemaError, "missing_column"),
    ],
)
def test_what_cannot_be_on_spark(spark, settings, error, code):
    with pytest.raises(error) as caught:
        find_multilabel_issues(on_spark(spark, generated(3), 1), **{**COLUMNS, **settings})
    assert caught.value.code == code
