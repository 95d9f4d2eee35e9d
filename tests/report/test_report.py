"""The report: its figures are those of the files beside it, texts are safe, its size is bounded."""

import html
import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from browser import chromium
from lakewinnow.checks.drift import (
    ClassChange,
    Compared,
    DriftFigures,
    DriftTest,
    LabelDriftFigures,
)
from lakewinnow.figures.examples import Examples
from lakewinnow.figures.manifest import Manifest
from lakewinnow.figures.summary import Summary
from lakewinnow.plan.words import AlikeRows
from lakewinnow.report import MOST_IN_MATRIX, Report, charts
from lakewinnow.report.charts import Node
from lakewinnow.stages.report import MOST_CLASSES, N_BINS, N_OF_GROUP, WORST
from lakewinnow.typed_json import from_json

NASTY = "<script>alert('x')</script> \" & {{ 7 * 7 }}"


def made_up(n_classes=3, name="class {}", preview="a text"):
    """A report of a run that never was, with all that a run can leave in it."""
    classes = [name.format(k) for k in range(n_classes)]
    generator = np.random.default_rng(n_classes)
    joint = generator.integers(1, 50, (n_classes, n_classes)) + 500 * np.eye(n_classes, dtype=int)
    shown = classes[:MOST_CLASSES]
    row = {
        "group": "this run",
        "row_id": "r",
        "text_preview": preview,
        "given_label": classes[0],
        "predicted_label": classes[1],
        "suggested_label": classes[1],
        "suggested_prob": 0.9,
        "label_score": 0.01,
        "outlier_score": 0.02,
        "decision": "fix",
        "score": 0.987,
    }
    counted = {"kept": [5] * N_BINS, "flagged": [1] * N_BINS}
    accuracy = {"accuracy": 0.7, "accuracy_low": 0.6, "accuracy_high": 0.8}
    f1 = {"macro_f1": 0.6, "macro_f1_low": 0.5, "macro_f1_high": 0.7}
    to = {"accuracy": 0.05, "accuracy_low": 0.01, "accuracy_high": 0.09}
    to |= {"verdict": "better", "p": 0.01}
    figures = {"rows": 900, "recall": {}, **accuracy, **f1}
    summary = {
        "rows": {"in": 1010, "clean": 900, "review": 20, "dropped": 80, "quarantine": 10},
        "label_issues": {
            "n": 100,
            "rows": 1000,
            "by_class": dict.fromkeys(classes, 3),
            "class_counts": dict.fromkeys(classes, 30),
            "most_often_predicted": {classes[0]: classes[1]},
        },
        "crossval": {
            "accuracy": 0.8123,
            "log_loss": 0.5,
            "balanced_log_loss": 0.5,
            "ece": 0.1,
            "prior_log_loss": 1.0,
            "balanced_prior_log_loss": 1.0,
        },
        "quarantine": {"text_null": 10},
        "decisions": {"keep": 850, "fix": 50, "review": 20, "drop": 80},
        "dropped": {"label issues": 70, "exact duplicates": 10},
        "comparison": {
            "test_rows": 480,
            "input_rows": 900,
            "in_holdout_too": 0,
            "models": 15,
            "resamples": 10,
            "confidence": 0.95,
            "class_mix_matters": False,
        },
        "evaluate": {"baseline": figures, "fixed": {**figures, "to_baseline": {**f1, **to}}},
        "detection": {
            "rows": 1000,
            "errors": 90,
            "found": 60,
            "recall": 0.67,
            "precision": 0.6,
            "auroc": 0.9,
            "average_precision": 0.8,
            "fixed_right": 0.5,
            "harmed": 0.01,
        },
    }
    checks = {
        "exact_duplicates": AlikeRows(sets=4, rows=14, sets_whose_labels_differ=1),
        "drift": DriftFigures(
            detected=True,
            false_alarms=0.05,
            reference=None,
            by=None,
            comparisons=[compared(new, classes) for new in ("this run", "chat")],
            left_out={},
            groups_left_out=0,
        ),
    }
    manifest = {
        "version": 1,
        "tables": {},
        "files": [],
        "versions": {"lakewinnow": "0.1.0", "python": "3.11"},
        "config": {
            "input": {"path": f"data/{NASTY}.csv", "table": None},
            "label_issues": {
                "method": "confident_learning",
                "rank_by": "self_confidence",
                "adjust_pred_probs": False,
            },
        },
        "input": {"fingerprint": "0123456789abcdef0123", "bytes": 1, "columns": {}},
        "rows": summary["rows"],
        "stages": [
            {
                "name": "ingest",
                "fingerprint": "0123",
                "tables": {},
                "seconds": 1.5,
                "rows_in": 1010,
                "rows_out": 1000,
                "passes": 1,
                "bytes_read": 123_456,
                "bytes_written": 7,
            }
        ],
        "warnings": [NASTY],
    }
    noise_model = {
        "classes": classes,
        "thresholds": [0.5] * n_classes,
        "confident_joint": joint.tolist(),
        "noise_matrix": (joint / joint.sum(axis=0)).tolist(),
        "label_health": {
            "overall": 0.9,
            "classes": [
                {
                    "class_name": classes[k],
                    "class_index": k,
                    "label_quality_score": 0.8,
                    "inverse_label_noise": 0.1,
                }
                for k in range(n_classes)
            ],
            "overlaps": [
                {"num_overlapping_examples": 5, "class_name_a": a, "class_name_b": b}
                for a, b in itertools.pairwise(classes)
            ],
        },
    }
    examples = {
        "histogram": counted,
        "histograms": dict.fromkeys(shown, counted),
        "changes": [{"given": classes[0], "new": classes[1], "rows": 50}],
        "worst": dict.fromkeys(shown, [row] * WORST),
        "listed": {"outliers": [{**row, "score": 0.1}] * 10},
        "sets": {
            "exact_duplicates": [{"set": "r", "rows": 9, "labels": 2, "examples": [row] * 3}] * 6,
            "near_duplicates": [{"set": "r", "rows": 9, "labels": 1, "examples": [row] * 3}] * 6,
        },
        "grouped": {"drift": {"this run": [row] * N_OF_GROUP}},
    }
    return Report(
        replace(from_json(Summary, summary), checks=checks),
        from_json(Manifest, manifest),
        noise_model,
        from_json(Examples, examples),
    )


