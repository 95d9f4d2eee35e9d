"""Duplicates: rows whose texts have one normal form."""

from builders import corpus_row, make_run, make_table, read_rows
from lakewinnow.checks.exact_duplicates import ExactDuplicatesConfig
from lakewinnow.checks.exact_duplicates import stage as duplicates
from lakewinnow.typed_json import to_json

NFC, NFD = "Caf\u00e9 closed", "Cafe\u0301 closed"


def test_rows_of_equal_text_are_sets_named_by_their_smallest_id(lake):
    rows = [
        corpus_row("5", "same", 0),
        corpus_row("3", "same", 0),
        corpus_row("4", "Same", 0),
        corpus_row("2", NFC, 1),
        corpus_row("1", NFD, 2),
        corpus_row("9", "same", 0),
        corpus_row("7", "alone", 1),
    ]
    make_table(lake, "corpus", rows)
    report = duplicates.run(make_run(lake), ExactDuplicatesConfig())
    found = {
        row["row_id"]: (row["exact_duplicate_set"], row["labels_differ"])
        for row in read_rows(lake.files.root, "checks/exact_duplicates")
    }
    same, coffee = ("3", False), ("1", True)
    assert found == {"3": same, "5": same, "9": same, "1": coffee, "2": coffee}
    assert to_json(report.figures) == {"sets": 2, "rows": 5, "sets_whose_labels_differ": 1}


def test_without_duplicates_the_table_is_empty(lake):
    make_table(lake, "corpus", [corpus_row("1", "one"), corpus_row("2", "two")])
    report = duplicates.run(make_run(lake), ExactDuplicatesConfig())
    assert to_json(report.figures) == {"sets": 0, "rows": 0, "sets_whose_labels_differ": 0}
    assert read_rows(lake.files.root, "checks/exact_duplicates") == []
