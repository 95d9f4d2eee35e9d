"""What a review says on a terminal: figures in words, and no more than the sample shows."""

import pytest

from lakewinnow.lake.files import Files
from lakewinnow.terminal.command_line import CommandLine
from lakewinnow.terminal.review import print_measured


def share(name, value, half):
    return {name: value, f"{name}_low": value - half, f"{name}_high": value + half}


def cut(at, rows, value):
    return {"cut": at, "rows": rows, "answered": 40, **share("share", value, 0.03)}


def measured(**changes):
    return {
        "sample": "0123456789abcdef",
        "confidence": 0.95,
        "rows": {
            "sampled": 200,
            "answered": 197,
            "decided": {"fix": 90, "keep": 107},
            "decided_before": 0,
        },
        "flags": {"rows": 910, "answered": 150, **share("precision", 0.48, 0.07)},
        "flags_by_class": {"[b]": {"answered": 32, **share("precision", 0.5, 0.1)}},
        "fixes": {"rows": 637, "answered": 107, **share("right", 0.4, 0.1)},
        "others": {"rows": 1006, "answered": 47, **share("errors", 0.1, 0.05)},
        **share("recall", 0.6, 0.1),
        "wanted": {
            "share": 0.9,
            "label_score": {"shown": None, "likely": None},
            "suggested_prob": {"shown": None, "likely": None},
        },
        "by": {"Ann": 120, "": 77},
        "outside_sample": 0,
        "differing": [],
        "undecided": [],
        "agreement": None,
        **changes,
    }


@pytest.fixture
def printed(tmp_path, capsys):
    def of(**changes):
        files = Files(str(tmp_path))
        typed = CommandLine(("mine.yaml",), ("a.b=c d",))
        print_measured(measured(**changes), files, ["ann.csv"], typed)
        return " ".join(capsys.readouterr().out.split())

    return of


def test_figures_have_their_intervals(printed):
    text = printed()
    assert "197 of 200 rows are reviewed (90 fix, 107 keep); 120 by Ann, 77 by (no name)" in text
    assert "3 rows have no decision" in text
    assert "flagged: the label is wrong 910 150 48.0 [ 41.0, 55.0]" in text
    assert "[b] 32 50.0 [ 40.0, 60.0]" in text
    assert "not flagged: the label is wrong 1,006 47 10.0 [ 5.0, 15.0]" in text
    assert "run mine.yaml --set 'a.b=c d' --set clean.decisions=ann.csv" in text


def test_what_was_not_asked_is_not_told(printed):
    none = {"rows": 1006, "answered": 0, "errors": None}
    assert "the label is wrong 1,006 0 not asked" in printed(others=none)


def test_a_cut_is_called_shown_only_where_it_is(printed):
    text = printed()
    assert "flags: this sample shows no such label_score" in text
    assert "fix_above" not in text
    wanted = {
        "share": 0.9,
        "label_score": {"shown": cut(0.18, 626, 0.95), "likely": cut(0.49, 774, 0.91)},
        "suggested_prob": {"shown": None, "likely": cut(0.59, 500, 0.92)},
    }
    text = printed(wanted=wanted)
    assert "label_score up to 0.18 (626 of 910 rows): 95.0 [ 92.0, 98.0] % are right, as" in text
    assert "up to 0.49 (774 of 910 rows): 91.0 [ 88.0, 94.0] % are right, by estimate;" in text
    assert "suggested_prob from 0.59 (500 of 637 rows): 92.0 [ 89.0, 95.0] % are right, by" in text
    assert "clean.fix_above=0.59" in text


def test_people_who_differ_are_told_and_what_they_agree_on_is_taken(printed):
    agreement = {"rows": 120, "share": 0.89, "alpha": 0.871}
    by = {"Bo": 0.8, "Ann": 0.9}
    text = printed(differing=["q1", "q2"], undecided=["q2"], agreement=agreement, agreement_by=by)
    assert "Each agrees with the others: Bo 80%, Ann 90%" in text
    assert "120 rows have several answers, which agree 89% of the time" in text
    assert "alpha 0.87" in text
    assert "People disagree about 2 rows; 1 row has no majority (q2)" in text
    assert "review_sample/decisions-012345.csv" in text
    again = {**measured()["rows"], "decided_before": 80}
    assert "80 rows were decided before" in printed(rows=again)
    alone = printed(agreement={"rows": 2, "share": 1.0, "alpha": None})
    assert "alpha" not in alone
