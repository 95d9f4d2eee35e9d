"""Small files and folders of a workspace."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakewinnow.errors import ConfigError
from lakewinnow.lake.files import Files, absolute


@pytest.fixture
def files(tmp_path):
    return Files(str(tmp_path / "a folder"))


class Interrupted:
    """A file system of a process that is killed before it renames."""

    def __init__(self, real):
        self.real = real

    def __getattr__(self, name):
        return getattr(self.real, name)

    def move(self, *_):
        raise KeyboardInterrupt


def put_table(files, name, *parts):
    folder = Path(files.path(name))
    folder.mkdir(parents=True)
    for i, part in enumerate(parts):
        pq.write_table(pa.table(part), folder / f"part-{i}.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.parquet.crc").write_bytes(b"not Parquet")


def test_json_comes_back_as_it_was_and_nothing_else_stays(files):
    content = {"b": [1.5, None], "a": "Zürich"}
    files.write_json("_commits/x.json", content)
    assert files.read_json("_commits/x.json") == content
    assert "Zürich" in Path(files.path("_commits/x.json")).read_text(encoding="utf-8")
    assert [info.base_name for info in files.entries("_commits")] == ["x.json"]


def test_a_write_that_fails_leaves_the_old_file(files, monkeypatch):
    files.write_text("x.json", "old")

    monkeypatch.setattr(files, "_fs", Interrupted(files._fs))
    with pytest.raises(KeyboardInterrupt):
        files.write_text("x.json", "new")
    assert Path(files.path("x.json")).read_text() == "old"


def test_what_is_not_there_is_none_nothing_or_zero(files):
    assert files.read_json("x.json") is None
    assert files.read_bytes("") is None
    assert not files.exists()
    assert not files.exists("x")
    assert files.entries("x") == []
    assert (files.size("x"), files.count_rows("x")) == (0, 0)
    files.delete("x")


def test_a_folder_has_no_content_nor_has_what_is_below_a_file(files):
    files.write_text("x/y", "content")
    assert files.read_bytes("x/y") == b"content"
    assert files.read_bytes("x") is None
    assert files.read_bytes("x/y/z") is None


def test_size_and_rows_are_those_of_the_data_files(files):
    put_table(files, "t", {"a": [1, 2]}, {"a": [3]})
    sizes = [path.stat().st_size for path in Path(files.path("t")).glob("part-*")]
    assert files.size("t") == sum(sizes)
    assert files.count_rows("t") == 3


def test_rows_of_a_partitioned_folder_are_counted(files):
    put_table(files, "t/kind=a", {"a": [1, 2]})
    put_table(files, "t/kind=b", {"a": [3]})
    assert files.count_rows("t") == 3


def test_a_move_takes_the_place_of_what_was_there(files):
    put_table(files, "_staging/checks/t", {"a": [1, 2]})
    put_table(files, "checks/t", {"a": [1]}, {"a": [2]}, {"a": [3]})
    files.move("_staging/checks/t", "checks/t")
    assert files.count_rows("checks/t") == 2
    assert not files.exists("_staging/checks/t")


def test_a_folder_is_deleted_with_all_in_it(files):
    put_table(files, "t", {"a": [1]})
    files.write_text("x.json", "")
    files.delete("t")
    files.delete("x.json")
    assert files.entries() == []


def test_first_ranks_are_in_order_and_without_the_unranked(files):
    put_table(files, "t", {"rank": [3, None, 1], "x": list("abc")}, {"rank": [2], "x": ["d"]})
    assert files.first_ranks("t", ["rank", "x"], "rank", 2) == [
        {"rank": 1, "x": "c"},
        {"rank": 2, "x": "d"},
    ]


def test_a_local_path_becomes_absolute_and_a_uri_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert absolute("out/x") == f"{tmp_path}/out/x"
    assert absolute("~/x") == "/home/me/x"
    assert absolute("s3a://bucket/x") == "s3a://bucket/x"


@pytest.mark.parametrize("prefix", ["file:", "file://"])
def test_a_file_uri_is_the_local_folder(tmp_path, prefix):
    Files(f"{prefix}{tmp_path}").write_text("x", "content")
    assert (tmp_path / "x").read_text() == "content"


def test_a_file_system_that_arrow_does_not_know_is_a_config_error():
    with pytest.raises(ConfigError) as caught:
        Files("gopher://hole/x")
    assert (caught.value.code, caught.value.where) == ("file_system", "workspace")


def test_rows_that_have_true_are_counted(files):
    put_table(files, "t", {"is_bad": [True, None, False]}, {"is_bad": [True, True]})
    assert files.count_true("t", "is_bad") == 3


def test_only_spark_says_in_a_footer_what_the_columns_are(files):
    put_table(files, "t", {"a": [1]})
    assert files.spark_schema("t") is None
    assert files.spark_schema("not there") is None


@pytest.mark.parametrize(("most", "sizes"), [(4, [4, 4, 2]), (5, [5, 5]), (10, [10]), (11, [10])])
@pytest.mark.parametrize("batch", [3, 100])
def test_files_of_more_rows_are_split(files, monkeypatch, most, sizes, batch):
    monkeypatch.setattr("lakewinnow.lake.files._ROWS_AT_ONCE", batch)
    files.write_parquet("t/of=x/one.parquet", pa.table({"n": range(10)}))
    files.write_parquet("t/few.parquet", pa.table({"n": [10]}))
    files.split("t/of=x/one.parquet", most)
    files.split("t/few.parquet", most)
    split = [files.path(files.name_of(info)) for info in files.entries("t/of=x")]
    assert [pq.read_metadata(path).num_rows for path in split] == sizes
    assert [
        n for path in split for n in pq.read_table(path, partitioning=None)["n"].to_pylist()
    ] == [*range(10)]
    assert files.count_rows("t") == 11


@pytest.mark.parametrize("path", ["dbfs:/out/x", "dbfs:///out/x", "DBFS:/out/x"])
def test_number_18_records_of_a_dbfs_path_are_where_its_tables_are(tmp_path, monkeypatch, path):
    monkeypatch.setattr("lakewinnow.lake.files._DBFS", str(tmp_path))
    files = Files(path)
    files.write_json("_commits/x.json", 1)
    put_table(Files(str(tmp_path / "out" / "x")), "corpus", {"a": [1, 2]})
    assert (tmp_path / "out" / "x" / "_commits" / "x.json").exists()
    assert files.count_rows("corpus") == 2
    assert files.path("corpus") == f"{path}/corpus"  # what Spark is told
    [entry] = files.entries("_commits")
    assert files.name_of(entry) == "_commits/x.json"


def test_a_volume_is_where_it_is_without_dbfs_and_dbfs_without_its_mount_is_refused(monkeypatch):
    monkeypatch.setattr("lakewinnow.lake.files._DBFS", "/nowhere/dbfs")
    assert Files("dbfs:/Volumes/main/a/b")._at("x.json") == "/Volumes/main/a/b/x.json"
    with pytest.raises(ConfigError, match="/nowhere/dbfs"):
        Files("dbfs:/out/x")
