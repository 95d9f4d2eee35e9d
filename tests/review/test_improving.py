"""The rows that an answer helps most: which are drawn, what is shown of them, what is said."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from builders import lake_in, make_commit, make_table, read_json, read_rows, sample_run
from lakewinnow import review
from lakewinnow.cli import exit_code_of
from lakewinnow.errors import LakewinnowError
from lakewinnow.lake.files import Files
from lakewinnow.lake.workspace import Lake
from lakewinnow.terminal.command_line import CommandLine
from lakewinnow.terminal.review import print_queue

N = 30
SETS = {"checks/near_duplicates": "near_duplicate_set"}
SOURCES = review.Sources(has_neighbors=True)


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory):
    _, result = sample_run(spark)
    workspace = tmp_path_factory.mktemp("improving") / "workspace"
    shutil.copytree(result.workspace, workspace)
    return Lake(spark, str(workspace))


@pytest.fixture(scope="module")
def drawn(lake):
    """The queue, and its rows."""
    queue = review.draw_queue(lake, N, SETS, SOURCES)
    return queue, pq.read_table(lake.files.path("review_queue/queue.parquet")).to_pylist()


def test_the_rows_come_first_of_which_an_answer_is_worth_most(lake, drawn):
    queue, rows = drawn
    judged = {row["row_id"]: row for row in read_rows(lake.files.root, "checks/label_issues")}
    sets = {
        row["row_id"]: row["near_duplicate_set"] for row in read_rows(lake.files.root, "issues")
    }
    assert [row["review_order"] for row in rows] == [*range(1, N + 1)]
    gains = [row["gain"] for row in rows]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] == max(row["gain"] for row in judged.values())
    assert queue.gain == pytest.approx(sum(gains))
    assert read_json(lake.files.root, "review_queue/queue.json")["id"] == queue.id
    for row in rows:
        of = judged[row["row_id"]]
        assert row.items() >= {k: of[k] for k in ("given_label", "suggested_prob", "gain")}.items()
    together = [sets[row["row_id"]] for row in rows if sets[row["row_id"]] is not None]
    assert len({*together}) == len(together)
    assert len({row["text"] for row in rows}) == N


def test_the_nearest_texts_that_agree_and_contradict_are_shown(lake, drawn):
    corpus = read_rows(lake.files.root, "corpus")
    keys = {row["row_id"]: row["text_key"] for row in corpus}
    texts = {row["text"][:150]: row for row in corpus}
    near = {
        row["text_key"]: row["neighbors"] for row in read_rows(lake.files.root, "checks/neighbors")
    }
    for row in drawn[1]:
        own = keys[row["row_id"]]
        agreeing = [of for of in row["nearest"] if of["label"] == row["given_label"]]
        assert len(agreeing) <= 3
        assert len(row["nearest"]) - len(agreeing) <= 3
        found = [texts[of["text"]]["text_key"] for of in row["nearest"]]
        places = [[own, *near[own]].index(key) for key in found]
        assert places == sorted(places)
        assert all(of["text"] != row["text"][:150] for of in agreeing)
    assert any(row["nearest"] for row in drawn[1])


def test_another_queue_does_not_take_the_place_of_one_unless_told(lake, drawn):
    again = review.draw_queue(lake, N, SETS, SOURCES)
    assert again == drawn[0]
    with pytest.raises(LakewinnowError) as caught:
        review.draw_queue(lake, N - 1, SETS, SOURCES)
    assert caught.value.code == "another_sample"
    assert Path(lake.files.path("review_queue/review.html")).exists()


def test_a_run_of_an_earlier_version_is_to_be_made_again(spark, tmp_path):
    lake = lake_in(spark, tmp_path)
    make_table(lake, "issues", [{"row_id": "a", "decided_by": "Ann"}])
    make_table(lake, "checks/label_issues", [{"row_id": "a", "label_score": 0.5}])
    for stage in ("ingest", "decide"):
        make_commit(lake, stage)
    with pytest.raises(LakewinnowError) as caught:
        review.draw_queue(lake, N, {})
    assert (caught.value.code, caught.value.where) == ("no_gain", "workspace")


def test_what_to_do_with_the_answers_is_said(tmp_path, capsys):
    queue = review.Queue(id="0", rows=30, decided=2, classes=["a", "b"], gain=4.4)
    print_queue(queue, Files(str(tmp_path)), CommandLine(("mine.yaml",), ()))
    text = " ".join(capsys.readouterr().out.split())
    assert "30 rows that an answer helps most" in text
    assert "makes about 4 more labels right" in text
    assert "2 rows have a decision already: left out" in text
    assert "run mine.yaml --set 'clean.decisions=FOLDER/*.csv'" in text
    assert "input.annotations" in text


def test_options_of_a_sample_do_not_go_with_it(capsys):
    assert exit_code_of(["review", "draw", "quickstart", "--improve", "5", "-n", "6"]) == 2
    assert "--improve: expected no -n and no --unflagged" in capsys.readouterr().err
