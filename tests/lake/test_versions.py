"""What a manifest lists can be read, whatever becomes of the next run (issue 18: publishing)."""

import datetime
import json
from pathlib import Path

import pytest

import lakewinnow
from builders import Recorder, make_config, messages, read_table, write_csv
from killing import kill_everywhere, lake_in, publish, table_of
from lakewinnow.cli import exit_code_of
from lakewinnow.errors import DataError
from lakewinnow.lake.files import Files
from lakewinnow.lake.reading import FinishedRun, read, verify
from lakewinnow.lake.tables import OUTPUTS
from lakewinnow.spark.sessions.engines import is_sail
from lakewinnow.typed_json import to_json

ROWS = [("a", 1), ("b c", 2), (None, 3), ("01", 4), ("1", 5)]


def as_it_is(_):
    """A disk of this machine."""


def without_exchange(files):
    """A file system of which nobody can have two folders change places, such as HDFS."""
    files.exchange = lambda *_: False


def without_rename(files):
    """An object store."""
    files.renames_folders = False
    files._make_folder = lambda name: files._fs.create_dir(files._at(name), recursive=True)


@pytest.mark.sail_only  # and not even of Sail is anything asked
@pytest.mark.parametrize(
    ("how", "keep"),
    [(as_it_is, 0), (without_exchange, 1), (without_rename, 0), (without_rename, 1)],
)
def test_a_run_that_is_killed_between_any_two_calls_leaves_the_last_one(spark, tmp_path, how, keep):
    kills, gaps = kill_everywhere(spark, lambda n: str(tmp_path / str(n)), how, keep)
    assert kills > 20
    assert (gaps == 0) == (how is as_it_is)  # elsewhere a folder may not be whole meanwhile


@pytest.fixture
def two(spark, tmp_path):
    """A workspace of two versions, and a function that adds one."""
    lake = lake_in(spark, str(tmp_path / "out"), as_it_is)
    for version in (1, 2):
        publish(lake, version, keep=1)
    return lake.files.root


@pytest.mark.sail_only  # and not even of Sail is anything asked
@pytest.mark.parametrize("how", [as_it_is, without_rename])
def test_files_of_a_folder_that_is_replaced_are_kept_until_the_commit(spark, tmp_path, how):
    lake = lake_in(spark, str(tmp_path / "out"), how)
    publish(lake, 1)

    def commit():
        files = to_json(lake.other_files(["summary.json", "exports"]))
        lake.versions.commit(lake.files.read_json("manifest.json") | {"files": files}, keep=0)

    names = ("exports/train.jsonl", "exports/counts.json")
    for content in ("old", "new"):
        lake.versions.keep_files("exports")
        lake.files.delete("exports")
        if content == "new":
            assert verify(lake.files.root).faults == []
        for name in names:
            lake.files.write_text(name, content)
        lake.versions.sweep()  # of a run that was killed here
        if content == "new":
            assert verify(lake.files.root).faults == []
        commit()
        assert verify(lake.files.root).faults == []
    assert lake.files.entries("_versions") == []


def test_a_version_is_read_in_each_form(spark, two):
    expected = table_of(2, "clean")
    assert read(two).equals(expected)
    assert read(two, "clean", to="pandas").to_dict("list") == expected.to_pydict()
    for frame in (read(two, "clean", spark), read(Path(two), to="spark", spark=spark)):
        assert sorted(map(tuple, frame.collect())) == [("clean 2", n) for n in range(3)]
    assert read(two, "checks/some", version=1).equals(table_of(1, "checks/some"))


def test_what_cannot_be_read_is_said(two, tmp_path):
    def code(*arguments, **options):
        with pytest.raises(DataError) as caught:
            lakewinnow.read(*arguments, **options)
        return caught.value.code, caught.value.where

    assert code(tmp_path) == ("no_run", "workspace")
    assert code(two, "claen") == ("no_table", "table")
    assert code(two, version=7) == ("no_version", "version")
    [path] = Files(two).listed("clean")
    Path(two, "clean", path).write_bytes(b"half")
    assert code(two) == ("not_whole", "workspace")


def test_who_reads_while_the_next_run_commits_reads_that_one(spark, two, monkeypatch):
    found = FinishedRun.read

    def is_overtaken(run, *arguments):
        monkeypatch.undo()
        publish(lake_in(spark, two, as_it_is), 3)
        return found(run, *arguments)

    monkeypatch.setattr(FinishedRun, "read", is_overtaken)
    assert read(two).equals(table_of(3, "clean"))


def test_a_version_that_is_not_kept_is_gone(spark, two):
    publish(lake_in(spark, two, as_it_is), 3, keep=1)
    files = Files(two)
    names = {entry.base_name.rpartition(".")[0] for entry in files.entries("_versions")}
    assert names == {"clean", "checks.some", "summary.json", "2"}
    publish(lake_in(spark, two, as_it_is), 4)
    assert files.entries("_versions") == []


