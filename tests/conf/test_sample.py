"""The sample that the quickstart runs on: it is what its script makes, and holds what it says."""

import csv
import runpy
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[2] / "conf" / "sample"
FILES = ("support.csv", "truth.csv")
QUEUES = {"billing", "shipping", "technical", "refund", "login", "cancellation"}

main = runpy.run_path(str(SAMPLE / "make_sample.py"))["main"]


def read(name):
    with (SAMPLE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.fixture(scope="module")
def support():
    return {row["ticket"]: row for row in read("support.csv")}


@pytest.fixture(scope="module")
def truth():
    return {row["ticket"]: row for row in read("truth.csv")}


def nfc(text):
    return unicodedata.normalize("NFC", text)


def test_the_script_writes_the_committed_bytes(tmp_path):
    main(["--into", str(tmp_path)])
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes()
    main(["--check"])


@pytest.mark.parametrize("name", FILES)
def test_check_names_the_file_that_differs_and_leaves_it_alone(tmp_path, capsys, name):
    main(["--into", str(tmp_path)])
    (tmp_path / name).write_bytes(b"ticket\r\n")
    with pytest.raises(SystemExit, match="1"):
        main(["--into", str(tmp_path), "--check"])
    assert str(tmp_path / name) in capsys.readouterr().err
    assert (tmp_path / name).read_bytes() == b"ticket\r\n"


def test_check_fails_where_nothing_was_made(tmp_path):
    with pytest.raises(SystemExit, match="1"):
        main(["--into", str(tmp_path), "--check"])
    assert not list(tmp_path.iterdir())


def test_tickets_are_unique_and_truth_names_real_ones(support, truth):
    assert [row["ticket"] for row in read("support.csv")] == [f"T-{i:04}" for i in range(1, 601)]
    assert len(read("truth.csv")) == len(truth)
    assert truth.keys() <= support.keys()
    originals = [row["copy_of"] for row in truth.values() if row["copy_of"]]
    assert set(originals) <= support.keys() - truth.keys()  # of rows with nothing wrong
    assert len(originals) == len(set(originals))


def test_as_many_plants_as_the_script_says(support, truth):
    assert Counter(row["kind"] for row in truth.values()) == {
        "label_error": 48,
        "exact_duplicate": 12,
        "near_duplicate": 12,
        "blank": 6,
        "no_label": 3,
        "stranger": 8,
    }
    assert {row["queue"] for row in support.values()} == QUEUES | {""}


def test_true_queue_says_which_queues_are_wrong(support, truth):
    wrong = Counter()
    for ticket, row in truth.items():
        assert (row["true_queue"] in QUEUES) == (row["kind"] not in {"blank", "stranger"})
        if row["true_queue"] not in {"", support[ticket]["queue"]}:
            wrong[row["kind"]] += 1
    assert wrong == {"label_error": 48, "exact_duplicate": 4, "no_label": 3}


def test_blank_messages_and_missing_labels_are_exactly_the_planted_ones(support, truth):
    for ticket, row in support.items():
        kind = truth.get(ticket, {}).get("kind")
        assert (row["message"].strip() == "") == (kind == "blank")
        assert (row["queue"] == "") == (kind == "no_label")


def test_a_copy_has_the_text_and_the_true_queue_of_its_original(support, truth):
    in_nfd = 0
    for ticket, row in truth.items():
        assert bool(row["copy_of"]) == row["kind"].endswith("_duplicate")
        if row["copy_of"]:
            copy, original = support[ticket]["message"], support[row["copy_of"]]
            assert row["true_queue"] == original["queue"]
            assert (nfc(copy) == original["message"]) == (row["kind"] == "exact_duplicate")
            in_nfd += nfc(copy) != copy
    assert in_nfd == 4


def test_no_other_two_messages_are_the_same_text(support, truth):
    originals = [
        nfc(row["message"])
        for ticket, row in support.items()
        if truth.get(ticket, {}).get("kind") not in {"exact_duplicate", "blank"}
    ]
    assert len(originals) == len(set(originals)) == 600 - 12 - 6


@pytest.mark.parametrize("trap", ["\n", '"', ",", '",', "é", "ü", "€", "👋"])
def test_messages_hold_what_trips_a_careless_reader(support, trap):
    assert sum(trap in row["message"] for row in support.values()) >= 5
