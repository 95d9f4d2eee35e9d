"""Near duplicates: sets of rows whose texts are alike, against every pair's similarity."""

from collections import Counter

import numpy as np
import pytest
from cleanlab.datalab.internal.issue_manager.duplicate import NearDuplicateIssueManager

from builders import corpus_row, lake_in, make_commit, make_run, make_table, read_rows, text_key
from core.datalab import managed
from lakewinnow.checks.near_duplicates import NearDuplicatesConfig
from lakewinnow.checks.near_duplicates import stage as near_duplicates
from lakewinnow.checks.neighbors.stage import NEIGHBORS
from lakewinnow.core.checks import neighbors as core
from lakewinnow.core.checks.row_graph import components
from lakewinnow.core.checks.shingles import normal_forms

CARD = "my card has not arrived yet although it was sent two weeks ago"
RATE = "which exchange rate is used for a transfer to another currency"
SENTENCE = (
    "我的卡还没有到，虽然两周前就已经寄出了，请问我应该怎么办？我可以在哪里查到它现在的位置？"
)
# Row id: text, label. Some are alike to one another, and so on along a chain.
ROWS = {
    "07": (CARD, 0),
    "03": (CARD, 0),
    "05": (CARD.upper() + "!", 0),
    "06": (CARD.replace("yet", "yett"), 1),
    "09": (RATE, 1),
    "10": (RATE + " please", 1),
    "12": ("I forgot my PIN", 2),
    "11": ("I forgot my pin...", 2),
    "14": ("the same as another one, to the letter", 0),
    "13": ("the same as another one, to the letter", 1),
    "16": (SENTENCE, 1),
    "15": (SENTENCE.replace("请问", "请间"), 1),
    "17": ("???", 0),
    "18": ("!!!", 1),
    "19": ("ok", 0),
    "20": ("no", 0),
    **{f"3{i}": (f"{i}{i + 1} ".join("bcdfghjkl"[: i + 2]), i % 3) for i in range(8)},
    # Each like the one before; the ends are not.
    **{f"4{i}": (" ".join(f"word{j} of {j * 7}" for j in range(i, i + 14)), 2) for i in range(6)},
}


def brute_force(threshold=0.8, size=3):
    """Return, of each row that has a near duplicate, its set and the greatest similarity."""
    ids = sorted(ROWS)
    normal = normal_forms([ROWS[row_id][0] for row_id in ids])
    sets = [{text[i : i + size] for i in range(max(1, len(text) - size + 1))} for text in normal]
    best, edges = dict.fromkeys(ids, 0.0), []
    for i, one in enumerate(ids):
        for j, other in enumerate(ids[:i]):
            similarity = len(sets[i] & sets[j]) / len(sets[i] | sets[j])
            if similarity < threshold or not normal[i]:
                continue
            edges.append((i, j))
            if ROWS[one][0] != ROWS[other][0]:
                best[one], best[other] = (max(best[of], similarity) for of in (one, other))
    nodes, roots = components(*np.array(edges).T)
    set_of = {ids[node]: ids[root] for node, root in zip(nodes, roots, strict=True)}
    in_sets = {set_of[row_id] for row_id in ids if best[row_id]}
    return {row_id: (of, best[row_id]) for row_id, of in set_of.items() if of in in_sets}


def run(lake, parts=1):
    rows = [corpus_row(row_id, *of) for row_id, of in ROWS.items()]
    for i in range(parts):
        make_table(lake, "corpus", rows[i::parts])
    report = near_duplicates.run(make_run(lake), NearDuplicatesConfig(shingle_size=3))
    found = {row["row_id"]: row for row in read_rows(lake.files.root, "checks/near_duplicates")}
    assert found.keys() == ROWS.keys()
    assert not lake.files.exists("near_duplicates")
    return report, found


@pytest.fixture(scope="module")
def found(spark, tmp_path_factory):
    return run(lake_in(spark, tmp_path_factory.mktemp("near")))