def test_folders_by_value_come_back_as_columns_of_their_types(spark, lake):
    day = datetime.date(2026, 2, 3)
    null = "none" if is_sail(spark) else None  # which Sail writes as an empty string
    rows = spark.createDataFrame(
        [(text or null, n, n % 2 == 0, day, n * 2) for text, n in ROWS],
        "text string, n bigint, is_even boolean, day date, `a b` int",
    )
    columns = ["text", "is_even", "day", "a b"]
    lake.publish("clean", rows, partition_by=columns)
    manifest = {"version": 1, "tables": {}, "files": []}
    listed = lake.listing(["clean"])["clean"]
    manifest["tables"]["clean"] = to_json(listed)
    lake.files.write_text("manifest.json", json.dumps(manifest))
    found = read(lake.files.root).sort_by("n")
    assert found.column_names == rows.columns
    assert found.to_pylist() == rows.toArrow().sort_by("n").to_pylist()
    assert [field.type for field in found.schema] == [field.type for field in rows.toArrow().schema]
    frame = read(lake.files.root, spark=spark)
    assert frame.schema.simpleString() == rows.schema.simpleString()
    assert frame.orderBy("n").collect() == rows.orderBy("n").collect()


def test_verify_names_each_file_that_is_not_as_it_was(two, capsys):
    def verified(*more):
        exit_code = exit_code_of(["verify", two, *more])
        return exit_code, capsys.readouterr().out

    exit_code, out = verified()
    assert exit_code == 0
    assert "version 2: 3 files of 2 tables, " in out
    assert out.endswith(": all as they were written\n")
    files = Files(two)
    [clean], [some] = files.listed("clean"), files.listed("checks/some")
    content = Path(two, "clean", clean).read_bytes()
    Path(two, "clean", clean).write_bytes(content[:-9] + b"x" + content[-8:])
    Path(two, "checks/some", some).unlink()
    Path(two, "checks/some/mine.parquet").write_bytes(b"")
    Path(two, "summary.json").write_text("{}")
    exit_code, out = verified("--json")
    assert exit_code == 4
    assert [(of["path"], of["problem"].split(":")[0]) for of in json.loads(out)["faults"]] == [
        ("checks/some/mine.parquet", "is not the run's"),
        (f"checks/some/{some}", "is missing"),
        (f"clean/{clean}", "has other content"),
        ("summary.json", "has other content"),
    ]
    exit_code, out = verified("--version", "1")
    assert exit_code == 4
    assert "mine.parquet" in out


@pytest.mark.whole_run
@pytest.mark.slow_on_spark
def test_a_run_lists_what_it_wrote_and_the_last_one_stays_until_then(spark, tmp_path):
    path = write_csv(tmp_path / "rows.csv", messages(40))
    output = {"keep_versions": 1, "partition_by": ["label"]}
    config = make_config(path, tmp_path / "out", crossval={"folds": 3}, output=output)
    result = lakewinnow.run(config, spark)
    root = result.workspace
    assert result.manifest["version"] == 1
    for name, table in result.manifest["tables"].items():
        rows = read(root, name)
        assert rows.num_rows == table["rows"] == sum(file["rows"] for file in table["files"])
        assert rows.num_rows == read_table(root, name).num_rows
    assert {"corpus", "pred_probs", "issues", *OUTPUTS, "quarantine"} <= (
        result.manifest["tables"].keys()
    )
    first = read(root, to="arrow")
    assert first.column_names == ["text", "label"]

    class Reader(Recorder):
        seen = ()

        def finished(self, commit, *, resumed):
            super().finished(commit, resumed=resumed)
            assert read(root).equals(first)
            assert read(root, "corpus").num_rows == 40
            assert verify(root).faults == []
            self.seen = (*self.seen, read_table(root, "corpus").num_rows)

    write_csv(path, messages(50))
    observer = Reader()
    result = lakewinnow.run(config, spark, observer=observer)
    assert set(observer.seen) == {50}
    assert result.manifest["version"] == 2
    assert read(root, "corpus").num_rows == 50
    assert read(root, version=1).equals(first)
    assert verify(root, 1).faults == []
    assert lakewinnow.run(config, spark).manifest == result.manifest  # nothing is new


@pytest.mark.slow
@pytest.mark.whole_run
def test_a_table_that_lost_a_file_is_made_again(spark, tmp_path):
    path = write_csv(tmp_path / "rows.csv", messages(40))
    config = make_config(path, tmp_path / "out", crossval={"folds": 3})
    root = lakewinnow.run(config, spark).workspace
    files = Files(root)
    Path(root, "pred_probs", files.listed("pred_probs")[0]).unlink()
    before = read(root, "issues")
    [fault] = verify(root).faults
    assert fault.problem == "is missing"
    observer = Recorder()
    lakewinnow.run(config, spark, observer=observer)
    assert observer.ran[0] == "crossval"
    assert verify(root).faults == []
    assert read(root, "issues").sort_by("row_id").equals(before.sort_by("row_id"))
