"""The run: every row accounted for, nothing done twice, nothing half-written."""

import csv
import hashlib
import json
import shutil
from collections import Counter
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakewinnow
from builders import (
    CLEAR,
    SAMPLE,
    Recorder,
    assert_keeps_the_contracts,
    make_config,
    messages,
    read_json,
    read_rows,
    read_table,
    sample_run,
    tables_of,
    write_csv,
)
from lakewinnow.config.file import load_config
from lakewinnow.errors import DataError, EngineError, LakewinnowError, SchemaError
from lakewinnow.lake.reading import verify
from lakewinnow.lake.workspace import Lake
from lakewinnow.stages import label_issues, publish

# Of a run with no check but exact duplicates, as `make_config` has it, and of one as it is.
STAGES = [
    *("ingest", "embed", "crossval", "noise", "label_issues", "exact_duplicates"),
    *("decide", "publish", "report"),
]
CHECKED = [
    *(*STAGES[:5], "neighbors", *STAGES[5:6], "outliers", "imbalance", "near_duplicates", "text"),
    *STAGES[6:],
]
NAME_THE_FOLDER = ("config.yaml", "manifest.json", "report.html")
SECRET = "hunter2"  # noqa: S105


# --- a finished run -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample(spark):
    return sample_run(spark)[1]


def test_every_row_of_the_sample_is_accounted_for(sample):
    rows = sample.rows
    assert rows["in"] == 600 == sum(n for table, n in rows.items() if table != "in")
    assert rows["quarantine"] == 9
    for table in ("clean", "review", "dropped", "quarantine"):
        assert len(read_rows(sample.workspace, table)) == rows[table]
    assert_keeps_the_contracts(sample.workspace)


def test_each_input_row_is_in_one_table(sample):
    left = Counter()
    for table in ("clean", "review", "dropped", "quarantine"):
        left.update(row["ticket"] for row in read_rows(sample.workspace, table))
    with (SAMPLE / "support.csv").open(newline="", encoding="utf-8") as file:
        assert left == Counter(row["ticket"] for row in csv.DictReader(file))


def test_the_planted_errors_are_found(sample):
    detection = sample.summary["detection"]
    assert detection["rows"] == 591
    assert detection["recall"] > 0.75
    assert detection["precision"] > 0.7
    assert detection["auroc"] > 0.95


def test_the_manifest_says_what_was_done(sample):
    manifest = read_json(sample.workspace, "manifest.json")
    assert manifest == json.loads(json.dumps(sample.manifest))
    assert manifest["rows"] == sample.rows
    assert {"python", "spark", "lakewinnow", "scikit-learn"} <= manifest["versions"].keys()
    assert manifest["config"]["crossval"]["folds"] == 5
    assert manifest["input"]["bytes"] == (SAMPLE / "support.csv").stat().st_size
    assert manifest["input"]["fingerprint"]
    stages = [*CHECKED, "evaluate"]
    stages.insert(stages.index("decide"), "ask")
    assert [stage["name"] for stage in manifest["stages"]] == stages
    for stage in manifest["stages"]:
        assert stage.keys() >= {
            "name", "seconds", "rows_in", "rows_out", "passes", "bytes_read", "bytes_written",
        }  # fmt: skip


def test_the_summary_has_the_figures_of_the_contract(sample):
    summary = read_json(sample.workspace, "summary.json")
    assert summary["rows"].keys() == {"in", "clean", "review", "dropped", "quarantine"}
    assert summary["label_issues"]["n"] == sum(summary["label_issues"]["by_class"].values())
    assert summary["crossval"].keys() >= {"accuracy", "log_loss", "ece"}
    assert summary["detection"].keys() >= {"precision", "recall", "auroc"}
    assert summary["quarantine"] == {"label_null": 3, "text_blank": 4, "text_null": 2}


def test_the_resolved_configuration_is_beside_the_output(sample, spark):
    assert load_config(Path(sample.workspace, "config.yaml")) == sample_run(spark)[0]


