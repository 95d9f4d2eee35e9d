"""Checks on the graph of rows, through Spark: rows are judged as by Datalab."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from cleanlab.data_valuation import data_shapley_knn
from cleanlab.datalab.internal.issue_manager.noniid import NonIIDIssueManager
from cleanlab.datalab.internal.issue_manager.underperforming_group import (
    UnderperformingGroupIssueManager,
)
from pyspark.sql.types import StringType, StructType
from scipy.sparse import csr_matrix

from builders import corpus_row, lake_in, make_commit, make_run, make_table, read_rows, text_key
from checks.neighbors.test_neighbors import TEXTS, K, vectors, workspace
from core.datalab import managed
from lakewinnow.checks.groups import GroupsConfig, clusters
from lakewinnow.checks.groups import stage as groups
from lakewinnow.checks.neighbors import stage as neighbors
from lakewinnow.checks.non_iid import NonIidConfig
from lakewinnow.checks.non_iid import stage as non_iid
from lakewinnow.checks.valuation import ValuationConfig
from lakewinnow.checks.valuation import stage as valuation
from lakewinnow.config.sections import EmbeddingConfig, NeighborsConfig
from lakewinnow.core.checks.neighbors import nearest
from lakewinnow.core.checks.row_graph import row_graph

N_ROWS = len(TEXTS)
RNG = np.random.default_rng(7)
LABELS = (vectors()[TEXTS, 0] > 0).astype(int)
PRED_PROBS = RNG.dirichlet([2, 2], N_ROWS)
PLACE = np.arange(N_ROWS) % 8
SITE = np.where(
    (PLACE == 1) | (PLACE == 2), "web", np.where((PLACE == 5) | (PLACE == 6), "app", "")
)
PRED_PROBS[SITE == "web"] = np.eye(2)[1 - LABELS[SITE == "web"]] * 0.96 + 0.02
DAY = np.argsort(np.argsort(vectors()[TEXTS, 1]))  # rows that are alike come together


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory):
    """A workspace with the neighbours of its texts; an order, and a site that some rows lack."""
    sites = [site or None for site in SITE.tolist()]
    days = [str(day) for day in DAY.tolist()]
    lake = workspace(
        spark, tmp_path_factory.mktemp("groups") / "lake", labels=LABELS, site=sites, day=days
    )
    rows = [
        {"row_id": f"{i:03}", "label": int(LABELS[i]), "pred_probs": PRED_PROBS[i].tolist()}
        for i in range(N_ROWS)
    ]
    make_table(lake, "pred_probs", rows)
    columns = StructType().add("site", StringType()).add("day", StringType()).jsonValue()
    make_commit(lake, "ingest", classes=list("abcd"), input_columns=columns)
    report = neighbors.run(lake, EmbeddingConfig(), NeighborsConfig(k=K))
    lake.commit("neighbors", "made by a test", 0.0, report)
    return lake


def graph(order=None):
    """Return the graph as cleanlab takes it, of rows in some order; ties are those of row ids."""
    near = nearest(vectors(), vectors(), np.arange(len(vectors())), K, "cosine")
    made = row_graph(TEXTS, list(near.positions), list(near.distances), K)
    order = np.arange(N_ROWS) if order is None else order
    positions = np.argsort(order)[made.positions[order]]
    ends = np.arange(N_ROWS + 1) * K
    return csr_matrix((made.distances[order].reshape(-1), positions.reshape(-1), ends))


def found(lake, check, issue):
    rows = read_rows(lake.files.root, f"checks/{check}")
    return [
        np.array([row[name] for row in rows]) for name in (f"is_{issue}_issue", f"{issue}_score")
    ]


def test_values_are_datalabs(lake):
    report = valuation.run(make_run(lake), ValuationConfig())
    is_issue, scores = found(lake, "valuation", "data_valuation")
    expected = data_shapley_knn(LABELS, knn_graph=graph(), k=K)
    np.testing.assert_allclose(scores, expected, atol=1e-9)
    np.testing.assert_array_equal(is_issue, expected < 0.5)
    assert report.figures.rows == is_issue.sum() > 0
    assert report.figures.judged == N_ROWS


def test_the_order_of_a_column_is_tested_as_by_datalab(lake):
    report = non_iid.run(make_run(lake), NonIidConfig(by="day"))
    is_issue, scores = found(lake, "non_iid", "non_iid")
    by_day = np.argsort(DAY)
    theirs = managed(NonIIDIssueManager, knn_graph=graph(by_day), options={"k": K})
    assert report.figures.p_value == pytest.approx(theirs.p_value, abs=1e-9)
    np.testing.assert_allclose(scores[by_day], theirs.issues.non_iid_score, atol=1e-9)
    np.testing.assert_array_equal(is_issue[by_day], theirs.issues.is_non_iid_issue)
    assert is_issue.sum() == report.figures.rows == 1


def test_values_of_any_kind_are_in_order_and_level_ones_stay():
    orders = {
        ("10", "9", None, "9"): [1, 3, 0, 2],  # CSV has no numbers
        ("10", "9", "x", "9"): [0, 1, 3, 2],
        (2.5, None, -1.0, 2.5): [2, 0, 3, 1],
        (date(2024, 2, 29), date(2023, 1, 1), None): [1, 0, 2],
    }
    for values, expected in orders.items():
        assert non_iid._in_order(pa.array(values)).tolist() == expected


# As cleanlab calls it; scikit-learn has no such warning any more
@pytest.mark.filterwarnings("ignore:Precomputed sparse input was not sorted")
def test_clusters_are_scored_as_by_datalab(lake):
    report = groups.run(make_run(lake), GroupsConfig(max_distance=0.15, threshold=0.9))
    is_issue, scores = found(lake, "groups", "underperforming_group")
    options = {"threshold": 0.9, "clustering_kwargs": {"eps": 0.15, "min_samples": 5}}
    theirs = managed(
        UnderperformingGroupIssueManager,
        LABELS,
        pred_probs=PRED_PROBS,
        knn_graph=graph(),
        options=options,
    )
    expected = theirs.issues.underperforming_group_score
    np.testing.assert_allclose(scores, expected, atol=1e-9)
    np.testing.assert_array_equal(is_issue, expected == expected.min())
    assert (expected < 1).any()
    assert report.figures.worst[0].by == "cluster"


def test_groups_of_a_column_are_scored_as_by_datalab_and_the_worst_is_of_least_ratio(lake):
    config = GroupsConfig(columns=("site", "day"), clusters=False, threshold=0.2)
    report = groups.run(make_run(lake), config)
    is_issue, scores = found(lake, "groups", "underperforming_group")
    ids = np.where(SITE == "web", 1, np.where(SITE == "app", 2, -1))
    theirs = managed(
        UnderperformingGroupIssueManager,
        LABELS,
        pred_probs=PRED_PROBS,
        cluster_ids=ids,
        options={"threshold": 0.2},
    ).issues
    np.testing.assert_allclose(scores, theirs.underperforming_group_score, atol=1e-9)
    np.testing.assert_array_equal(is_issue, theirs.is_underperforming_group_issue)
    np.testing.assert_array_equal(is_issue, SITE == "web")
    [worst] = report.figures.worst  # no day has five rows
    assert (worst.by, worst.group, worst.is_issue) == ("site", "web", True)
    row = read_rows(lake.files.root, "checks/groups")[1]
    assert row["underperforming_group"] == "site web"
    assert row["why"].startswith("of a group that does badly: site web, confidence 0.0")


def test_what_was_not_clustered_belongs_to_the_nearest_core_within_the_distance(spark, tmp_path):
    lake = lake_in(spark, tmp_path / "lake")
    names = ["core", "border", "near", "nearer", "far"]
    key = {name: text_key(name) for name in names}
    near = {  # text: its nearest texts of the sample, which is of core and border
        "core": [("border", 0.3)],
        "border": [("core", 0.3)],
        "near": [("border", 0.1), ("core", 0.4)],
        "nearer": [("core", 0.2), ("border", 0.3)],
        "far": [("border", 0.2), ("core", 0.6)],
    }
    made = [
        {
            "text_key": key[name],
            "n_rows": 1,
            "neighbors": [key[other] for other, _ in others],
            "distances": [distance for _, distance in others],
            "neighbor_rows": [1, 1][: len(others)],
            "mean_distance": 0.3,
            "in_reference": name in ("core", "border"),
        }
        for name, others in near.items()
    ]
    make_table(lake, "checks/neighbors", made, neighbors.NEIGHBORS)
    rows = [corpus_row(name, name) for name in [*names, "noise"]]
    make_table(lake, "corpus", [*rows, corpus_row("copy", "core")])
    clustered = [("core", 7, True), ("border", 7, False), ("noise", -1, False)]
    found = [
        {"row_id": name, "text_key": text_key(name), "cluster": cluster, "is_core": is_core}
        for name, cluster, is_core in clustered
    ]
    make_table(lake, clusters.TABLE, found)
    of_rows = clusters.of_rows(lake, 0.5).collect()
    assert {row.row_id for row in of_rows} == {"core", "border", "copy", "near", "nearer"}
    assert {row.group for row in of_rows} == {"7"}
