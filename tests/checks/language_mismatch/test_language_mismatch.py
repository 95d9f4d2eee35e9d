"""Texts in another language than most of their class: found, acted on and said."""

import pytest

import lakewinnow
from builders import corpus_row, make_config, make_run, make_table, messages, read_rows, write_csv
from lakewinnow.checks.language_mismatch import CHECK, LanguageMismatchConfig
from lakewinnow.checks.language_mismatch import stage as language_mismatch
from lakewinnow.typed_json import to_json

ENGLISH = "My parcel number {} has still not arrived, where is the courier?"
GERMAN = "Mein Paket Nummer {} ist immer noch nicht angekommen, wo bleibt der Fahrer?"
FRENCH = "Mon colis numéro {} n'est toujours pas arrivé, où est donc le livreur ?"


@pytest.fixture
def found(lake):
    """Class a is English but for two texts, b German but for one, of c no language has most."""
    texts = {
        0: [*(ENGLISH.format(i) for i in range(6)), GERMAN.format(1), FRENCH.format(1), "Wo?"],
        1: [*(GERMAN.format(i) for i in range(10, 14)), ENGLISH.format(10)],
        2: [ENGLISH.format(20), GERMAN.format(20), FRENCH.format(20)],
    }
    rows = [
        corpus_row(f"{label}-{i}", text, label)
        for label, of_class in texts.items()
        for i, text in enumerate(of_class)
    ]
    for part in (rows[::2], rows[1::2]):
        make_table(lake, "corpus", part)
    report = language_mismatch.run(make_run(lake), LanguageMismatchConfig())
    judged = read_rows(lake.files.root, "checks/language_mismatch")
    return report, {row["row_id"]: row for row in judged}


def test_texts_in_another_language_than_most_of_their_class_are_flagged(found):
    report, rows = found
    flagged = {row_id for row_id, row in rows.items() if row["is_language_mismatch_issue"]}
    assert flagged == {"0-6", "0-7", "1-4"}
    assert rows["0-6"]["why"].startswith("language: de (")
    assert rows["0-6"]["why"].endswith("where most texts of a are en")
    assert all(rows[row_id]["language_mismatch_score"] <= 0.1 for row_id in flagged)
    assert rows["0-0"]["language_mismatch_score"] == 1
    assert to_json(report.figures) == {
        "rows": 3,
        "rows_by_language": {"de": 1, "en": 1, "fr": 1},
        "judged": 16,
        "languages": {"a": "en", "b": "de"},
    }


def test_short_texts_and_classes_without_a_language_are_not_judged(found):
    _, rows = found
    for row_id in ("0-8", "2-0", "2-1", "2-2"):
        assert rows[row_id]["language_mismatch_score"] is None
    assert rows["0-8"]["language_mismatch_language"] is None
    assert rows["2-1"]["language_mismatch_language"] == "de"


def test_what_it_says(found):
    report, _ = found
    [sentence] = CHECK.sentences(report.figures, 17)
    assert sentence == "3 texts of 16 long enough to judge (1 de, 1 en, 1 fr)"


@pytest.mark.whole_run
def test_a_run_sets_such_rows_aside(spark, tmp_path):
    path = write_csv(tmp_path / "rows.csv", [*messages(60), (GERMAN.format(1), "shipping")])
    config = make_config(
        path,
        tmp_path / "out",
        checks={"language_mismatch": {}, "exact_duplicates": None},
        clean={"label_issues": "keep", "language_mismatch": "review"},
        crossval={"folds": 3},
    )
    result = lakewinnow.run(config, spark, until="publish")
    [row] = read_rows(tmp_path / "out", "review")
    assert row["text"] == GERMAN.format(1)
    assert result.summary["language_mismatch"]["rows_by_language"] == {"de": 1}