@pytest.mark.slow
def test_seven_files_in_another_order_give_the_same_issues(sample, spark, tmp_path):
    source = spark.read.csv(
        str(SAMPLE / "support.csv"), header=True, multiLine=True, escape='"', quote='"'
    )
    reversed_ = source.toArrow().to_pylist()[::-1]
    for i in range(7):
        rows = [list(row.values()) for row in reversed_[i::7]]
        write_csv(tmp_path / "input" / f"{i}.csv", rows, source.columns)
    config = load_config(
        Path(sample.workspace, "config.yaml"),
        overrides=[f"workspace={tmp_path}/out", f"input.path={tmp_path}/input", "input.format=csv"],
    )
    other = lakewinnow.run(config, spark)
    for table in ("corpus", "pred_probs", "issues", "review", "dropped", "quarantine"):
        assert read_rows(other.workspace, table) == read_rows(sample.workspace, table), table
    clean = [
        sorted(read_rows(run.workspace, "clean"), key=lambda row: row["ticket"])
        for run in (sample, other)
    ]
    assert clean[0] == clean[1]
    assert read_json(other.workspace, "noise_model.json") == read_json(
        sample.workspace, "noise_model.json"
    )
    assert other.summary == sample.summary


# --- any table ----------------------------------------------------------------------------------

NAMES = {"text": "the.text", "label": 'a "label"', "id": "row_id"}


@pytest.fixture(scope="module")
def odd(spark, tmp_path_factory):
    """A run over integers, rare classes, twins, a bad row, and columns with our names or worse."""
    folder = tmp_path_factory.mktemp("odd")
    labels = {"billing": 3, "login": 20, "shipping": 100}
    texts = [*messages(50), ("nothing like it", "rare"), *messages(4), (" ", "login")]
    rows = [
        {
            'a "label"': labels.get(label, -1),
            "row_id": i,
            "Reason": f"no {i}" if i % 2 else None,
            "the.text": text,
            "source": {"text": "web"},
            "error": 0.5,
            "text": "not this",
            "label": i % 2,
            "predicted_label": "nor this",
            "when it came": date(2026, 2, 1 + i % 28),
        }
        for i, (text, label) in enumerate(texts)
    ]
    schema = pa.Table.from_pylist(rows).schema.set(0, pa.field('a "label"', pa.int16()))
    pq.write_table(pa.Table.from_pylist(rows, schema), folder / "odd.parquet")
    observer = Recorder()
    config = make_config(
        folder / "odd.parquet",
        folder / "out",
        input=NAMES,
        crossval={"folds": 3},
        embedding={"dimensions": 64},
        clean={"label_issues": "drop", "exact_duplicates": "review"},
    )
    return lakewinnow.run(config, spark, observer=observer), observer.warnings, config


def test_columns_of_any_name_and_type_come_through(odd):
    run, _, config = odd
    n_dropped = run.rows["dropped"]
    assert n_dropped > 0
    sizes = {"clean": 51 - n_dropped, "review": 4, "dropped": n_dropped, "quarantine": 1}
    assert run.rows == {"in": 56, **sizes}
    before = pq.read_table(config.input.path)
    for table, n_rows in sizes.items():
        after = read_table(run.workspace, table).select(before.schema.names)
        assert len(after) == n_rows
        assert [f.type for f in after.schema] == [f.type for f in before.schema], table
        for row in after.to_pylist():
            assert row == before.slice(row["row_id"], 1).to_pylist()[0]
    assert read_table(run.workspace, "clean").schema.names == before.schema.names
    assert_keeps_the_contracts(run.workspace, config.input.path)


def test_our_columns_step_aside(odd):
    for table, names in {
        "review": {"lakewinnow_row_id", "lakewinnow_reason", "lakewinnow_predicted_label"},
        "quarantine": {"lakewinnow_row_id", "lakewinnow_error", "error_code"},
    }.items():
        assert set(read_table(odd[0].workspace, table).column_names) > names


def test_a_class_of_one_row_is_a_warning_and_never_an_issue(odd):
    run, warnings, _ = odd
    [few] = warnings
    assert "(-1)" in few
    issues = run.summary["label_issues"]
    assert list(issues["class_counts"]) == ["-1", "3", "20", "100"]  # as numbers, not as text
    assert (issues["class_counts"]["-1"], issues["by_class"]["-1"]) == (1, 0)


# --- going on, starting over --------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(spark, tmp_path_factory):
    """A finished small run, to be copied: its configuration by workspace, and its workspace."""
    folder = tmp_path_factory.mktemp("small")
    path = write_csv(folder / "rows.csv", [*messages(60), ("", "login")])

    def configure(workspace, **sections):
        defaults = {
            "input": {"options": {"fs.secret.key": SECRET}},
            "crossval": {"folds": 3},
            "embedding": {"dimensions": 64, "store": str(folder / "store")},
        }
        clean = {"label_issues": "drop", **sections.pop("clean", {})}
        return make_config(path, workspace, **defaults | sections, clean=clean)

    lakewinnow.run(configure(folder / "out"), spark)
    return configure, folder / "out"


