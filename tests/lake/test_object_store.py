"""Whole runs with input, workspace and store on S3: a server of moto's, in a process of its own."""

import json
import os
import subprocess
import sys
from itertools import chain

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pyarrow import dataset, fs

from builders import make_config, messages
from contending import contend
from killing import kill_everywhere, publish
from lakewinnow.errors import BusyError, EngineError
from lakewinnow.lake import lock
from lakewinnow.lake.conditional_put import ReplacedError, look_at
from lakewinnow.lake.files import Files, as_uri
from lakewinnow.lake.inputs import fingerprints
from lakewinnow.lake.inputs.source import read_source
from lakewinnow.lake.inputs.text_files.listing import list_files
from lakewinnow.lake.lock import Lock, alone_in
from lakewinnow.lake.workspace import Lake
from lakewinnow.pipeline.inputs import open_inputs
from lakewinnow.spark.sail import embedded
from lakewinnow.spark.sessions.engines import is_sail
from lakewinnow.spark.sessions.packages import coordinates
from serving import free_port, is_up_within

pytest.importorskip("moto")
deltalake = pytest.importorskip("deltalake")

BUCKET = "tickets"
START_TIMEOUT_S = 60
RUN = """
import json, sys
from lakewinnow.cli import main
sys.exit(any(main(arguments) for arguments in json.loads(sys.argv[1])))
"""
OVERTAKEN = """
import sys
from lakewinnow.cli import main
from lakewinnow.lake.files import Files, as_uri
from lakewinnow.lake.lock import Lock

def check_and_pause(self, check=Lock.check, n=iter(range(1000))):
    check(self)
    manifest = Files(self._files.root).read_json("manifest.json")
    manifest["warnings"] = ["of another run", str(next(n))]
    self._files.write_json("manifest.json", manifest)

Lock.check = check_and_pause
sys.exit(main(sys.argv[1:]))
"""
SERVE = "import sys; from moto.server import main; main(sys.argv[1:])"
TABLE = pa.table(
    {
        "text": [text for text, _ in messages(90)],
        "label": [label for _, label in messages(90)],
        "v": pa.array([[i % 3, i / 90] for i in range(90)], pa.list_(pa.float32())),
    }
)
on_sail = pytest.mark.skipif(embedded.why_not() is not None, reason="Sail does not run here")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """The address of a server with an empty bucket."""
    port = free_port()
    log = tmp_path_factory.mktemp("moto") / "log"
    command = [sys.executable, "-c", SERVE, "-H", "127.0.0.1", "-p", str(port)]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as server,
    ):
        try:
            if not is_up_within(START_TIMEOUT_S, server, port):
                raise RuntimeError(log.read_text())
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.fixture
def store(endpoint, monkeypatch, request):
    """The URI of a folder of this test's own; environment variables say where its store is."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    opened, _ = fs.FileSystem.from_uri(f"s3://{BUCKET}?allow_bucket_creation=true")
    opened.create_dir(BUCKET)
    name = request.node.name.replace("[", "-").strip("]")
    # Sail looks for tables of Delta and Iceberg under names whose blanks it has made %20.
    return f"s3://{BUCKET}/{name}" if "goes_in_and_out" in name else f"s3://{BUCKET}/a {name}"


def lakewinnow(path, *runs):
    """Run the command once or more, as a user does, all in one process to save time."""
    arguments = [["run", str(path), "--engine=sail", *run] for run in runs or [[]]]
    command = [sys.executable, "-c", RUN, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr


def write_config(tmp_path, store, **sections):
    """Write the configuration of rows that bring their vectors, so that no model is loaded."""
    config = {
        "input": {"path": f"{store}/in", "format": "parquet", "embedding": "v", "label": "label"},
        "workspace": f"{store}/run".replace("s3:", "s3a:"),
        "crossval": {"folds": 3},
        "checks": dict.fromkeys(("outliers", "near_duplicates")),
        "clean": {"label_issues": "review"},
    }
    for name, section in sections.items():
        config[name] = {**config.get(name, {}), **section}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def write_parquet(store, table=TABLE):
    opened, base = fs.FileSystem.from_uri(as_uri(store))
    pq.write_table(table, f"{base}/in/part.parquet", filesystem=opened)


def rows_of(store, name):
    opened, base = fs.FileSystem.from_uri(as_uri(store))
    found = dataset.dataset(f"{base}/run/{name}", filesystem=opened, format="parquet").to_table()
    return sorted(found.select(TABLE.column_names).to_pylist(), key=str)


def accounted(store):
    manifest = Files(f"{store}/run").read_json("manifest.json")
    rows = manifest["rows"]
    assert rows["in"] == sum(n for name, n in rows.items() if name != "in")
    return manifest


@pytest.mark.slow
@on_sail
def test_a_run_that_was_killed_while_it_published_goes_on(store, tmp_path):
    write_parquet(store)
    section = {"store": f"{store}/vectors"}
    config = write_config(
        tmp_path, store, input={"embedding": None, "text": "text"}, embedding=section
    )
    lakewinnow(config)
    files, vectors = Files(f"{store}/run"), Files(f"{store}/vectors")
    stored = [info.path for info in vectors.listing()]
    for record in ("manifest.json", "_commits/publish.json", "_commits/report.json"):
        files.delete(record)  # as a kill leaves it
    files.delete("dropped")
    files.write_parquet("clean/half.parquet", TABLE.slice(0, 7))
    commits = {info.base_name: info.mtime_ns for info in files.entries("_commits")}
    lakewinnow(config)
    rows = accounted(store)["rows"]
    assert rows["in"] == len(TABLE)
    assert rows["review"] > 0
    tables = {name: rows_of(store, name) for name in ("clean", "review", "dropped")}
    assert {name: len(found) for name, found in tables.items()} == {n: rows[n] for n in tables}
    assert sorted(chain(*tables.values()), key=str) == sorted(TABLE.to_pylist(), key=str)
    after = {info.base_name: info.mtime_ns for info in files.entries("_commits")}
    assert {name: after[name] for name in commits} == commits  # nothing was done twice
    assert [info.path for info in vectors.listing()] == stored


@pytest.mark.sail_only  # and not even of Sail is anything asked
@pytest.mark.parametrize(
    ("every", "keep"),
    [
        (9, 0),
        pytest.param(1, 0, marks=pytest.mark.slow),
        pytest.param(1, 1, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_killed_between_any_two_calls_to_a_store_leaves_the_last_one(
    spark, store, every, keep
):
    def root_of(n):
        return f"{store}/{n}"

    kills, gaps = kill_everywhere(spark, root_of, lambda _: None, keep, every)
    assert kills > gaps > 0
    assert kills * every > 20


def test_number_10_one_run_at_a_time_in_a_store(store):
    files = Files(f"{store}/run")
    with alone_in(files) as held:
        with pytest.raises(BusyError):
            Lock(files).acquire()
        held.check()
    assert files.entries() == []
    with alone_in(files):
        pass


def test_of_runs_that_start_together_in_a_store_one_at_a_time_gets_in(store, monkeypatch):
    monkeypatch.setattr(lock, "_SETTLED_WITHIN_S", 20.0)  # however slow this machine is
    files = Files(f"{store}/run")
    entered, most = contend(files)
    assert entered > 0
    assert most == 1
    assert files.entries() == []


@pytest.mark.slow
@on_sail
def test_of_two_commands_at_once_in_a_store_one_ends_with_a_clear_error(store, tmp_path):
    write_parquet(store)
    command = [sys.executable, "-c", RUN, json.dumps([["run", str(write_config(tmp_path, store))]])]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = {run.communicate(timeout=600)[1]: run.returncode for run in both}
    assert sorted(said.values()) == [0, 8], said
    [refused] = [line for line in "".join(said).splitlines() if "error: " in line]
    assert "workspace: expected no other run in it, got process" in refused
    assert accounted(store)["rows"]["in"] == len(TABLE)


@pytest.mark.sail_only  # and not even of Sail is anything asked
@pytest.mark.parametrize("is_first", [True, False])
def test_a_manifest_is_put_only_in_the_place_of_the_one_that_was_seen(spark, store, is_first):
    one, other = (Lake(spark, f"{store.replace('s3:', scheme)}/run") for scheme in ("s3a:", "s3:"))
    if not is_first:
        publish(one, 1)
    seen = one.versions.look_at_manifest()
    assert other.versions.look_at_manifest().mode == seen.mode
    publish(other, 2)
    theirs = other.files.read_json("manifest.json")
    ours = theirs | {"warnings": ["ours"]}
    with pytest.raises(ReplacedError):
        one.versions.commit(ours, 0, seen)
    assert one.files.read_json("manifest.json") == theirs
    one.versions.commit(ours, 0, one.versions.look_at_manifest())
    assert one.files.read_json("manifest.json") == ours


def test_a_put_whose_answer_was_lost_is_no_other_s(store):
    seen = look_at(store, "manifest.json")
    Files(store).write_bytes("manifest.json", b"ours")
    assert seen.replace(b"ours")
    with pytest.raises(ReplacedError):
        seen.replace(b"of another")


def test_a_store_that_lets_no_condition_in_is_written_to_without(store, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    assert look_at(store, "manifest.json") is None


@pytest.mark.slow
@on_sail
def test_a_run_that_paused_after_its_last_check_does_not_commit_over_another(store, tmp_path):
    write_parquet(store)
    config = write_config(tmp_path, store)
    lakewinnow(config)
    command = [sys.executable, "-c", OVERTAKEN, "run", str(config), "--set=crossval.seed=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 8, done.stderr
    assert "workspace: expected no other run in it, got another run that has" in done.stderr
    assert accounted(store)["warnings"][0] == "of another run"


def test_number_3_a_file_that_is_replaced_is_noticed_even_within_a_second(store):
    opened, base = fs.FileSystem.from_uri(as_uri(store))

    def written(content, path):
        with opened.open_output_stream(f"{base}/in/x.csv") as stream:
            stream.write(content)
        return fingerprints.of_files(list_files(f"{store}/{path}", {}), "csv")

    for path in ("in/x.csv", "in", "in/*.csv"):
        size, before = written(b"one", path)
        assert size == 3
        assert fingerprints.of_files(list_files(f"{store}/{path}", {}), "csv") == (3, before)
        assert written(b"two", path)[1] != before


def goes_in_and_out(store, config, first, clean_table):
    """Run with a table of two versions: `first` has 90 rows, the newest 9 more."""
    for version, n_rows in ((first, 90), (None, 99)):
        lakewinnow(
            config,
            [f"--set=input.version={json.dumps(version)}"],
        )
        rows = accounted(store)["rows"]
        assert rows["in"] == n_rows
        assert len(clean_table()) == rows["clean"] > 0


@on_sail
@pytest.mark.filterwarnings("default")
def test_delta_goes_in_and_out(store, tmp_path):
    options = {"aws_allow_http": "true"}
    for rows in (TABLE, TABLE.slice(0, 9)):
        deltalake.write_deltalake(f"{store}/in", rows, mode="append", storage_options=options)
    config = write_config(tmp_path, store, input={"format": "delta"}, output={"format": "delta"})

    def clean_table():
        table = deltalake.DeltaTable(f"{store}/run/clean", storage_options=options)
        return table.to_pyarrow_table()

    goes_in_and_out(store, config, 0, clean_table)


@pytest.mark.slow
@on_sail
@pytest.mark.filterwarnings("default")
def test_iceberg_goes_in_and_out(store, endpoint, tmp_path):
    catalogs = pytest.importorskip("pyiceberg.catalog.sql")
    table_of = pytest.importorskip("pyiceberg.table").StaticTable.from_metadata
    pyarrow_io = {
        "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
        "s3.endpoint": endpoint,
        "s3.region": "us-east-1",
    }
    uri = f"sqlite:///{tmp_path}/catalog.db"
    catalog = catalogs.SqlCatalog("c", uri=uri, warehouse=store, **pyarrow_io)
    catalog.create_namespace("n")
    table = catalog.create_table("n.t", schema=TABLE.schema, location=f"{store}/in")
    table.append(TABLE)
    first = table.current_snapshot().snapshot_id
    table.append(TABLE.slice(0, 9))
    config = write_config(
        tmp_path, store, input={"format": "iceberg"}, output={"format": "iceberg"}
    )

    def clean_table():
        return table_of(f"{store}/run/clean", properties=pyarrow_io).scan().to_arrow()

    goes_in_and_out(store, config, first, clean_table)


@pytest.mark.parametrize(
    ("key", "sections"),
    [
        ("workspace", {"workspace": "s3://bucket/run"}),
        ("embedding.store", {"embedding": {"store": "s3a://bucket/run"}}),
    ],
)
def test_a_spark_without_the_jar_is_told_its_name(spark, tmp_path, key, sections):
    if is_sail(spark):
        pytest.skip("Sail brings it along")
    with pytest.raises(EngineError) as caught:
        open_inputs(spark, make_config(tmp_path / "x.csv", **sections))
    assert (caught.value.code, caught.value.where) == ("no_object_store", key)
    assert f"--packages {coordinates('s3', spark.version)}" in caught.value.hint
    with pytest.raises(EngineError) as caught:
        read_source(spark, make_config("s3://bucket/x.parquet").input, "parquet")
    assert caught.value.where == "input.path"
