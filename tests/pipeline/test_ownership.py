"""A run destroys nothing that is not a run's (issue 18, number 1)."""

from dataclasses import replace
from pathlib import Path

import pytest

import lakewinnow
from builders import make_config, messages, write_csv
from lakewinnow.errors import DataError
from lakewinnow.pipeline import ownership
from lakewinnow.pipeline.catalog import graph_of
from lakewinnow.pipeline.planning import plan

CROSSVAL = {"folds": 3}


def content_of(folder):
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def refused(call):
    with pytest.raises(DataError) as caught:
        call()
    return [(error.code, error.where) for error in caught.value.problems], caught.value


def problems_of(config):
    try:
        ownership.check_paths(config, graph_of(config))
    except DataError as error:
        return [(problem.code, problem.where) for problem in error.problems]
    return []


@pytest.fixture
def ran(spark, tmp_path):
    """A workspace with a run's corpus, and its configuration."""
    path = write_csv(tmp_path / "rows.csv", messages(12))
    config = make_config(path, tmp_path / "out", crossval=CROSSVAL)
    lakewinnow.run(config, spark, until="ingest")
    return config


def test_number_1_a_users_folder_stays_as_it_is(spark, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "corpus" / "train.csv", messages(12))
    (tmp_path / "config.yaml").write_text("mine: true\n")
    before = content_of(tmp_path)
    config = make_config("corpus/train.csv", ".", crossval=CROSSVAL)
    found, _ = refused(lambda: lakewinnow.run(config, spark, until="ingest"))
    assert found == [("would_be_overwritten", "input.path")]
    assert content_of(tmp_path) == before


@pytest.mark.parametrize("name", ["config.yaml", "exports/a.jsonl", "holdout/b.csv", "notes.txt"])
def test_a_workspace_that_is_not_empty_and_not_ours_is_refused(spark, tmp_path, name):
    path = write_csv(tmp_path / "rows.csv", messages(12))
    mine = tmp_path / "out" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    config = make_config(path, tmp_path / "out", crossval=CROSSVAL)
    found, error = refused(lambda: lakewinnow.run(config, spark, until="ingest"))
    assert found == [("output_exists", "workspace")]
    assert name.partition("/")[0] in str(error)
    assert "--set workspace=" in error.hint
    assert refused(lambda: plan(config, spark))[0] == found
    assert content_of(tmp_path / "out") == {mine: b"mine"}


def test_who_says_so_writes_into_a_folder_of_others(spark, tmp_path):
    path = write_csv(tmp_path / "rows.csv", messages(12))
    write_csv(tmp_path / "out" / "mine.csv", [])
    output = {"mode": "overwrite"}
    config = make_config(path, tmp_path / "out", crossval=CROSSVAL, output=output)
    lakewinnow.run(config, spark, until="ingest")
    assert (tmp_path / "out" / "mine.csv").exists()


def test_hidden_files_and_vectors_are_in_nobodys_way(spark, tmp_path):
    path = write_csv(tmp_path / "rows.csv", messages(12))
    for name in (".gitkeep", "embeddings/part.parquet"):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).touch()
    lakewinnow.run(make_config(path, tmp_path / "out", crossval=CROSSVAL), spark, until="ingest")


def test_the_half_workspace_of_a_killed_run_is_ours(spark, tmp_path, monkeypatch):
    path = write_csv(tmp_path / "rows.csv", messages(12))
    config = make_config(path, tmp_path / "out", crossval=CROSSVAL)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("lakewinnow.lake.workspace.Lake.commit", killed)
        with pytest.raises(KeyboardInterrupt):
            lakewinnow.run(config, spark, until="ingest")
    assert {"corpus", "config.yaml"} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert lakewinnow.run(config, spark, until="ingest")


@pytest.mark.parametrize("name", sorted({*ownership.FOLDERS, *ownership.RECORDS}))
def test_number_1_nothing_is_read_where_a_run_writes(tmp_path, name):
    for inside in (name, f"{name}/part.csv", f"{name}/*.csv", f"../{tmp_path.name}/{name}"):
        config = make_config(tmp_path / inside, tmp_path, input={"format": "csv"})
        assert problems_of(config) == [("would_be_overwritten", "input.path")], inside


@pytest.mark.parametrize("key", ["evaluate.holdout", "evaluate.reference", "clean.decisions"])
@pytest.mark.parametrize("path", ["out/clean", "out/checks/x.csv", "out", "."])
def test_number_1_every_file_that_is_read_is_guarded(tmp_path, monkeypatch, key, path):
    monkeypatch.chdir(tmp_path)
    section, name = key.split(".")
    config = make_config("rows.csv", f"{tmp_path}/out", **{section: {name: path}})
    assert problems_of(config) == [("would_be_overwritten", key)]


@pytest.mark.parametrize(
    ("store", "is_in_the_way"),
    [
        ("out/embeddings", False),
        ("elsewhere", False),
        (None, False),
        ("out/corpus", True),
        ("out/corpus/vectors", True),
        ("out", True),
        (".", True),
    ],
)
def test_a_store_holds_vectors_alone(tmp_path, monkeypatch, store, is_in_the_way):
    monkeypatch.chdir(tmp_path)
    config = make_config("/rows.csv", tmp_path / "out", embedding={"store": store})
    expected = [("would_be_overwritten", "embedding.store")] if is_in_the_way else []
    assert problems_of(config) == expected
    if store == "elsewhere":
        config = make_config("elsewhere/rows.csv", tmp_path / "out", embedding={"store": store})
        assert problems_of(config) == [("would_be_overwritten", "input.path")]


def test_links_and_other_spellings_are_seen_through(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    in_the_way = [("would_be_overwritten", "input.path")]
    csv = {"format": "csv"}
    for path in (tmp_path / "link/clean", f"file://{tmp_path}/out/clean", f"{tmp_path}/*/clean"):
        assert problems_of(make_config(path, tmp_path / "out", input=csv)) == in_the_way, path
    assert problems_of(make_config("s3://b/x/clean/", "s3a://b/x", input=csv)) == in_the_way


def test_what_is_beside_is_nobodys_business(tmp_path):
    csv = {"format": "csv"}
    for path in ("clean2", "data.csv", "review_sample/decisions-ab.csv", "../other/clean", "*.csv"):
        assert problems_of(make_config(tmp_path / path, tmp_path, input=csv)) == [], path


@pytest.mark.parametrize("name", ["exports", "pred_probs", "clean"])
def test_what_others_put_into_our_workspace_stays(spark, ran, name):
    mine = Path(ran.workspace) / name / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    config = replace(ran, export=replace(ran.export, format="prompt-completion"))
    found, error = refused(lambda: lakewinnow.run(config, spark))
    assert found == [("output_exists", "workspace")]
    assert name in str(error)
    assert mine.read_text() == "mine"
    lakewinnow.run(config, spark, until="ingest")  # which does not write there


def test_number_1_all_that_a_run_leaves_is_guarded(ran):
    there = {path.name for path in Path(ran.workspace).iterdir()}
    for name in there:
        config = make_config(Path(ran.workspace) / name, ran.workspace, input={"format": "csv"})
        assert problems_of(config) == [("would_be_overwritten", "input.path")], name