@pytest.fixture
def finished(small, tmp_path):
    """A copy of the small run's workspace, to run again in."""
    return Path(shutil.copytree(small[1], tmp_path / "out"))


@pytest.fixture
def again(spark, small):
    """Run in a workspace; return which stages ran and which were found done."""

    def run(workspace, *, restart=False, until=(), **sections):
        observer = Recorder()
        config = small[0](workspace, **sections)
        lakewinnow.run(config, spark, restart=restart, until=until, observer=observer)
        return observer.ran, observer.resumed

    return run


def content_of(workspace):
    return {
        path.relative_to(workspace): path.read_bytes()
        for path in Path(workspace).rglob("*")
        if path.is_file() and path.name not in NAME_THE_FOLDER
    }


@pytest.mark.slow_on_spark
def test_a_second_run_does_nothing(again, finished):
    before = content_of(finished)
    assert again(finished) == ([], STAGES)
    assert content_of(finished) == before


def test_a_stage_that_lost_its_record_is_redone(again, finished, small):
    (finished / "_commits" / "label_issues.json").unlink()
    redone = ["label_issues", *STAGES[-3:]]  # and not the duplicates
    assert again(finished) == (redone, [name for name in STAGES if name not in redone])
    assert read_rows(finished, "issues") == read_rows(small[1], "issues")


MORE_FILES = {"export": {"format": "openai-chat"}, "ask": {"format": "label-studio"}}


@pytest.mark.slow_on_spark
def test_files_that_got_lost_are_made_again(again, finished):
    again(finished, **MORE_FILES)
    before = content_of(finished)
    for stage, name in [
        ("noise", "noise_model.json"),
        ("ask", "labelling/tasks.json"),
        ("export", "exports/train.jsonl"),
    ]:
        (finished / name).unlink()
        assert stage in again(finished, **MORE_FILES)[0]
        assert (finished / name).read_bytes() == before[Path(name)]


@pytest.mark.slow_on_spark
def test_what_is_asked_for_no_more_leaves_no_stale_files(again, finished):
    again(finished, **MORE_FILES)
    optional = {"ask", "exports", "labelling"}
    assert optional <= {path.name for path in finished.iterdir()}
    again(finished, clean={"label_issues": "review"}, ask={"rows": None})
    assert not optional & {path.name for path in finished.iterdir()}
    assert verify(finished).faults == []
    listed = {file["path"] for file in read_json(finished, "manifest.json")["files"]}
    assert listed == {"noise_model.json", "report.html", "summary.json"}
    assert again(finished, **MORE_FILES)[0][-1] == "export"
    assert (finished / "exports" / "train.jsonl").exists()


def test_another_decision_redoes_only_what_comes_after(again, finished):
    ran, _ = again(finished, clean={"label_issues": "review"})
    assert ran == STAGES[-3:]
    rows = read_json(finished, "manifest.json")["rows"]
    assert rows["dropped"] == 0 < rows["review"]
    assert again(finished, clean={"label_issues": "review"}) == ([], STAGES)


@pytest.mark.slow
def test_the_users_decisions_hold_in_every_run_and_a_change_of_them_redoes_decide(
    again, finished, tmp_path
):
    issues = read_rows(finished, "issues")
    worst = next(row for row in issues if row["label_rank"] == 1)
    fine = next(row for row in issues if row["decision"] == "keep")
    other = next(name for name in sorted(CLEAR) if name != fine["given_label"])
    header = ("row_id", "decision", "label")
    told = [(worst["row_id"], "keep", ""), (fine["row_id"], "", other)]
    path = write_csv(tmp_path / "mine.csv", told, header)
    sections = {"clean": {"decisions": str(path)}}
    assert again(finished, **sections)[0] == STAGES[-3:]
    assert read_json(finished, "summary.json")["own_decisions"] == {"fix": 1, "keep": 1}
    assert_keeps_the_contracts(finished)

    path = write_csv(path, told[::-1], header)  # other bytes, the same decisions
    assert again(finished, **sections)[0] == []
    assert again(finished, **sections, crossval={"folds": 3, "seed": 1})[0][0] == "ingest"
    found = {row["row_id"]: row for row in read_rows(finished, "issues")}
    assert found[worst["row_id"]]["decision"] == "keep"
    assert (found[fine["row_id"]]["decision"], found[fine["row_id"]]["new_label"]) == ("fix", other)

    write_csv(path, told[:1], header)
    assert again(finished, **sections, crossval={"folds": 3, "seed": 1})[0] == STAGES[-3:]
    assert read_json(finished, "summary.json")["own_decisions"] == {"keep": 1}