def compared(name, classes):
    """What drift has found of one side: of labels and embeddings, all that it can find."""
    effects = {"labels": 0.3, "text": 0.02, "classifier": 0.7, "distance": 0.1, "noise": 0.01}
    tests = [
        DriftTest(
            kind=kind,
            name="upper_case" if kind == "text" else kind,
            p=1e-9,
            effect=effect,
            least_effect=0.1,
            adjusted_p=1e-9 if effect >= 0.1 else 0.25,
            is_drift=effect >= 0.1,
        )
        for kind, effect in effects.items()
    ]
    changed = dict.fromkeys(classes[:100], ClassChange(share=0.04, reference_share=0.01))
    return Compared(
        of=name,
        against=f"data/{NASTY}",
        rows=1000,
        reference_rows=900,
        detected=True,
        tests=tests,
        labels=LabelDriftFigures(psi=0.3, statistic=9.0, df=2, p=0.0, changed=changed),
    )


def visible(page):
    """The text of a page, without its markup."""
    body = page.partition("<body>")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_shows_the_figures_of_the_files_beside_it():
    text = visible(made_up().html())
    assert "100 of 1,000 labels look wrong (10.0%)" in text
    for said in ("850 stay as they are", "50 stay with another label", "20 to review"):
        assert said in text
    for said in ("70 dropped", "10 dropped", "10 in quarantine", "81.2% accuracy"):
        assert said in text
    assert "+5.0 [+1.0, +9.0]" in text
    assert "evaluate.reference: 60 of 90 label errors were found" in text
    assert "fixed gives better models than the labels as given." in text
    assert "123 kB" in text