def test_sets_and_scores_are_those_of_every_pair(found):
    report, rows = found
    expected = brute_force()
    assert len({of for of, _ in expected.values()}) == 5
    assert {name for name, row in rows.items() if row["is_near_duplicate_issue"]} == set(expected)
    for name, row in rows.items():
        of, similarity = expected.get(name, (None, 0.0))
        assert row["near_duplicate_set"] == of
        assert row["near_duplicate_score"] == pytest.approx(1 - similarity, abs=1e-12)
    assert rows["40"]["near_duplicate_set"] == rows["45"]["near_duplicate_set"] == "40"
    sizes = Counter(of for of, _ in expected.values())
    counted = {name: getattr(report.figures, name) for name in ("sets", "rows", "largest_set")}
    assert counted == {"sets": 5, "rows": len(expected), "largest_set": max(sizes.values())}


def test_labels_that_differ_in_a_set_are_said(found):
    report, rows = found
    said = {name: row["why"] for name, row in rows.items() if row["why"] is not None}
    why = "near duplicates have differing labels: a, b"
    assert said == dict.fromkeys(["03", "05", "06", "07"], why)
    assert report.figures.sets_whose_labels_differ == 1
    assert rows["03"]["near_duplicate_labels_differ"] is True
    assert rows["09"]["near_duplicate_labels_differ"] is False
    assert rows["19"]["near_duplicate_labels_differ"] is None


def test_nothing_depends_on_how_rows_lie_in_files(found, lake):
    report, rows = run(lake, parts=5)
    assert rows == found[1]
    assert report.figures == found[0].figures


def neighbours_of(lake, vectors, copies, k):
    """Put a corpus and the neighbours of its texts into a workspace; return each row's text."""
    texts = np.repeat(np.arange(len(vectors)), copies)
    rows = [corpus_row(f"{i:03}", f"text {text}") for i, text in enumerate(texts.tolist())]
    make_table(lake, "corpus", rows)
    near = core.nearest(vectors, vectors, np.arange(len(vectors)), k, "cosine")
    found = [
        {
            "text_key": text_key(f"text {i}"),
            "n_rows": int(copies[i]),
            "neighbors": [text_key(f"text {j}") for j in near.positions[i].tolist()],
            "distances": near.distances[i].tolist(),
            "neighbor_rows": copies[near.positions[i]].tolist(),
            "mean_distance": 0.0,
            "in_reference": True,
        }
        for i in range(len(vectors))
    ]
    make_table(lake, "checks/neighbors", found, NEIGHBORS)
    n = len(vectors)
    make_commit(lake, "neighbors", k=k, metric="cosine", texts=n, reference_texts=n)
    return texts


def test_by_embedding_rows_are_judged_as_by_datalab(lake):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 8))
    for i in range(1, 30, 3):  # a pair, and two more of a chain
        vectors[i] = vectors[i - 1] + rng.normal(scale=0.02 + 0.005 * i, size=8)
    vectors[40] = vectors[41] = 2 * vectors[42]
    copies = np.where(np.arange(60) % 20 == 5, 2, 1)
    texts = neighbours_of(lake, vectors, copies, k=6)
    options = {"k": 6, "threshold": 0.3, "metric": "cosine"}
    theirs = managed(NearDuplicateIssueManager, features=vectors[texts], options=options)
    report = near_duplicates.run(
        make_run(lake), NearDuplicatesConfig(by="embedding", threshold=0.3)
    )
    rows = read_rows(lake.files.root, "checks/near_duplicates")
    is_issue = np.array([row["is_near_duplicate_issue"] for row in rows])
    # What Datalab flags for copies alone is an exact duplicate.
    others = [set(texts[of]) - {texts[i]} for i, of in enumerate(theirs.near_duplicate_sets)]
    np.testing.assert_array_equal(is_issue, [len(of) > 0 for of in others])
    assert 5 < is_issue.sum() < 40
    scores = np.array([row["near_duplicate_score"] for row in rows])
    is_alone = copies[texts] == 1
    expected = theirs.issues["near_duplicate_score"].to_numpy()
    np.testing.assert_allclose(scores[is_alone], expected[is_alone], atol=1e-6)
    median = theirs.info["median_distance_to_nearest_neighbor"]
    assert report.figures.median == pytest.approx(median)
    ends = [(i, j) for i, of in enumerate(others) for j in range(len(texts)) if texts[j] in of]
    nodes, roots = components(*np.array(ends).T)
    found = {i: int(row["near_duplicate_set"]) for i, row in enumerate(rows) if is_issue[i]}
    assert found == dict(zip(nodes.tolist(), roots.tolist(), strict=True))