def test_soft_labels_redo_publish_and_say_their_classes(again, finished):
    output = {"soft_labels": True}
    clean = {"label_issues": "review"}
    assert again(finished, clean=clean, output=output)[0] == STAGES[-3:]
    summary = read_json(finished, "summary.json")
    assert summary["soft_labels"] == {"column": "soft_label", "classes": sorted(CLEAR)}
    aside = [row for row in read_rows(finished, "issues") if row["decision"] == "review"]
    assert summary["decisions"]["review"] == len(aside) > 0
    for row in read_rows(finished, "clean"):
        assert len(row["soft_label"]) == 3
        assert sum(row["soft_label"]) == pytest.approx(1, abs=1e-5)
    assert_keeps_the_contracts(finished)


def test_a_restart_does_everything_again_but_embed(again, finished):
    assert again(finished, restart=True, until="embed") == (STAGES[:2], [])
    assert read_json(finished, "_commits/embed.json")["figures"]["embedded"] == 0


def test_a_run_can_stop_at_a_stage_and_go_on(again, tmp_path):
    assert again(tmp_path, until="ingest") == (STAGES[:1], [])
    assert tables_of(tmp_path) == {"corpus", "quarantine"}
    assert again(tmp_path, until="embed") == (["embed"], STAGES[:1])


def test_a_killed_run_goes_on_at_the_stage_it_was_in(again, small, tmp_path, monkeypatch):
    def is_killed():
        with pytest.raises(KeyboardInterrupt):
            again(tmp_path)
        return True

    def kill(*_, **__):
        raise KeyboardInterrupt

    def kill_before_review(lake, name, *rest, publish=Lake.publish, **options):
        kill() if name == "review" else publish(lake, name, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(label_issues, "run", kill)
        assert is_killed()
    assert tables_of(tmp_path).isdisjoint({"clean", "issues", "manifest.json", "summary.json"})

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "publish", kill_before_review)
        assert is_killed()
    assert tables_of(tmp_path).isdisjoint({"review", "dropped", "manifest.json", "summary.json"})

    assert again(tmp_path) == (STAGES[-2:], STAGES[:-2])
    assert read_rows(tmp_path, "issues") == read_rows(small[1], "issues")
    before, after = (read_json(folder, "summary.json") for folder in (small[1], tmp_path))
    assert after["rows"] == before["rows"]


@pytest.mark.slow_on_spark
@pytest.mark.parametrize(
    "sections", [{"clean": {"label_issues": "keep"}}, {"crossval": {"folds": 3, "seed": 1}}]
)
def test_another_configuration_just_runs_in_a_workspace_of_ours(again, finished, sections):
    assert again(finished, **sections)[0][-3:] == STAGES[-3:]
    assert again(finished, **sections) == ([], STAGES)


def test_a_run_that_would_drop_too_much_leaves_what_is_published(again, finished):
    published = [finished / "_commits" / "publish.json", *sorted((finished / "clean").iterdir())]
    before = [path.read_bytes() for path in published]
    with pytest.raises(DataError) as caught:
        again(finished, clean={"max_drop_fraction": 0.0})
    assert caught.value.code == "too_many_dropped"
    assert [path.read_bytes() for path in published] == before


def test_somebody_elses_output_is_in_the_way(again, tmp_path):
    write_csv(tmp_path / "clean" / "mine.csv", [])
    with pytest.raises(DataError) as caught:
        again(tmp_path)
    assert (caught.value.code, caught.value.where) == ("output_exists", "workspace")
    assert tables_of(tmp_path) == {"clean"}
    assert [path.name for path in (tmp_path / "clean").iterdir()] == ["mine.csv"]