def test_shows_what_has_drifted_and_the_rows_that_have_most():
    text = visible(made_up(20).html())
    assert "this run is unlike data/" in text
    assert "find drift in 5% of the runs" in text
    assert "1,000 rows against 900." in text
    assert "labels yes PSI 0.300 0.10 < 0.001" in text
    assert "texts: upper case no gap 0.020 0.10 0.250" in text
    assert "class 0 4.0% 1.0%" in text
    assert "The 15 that have changed most" in text
    assert text.count("0.987 a text class 0") == N_OF_GROUP  # of chat there are none


def test_says_nothing_of_drift_that_nobody_asked_for():
    report = made_up()
    asked = {name: of for name, of in report.summary.checks.items() if name != "drift"}
    summary = replace(report.summary, checks=asked)
    assert "rift" not in visible(replace(report, summary=summary).html())


def test_no_text_of_a_row_can_be_markup():
    page = made_up(name=NASTY + " {}", preview=NASTY).html()
    assert "<script" not in page
    assert "49" not in re.findall(r"alert\('x'\).{0,40}", page)
    assert visible(page).count("{{ 7 * 7 }}") > 3
    notebook = made_up(preview=NASTY).in_notebook()
    assert notebook.startswith("<iframe")
    assert notebook.count("<") == 2  # its own two tags: the page is in an attribute


@pytest.mark.parametrize("n_classes", [2, 1000])
def test_its_size_is_bounded(n_classes):
    report = made_up(n_classes, name="a class with quite a long name {}", preview="語" * 200)
    page = report.html()
    assert len(page.encode()) < 3_000_000
    assert report.pictures()["noise_matrix"].html.count('<th scope="row">') == min(
        n_classes, MOST_IN_MATRIX
    )


def test_asks_nothing_of_the_network():
    page = made_up().html()
    assert "http:" not in page
    assert "https:" not in page
    assert "default-src 'none'" in page


def test_streams_are_as_wide_as_their_rows_and_never_too_thin_to_read():
    picture = charts.flow(
        1000, [Node("a", 900, "kept"), Node("b", 99, "dropped"), Node("c", 1, "review")]
    )
    heights = [float(h) for h in re.findall(r"height:(\d+)px\"><b>", picture.html)]
    assert len(heights) == 3
    assert heights[0] > heights[1] > heights[2] >= 26
    assert sum(heights) <= charts.FLOW_HEIGHT
    assert "<i>90.0%</i>" in picture.html


def test_a_curve_and_its_line_say_what_they_end_at():
    drawn = str(charts.curve("Right", [4.0, 6.0], 3.0, names=("ours", "by chance")))
    assert "ours: 6.0; by chance: 3.0" in drawn
    assert "0.00,100.00 50.00,36.00 100.00,4.00" in drawn
    assert 'y2="52.00"' in drawn


def test_the_darkest_cell_is_the_most_frequent_mistake():
    picture = charts.heat_map([[0.9, 0.2], [0.1, 0.8]], ["x", "y"], across="a", down="b")
    assert re.findall(r'class="([\w ]+)" style="--share:([\d.]+)">', picture.html) == [
        ("diagonal", "1.00"),
        ("cell dark", "1.00"),
        ("cell", "0.50"),
        ("diagonal", "1.00"),
    ]


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 390)])
def test_in_a_browser(tmp_path, dark, width):
    path = tmp_path / "report.html"
    name = "a_class_of_a_name_without_spaces_that_is_as_long_as_names_get_{}"
    path.write_text(made_up(30, name=name, preview=NASTY * 3).html(), encoding="utf-8")
    with chromium(tmp_path / "chromium", dark=dark, width=width) as tab:
        tab.open(path)
        assert not tab.overflows()
        assert tab.unlabelled() == []
        matrix = tab.page.locator("#labels .heat").first.locator("xpath=..")
        matrix.focus()
        tab.press("ArrowRight")
        tab.page.wait_for_timeout(300)
        assert matrix.evaluate("e => e.scrollLeft > 0 || e.scrollWidth === e.clientWidth")
        background = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background))) < 200) == dark
        tab.page.click("#configuration summary")
        assert "label_issues" in tab.text("#configuration pre")