def test_a_changed_input_is_another_run(spark, tmp_path):
    path = write_csv(tmp_path / "rows.csv", messages(12))
    config = make_config(path, tmp_path / "out", crossval={"folds": 3})
    lakewinnow.run(config, spark, until="ingest")
    write_csv(path, [*messages(12), ("one more", "login")])
    observer = Recorder()
    lakewinnow.run(config, spark, until="ingest", observer=observer)
    assert observer.ran == ["ingest"]
    assert len(read_rows(tmp_path / "out", "corpus")) == 13


def test_a_row_that_gets_lost_fails_the_run(again, finished, monkeypatch):
    publishes = publish.run

    def loses_dropped_rows(lake, *arguments):
        report = publishes(lake, *arguments)
        lake.publish("dropped", lake.read("dropped").limit(0))
        return report

    (finished / "_commits" / "publish.json").unlink()
    (finished / "manifest.json").unlink()
    monkeypatch.setattr(publish, "run", loses_dropped_rows)
    with pytest.raises(EngineError) as caught:
        again(finished)
    assert caught.value.code == "rows_unaccounted"
    assert not (finished / "manifest.json").exists()


def test_secrets_are_not_written_anywhere(small):
    assert read_json(small[1], "manifest.json")["config"]["input"]["options"].keys()
    for path in small[1].rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path


# --- an earlier noise model ---------------------------------------------------------------------


def run_batch(spark, small, path, noise_model, **sections):
    """Run on another file with the small run's store; return the observer and the result."""
    embedding = {"dimensions": 64, "store": str(small[1].parent / "store")}
    config = make_config(
        path, path.parent / "out", crossval={"folds": 3}, embedding=embedding, **sections
    )
    observer = Recorder()
    result = lakewinnow.run(config, spark, noise_model=noise_model, observer=observer)
    return observer, result


def test_a_batch_is_judged_by_an_earlier_noise_model(spark, small, tmp_path):
    earlier = small[1] / "noise_model.json"
    later = [row for row in messages(120)[60:] if row[1] != "shipping"]
    path = write_csv(tmp_path / "batch.csv", [*later, ("where is the refund", "returns")])
    observer, result = run_batch(spark, small, path, earlier)
    assert result.manifest["noise_model"] == {
        "path": str(earlier),
        "sha256": hashlib.sha256(earlier.read_bytes()).hexdigest(),
    }
    [unknown] = read_rows(result.workspace, "quarantine")
    assert (unknown["label"], unknown["error_code"]) == ("returns", "label_not_in_classes")
    model, batch = (
        read_json(folder, "noise_model.json") for folder in (small[1], result.workspace)
    )
    assert batch["classes"] == model["classes"] == ["billing", "login", "shipping"]
    assert batch["thresholds"] == model["thresholds"]
    assert batch["counts"][2] == 0
    assert sum(batch["counts"]) == len(later) == len(read_rows(result.workspace, "issues"))
    merged = lakewinnow.merge_noise_models([earlier, f"{result.workspace}/noise_model.json"])
    assert merged.n_rows == 60 + len(later)

    observer, _ = run_batch(spark, small, path, earlier)
    assert observer.ran == []
    other = tmp_path / "merged.json"
    other.write_text(json.dumps(merged.to_dict()))
    observer, result = run_batch(spark, small, path, other)
    assert (observer.ran[0], observer.resumed) == ("noise", [*STAGES[:3], "exact_duplicates"])
    assert result.manifest["noise_model"]["path"] == str(other)


@pytest.mark.slow
def test_a_batch_of_one_class_with_its_own_probabilities(spark, small, tmp_path):
    model = read_json(small[1], "noise_model.json")
    table = pa.table(
        {
            "text": ["right", "wrong"],
            "label": ["login", "login"],
            "probs": [[0.02, 0.97, 0.01], [0.97, 0.02, 0.01]],
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    config = make_config(
        tmp_path / "rows.parquet",
        tmp_path / "out",
        input={"pred_probs": "probs"},
        label_issues={"filter_by": "confident_learning"},
    )
    path = small[1] / "noise_model.json"
    with pytest.warns(lakewinnow.LakewinnowWarning) as warned:
        lakewinnow.run(config, spark, noise_model=path, until="decide")
    assert "have no row (billing, shipping)" in str(warned[1].message)
    issues = read_rows(tmp_path / "out", "issues")
    assert {row["text_preview"]: row["is_label_issue"] for row in issues} == {
        "right": False,
        "wrong": True,
    }
    assert read_json(tmp_path / "out", "noise_model.json")["thresholds"] == model["thresholds"]


def test_a_noise_model_that_does_not_fit_is_found_before_anything_is_written(small, tmp_path):
    path = small[1] / "noise_model.json"
    for config, code in (
        (small[0](tmp_path, input={"classes": ["login", "billing"]}), "other_classes"),
        (small[0](small[1]), "same_workspace"),
    ):
        with pytest.raises(LakewinnowError) as caught:
            lakewinnow.run(config, noise_model=path)
        assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_a_reference_that_is_not_there_is_found_before_anything_is_written(again, tmp_path):
    with pytest.raises(DataError) as caught:
        again(tmp_path, evaluate={"reference": "no/such.csv"})
    assert (caught.value.code, caught.value.where) == ("input_not_found", "evaluate.reference")
    assert list(tmp_path.iterdir()) == []


# --- a holdout ----------------------------------------------------------------------------------


def write_holdout(path, *more):
    """Write 40 rows, one of which is in the input too, and some more."""
    rows = [(f"{text}, again", label) for text, label in messages(130)[90:129]]
    return write_csv(path, [messages(1)[0], *rows, *more])


@pytest.mark.slow
def test_models_are_compared_on_the_holdout_which_is_paid_for_once(again, finished, tmp_path):
    path = write_holdout(tmp_path / "holdout.csv", ("of another kind", "returns"))
    evaluate = {"holdout": str(path), "seeds": 1}
    assert again(finished, evaluate=evaluate) == (["holdout", "evaluate"], STAGES)
    summary = read_json(finished, "summary.json")
    figures = {"rows", "accuracy", "accuracy_low", "accuracy_high", "macro_f1", "recall"}
    for name in ("baseline", "control", "dropped", "fixed", "soft", "clean"):
        assert summary["evaluate"][name].keys() >= figures
    assert summary["holdout"]["rows"] == summary["comparison"]["test_rows"] == 40
    assert summary["holdout"]["rejected"] == {"label_not_in_classes": 1}
    assert summary["holdout"]["embedded"] == 39
    assert summary["comparison"]["in_holdout_too"] == 1
    assert [row["label"] for row in read_rows(finished, "holdout/quarantine")] == ["returns"]
    assert_keeps_the_contracts(finished)

    at = STAGES.index("decide")
    with_holdout = [*STAGES[:at], "holdout", *STAGES[at:]]
    assert again(finished, evaluate=evaluate) == ([], [*with_holdout, "evaluate"])
    more = {**evaluate, "seeds": 2}
    assert again(finished, evaluate=more) == (["evaluate"], with_holdout)
    write_holdout(path)
    assert again(finished, evaluate=more) == (["holdout", "evaluate"], STAGES)
    assert read_json(finished, "summary.json")["holdout"]["embedded"] == 0


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([("a", "returns"), ("b", "login"), ("c", "billing")], "holdout_rejected"),
        ([("a", "returns")], "no_usable_rows"),
        ([("a", "login")] * 40, "one_class"),
        ([("a", "login"), ("b", "billing")], "holdout_too_small"),
    ],
)
def test_a_holdout_that_will_not_do_is_an_error(again, finished, tmp_path, rows, code):
    path = write_csv(tmp_path / "holdout.csv", rows)
    with pytest.raises(DataError) as caught:
        again(finished, evaluate={"holdout": str(path)})
    assert (caught.value.code, caught.value.where) == (code, "evaluate.holdout")
    assert (finished / "manifest.json").exists()  # what it says was published still is


def test_columns_that_are_not_there_are_found_before_anything_is_written(again, tmp_path):
    path = write_csv(tmp_path / "holdout.csv", [("a", "login")], ("text", "queue"))
    with pytest.raises(SchemaError) as caught:
        again(tmp_path / "out", evaluate={"holdout": str(path)})
    assert (caught.value.code, caught.value.where) == ("missing_column", "evaluate.holdout")
    assert not (tmp_path / "out").exists()
    keys = {"evaluate": {"trusted": "sure"}, "output": {"partition_by": ["month"]}}
    with pytest.raises(SchemaError) as caught:
        again(tmp_path / "out", **keys)
    assert [problem.where for problem in caught.value.problems] == [
        "output.partition_by",
        "evaluate.trusted",
    ]
    assert not (tmp_path / "out").exists()
