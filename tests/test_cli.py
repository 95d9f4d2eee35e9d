"""The command: exit codes, one error and one hint line a problem, nothing half-written."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from py4j.java_gateway import GatewayClient

from builders import ROOT, make_config, messages, read_rows, sample_run, tables_of, write_csv
from lakewinnow import __version__, pipeline
from lakewinnow.cli import STAGE_COMMANDS, main
from lakewinnow.config.file import dump

ERROR, HINT = "lakewinnow: error: ", "hint: "
COMMAND = [sys.executable, "-c", "import sys; from lakewinnow.cli import main; sys.exit(main())"]


def faults(stderr):
    """Return what the error lines name, after checking that each has its hint below it."""
    assert "Traceback" not in stderr
    lines = stderr.splitlines()
    at = [i for i, line in enumerate(lines) if line.startswith(ERROR)]
    assert [i + 1 for i in at] == [i for i, line in enumerate(lines) if line.startswith(HINT)]
    return [lines[i].removeprefix(ERROR).partition(": ")[0] for i in at]


@pytest.fixture
def command(capsys):
    """Run the command in this process: exit code, stdout, stderr."""

    def run(*arguments):
        exit_code = main([str(argument) for argument in arguments])
        return exit_code, *capsys.readouterr()

    return run


@pytest.fixture
def fails(command):
    """Run the command, which is to fail: exit code, and what its error lines name."""

    def run(*arguments):
        exit_code, stdout, stderr = command(*arguments)
        assert stdout == ""
        return exit_code, faults(stderr)

    return run


@pytest.fixture
def configure(tmp_path):
    """Write a table and its configuration, whose workspace is `out`."""

    def written(rows=None, **sections):
        path = write_csv(tmp_path / "rows.csv", messages(30) if rows is None else rows)
        config = make_config(path, tmp_path / "out", **sections)
        (tmp_path / "mine.yaml").write_text(dump(config), encoding="utf-8")
        return tmp_path / "mine.yaml"

    return written


# --- before Spark starts ------------------------------------------------------------------------


def test_misspelt_keys_are_named_one_by_one(fails, tmp_path):
    config = {"input": {"path": "x.csv", "text": "t", "lable": "l"}, "workspce": str(tmp_path)}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
    exit_code, where = fails("run", tmp_path / "mine.yaml")
    assert exit_code == 2
    assert set(where) == {"input.lable", "input.label", "workspce", "workspace"}


def test_a_configuration_that_is_not_there(fails, tmp_path):
    assert fails("run", tmp_path / "no.yaml") == (2, [str(tmp_path / "no.yaml")])


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["rnu", "mine.yaml"],
        ["run"],
        ["run", "mine.yaml", "--no-such-option"],
        ["top", "mine.yaml", "-n", "many"],
    ],
    ids=" ".join,
)
def test_a_command_line_that_makes_no_sense(fails, arguments):
    assert fails(*arguments) == (2, ["command line"])


def test_a_misspelt_command_is_told_the_nearest(command):
    assert "'run'" in command("rnu", "mine.yaml")[2]


@pytest.mark.parametrize(
    ("override", "where"),
    [
        ("crossval.folds", "--set"),
        ("crossval.folds=ten", "crossval.folds"),
        ("crossval.fold=10", "crossval.fold"),
        ("clean.fix_above=0.9", "clean.fix_above"),
    ],
)
def test_a_bad_override(fails, configure, override, where):
    assert fails("run", configure(), "--set", override) == (2, [where])


def test_top_without_a_run(fails, configure):
    assert fails("top", configure()) == (4, ["workspace"])
    assert fails("top", configure(), "-n", "0") == (2, ["-n"])


def test_review_without_a_run_or_a_sample(fails, configure):
    config = configure()
    assert fails("review", config) == (4, ["workspace"])
    assert fails("review", config, "--decisions", "mine.csv") == (4, ["workspace"])
    for option, value in (("-n", "0"), ("--unflagged", "2"), ("--precision", "1")):
        assert fails("review", config, option, value) == (2, [option])


def test_a_noise_model_that_is_none(fails, configure, tmp_path):
    config, path = configure(), tmp_path / "model.json"
    assert fails("score", config) == (2, ["command line"])
    assert fails("score", config, "--noise-model", path) == (2, ["--noise-model"])
    assert fails("merge-noise-models", tmp_path / "merged.json", path) == (2, [str(path)])
    path.write_text("{}")
    assert fails("score", config, "--noise-model", path) == (4, ["--noise-model"])
    assert fails("merge-noise-models", tmp_path / "merged.json", path) == (4, [str(path)])


def test_the_version(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        command("--version")
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"lakewinnow {__version__}\n"


WORKER_STACK = """An exception was thrown from the Python worker:
Traceback (most recent call last):
  File "x.py", line 1, in f
{}
"""
JAVA_STACK = """An error occurred while calling o9.load.
: org.apache.spark.SparkException: [FAILED_READ_FILE] cannot read the file
\tat org.apache.spark.sql.X.f(X.scala:1)
Caused by: java.io.EOFException
"""


@pytest.mark.parametrize(
    ("said", "exit_code", "where"),
    [
        ("\n\nout of order\nat line 1\nat line 2", 6, "RuntimeError"),
        (WORKER_STACK.format("ValueError: out of order"), 6, "ValueError"),
        (
            WORKER_STACK.format("lakewinnow.errors.ProviderError: embedding: expected x"),
            5,
            "embedding",
        ),
        (JAVA_STACK, 6, "SparkException"),
    ],
    ids=["anything", "a worker's error", "our error in a worker", "Java"],
)
def test_what_nobody_foresaw_is_told_in_two_lines(
    fails, configure, monkeypatch, said, exit_code, where
):
    def broken(*_, **__):
        raise RuntimeError(said)

    monkeypatch.setattr("lakewinnow.config.file.load_config", broken)
    assert fails("run", configure()) == (exit_code, [where])


def test_a_worker_that_was_killed_is_told_and_what_to_do(command, configure, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("Lost task 1.0: Python worker exited unexpectedly (crashed).")

    monkeypatch.setattr("lakewinnow.config.file.load_config", broken)
    exit_code, _, stderr = command("run", configure())
    assert (exit_code, faults(stderr)) == (6, ["Spark"])
    assert "fewer cores" in stderr


def test_java_that_was_killed_is_told_and_what_to_do(command, configure, monkeypatch):
    def call(*_, **__):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        GatewayClient(port=port).send_command("c\n")

    monkeypatch.setattr("lakewinnow.config.file.load_config", call)
    exit_code, _, stderr = command("run", configure())
    assert (exit_code, faults(stderr)) == (6, ["Spark"])
    assert "its Java process" in stderr
    assert "fewer cores" in stderr


def test_debug_shows_the_traceback(command, tmp_path):
    stderr = command("run", tmp_path / "no.yaml", "--debug")[2]
    assert stderr.startswith("Traceback")
    assert stderr.splitlines()[-2].startswith(ERROR)


def test_a_process_exits_with_the_code_and_no_traceback(tmp_path):
    command = [*COMMAND, "run", tmp_path / "no.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert faults(done.stderr) == [str(tmp_path / "no.yaml")]


# --- once Spark has started ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "exit_code", "where"),
    [
        ([("one", "a"), ("two", "a")], 4, "input.label"),
        ([("one", ""), ("two", "")], 4, "input"),
        ([], 4, "input"),
    ],
    ids=["one class", "all labels null", "no rows"],
)
@pytest.mark.usefixtures("spark")
def test_rows_that_do_not_do(fails, configure, tmp_path, rows, exit_code, where):
    assert fails("run", configure(rows), "--quiet") == (exit_code, [where])
    assert tables_of(tmp_path / "out") == set()


@pytest.mark.parametrize(
    ("override", "exit_code", "where"),
    [
        ("input.text=txt", 3, "input.text"),
        ("output.partition_by=[month]", 3, "output.partition_by"),
        ("input.path=no/such.csv", 4, "input.path"),
        ("evaluate.reference=no/such.csv", 4, "evaluate.reference"),
    ],
)
@pytest.mark.usefixtures("spark")
def test_an_input_that_is_not_there(fails, configure, tmp_path, override, exit_code, where):
    assert fails("run", configure(), "--set", override, "--quiet") == (exit_code, [where])
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("spark")
def test_an_empty_file(fails, configure, tmp_path):
    config = configure()
    (tmp_path / "rows.csv").write_bytes(b"")
    assert fails("run", config, "--quiet") == (4, ["input.path"])
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("spark")
def test_an_output_that_exists(fails, configure, tmp_path):
    write_csv(tmp_path / "out" / "clean" / "mine.csv", [])
    assert fails("run", configure(), "--quiet") == (4, ["workspace"])
    assert tables_of(tmp_path / "out") == {"clean"}


@pytest.mark.usefixtures("spark")
def test_progress_is_a_line_a_stage_and_quiet_is_none(command, configure):
    config = configure(embedding={"dimensions": 64})
    exit_code, stdout, stderr = command("embed", config)
    assert (exit_code, stdout) == (0, "")
    session, *stages = stderr.splitlines()
    assert session.split()[:2] == ["✓", "start"]
    assert "Sail" in session or "Spark" in session
    assert [line.split()[:2] for line in stages] == [["✓", "ingest"], ["✓", "embed"]]
    assert command("embed", config, "--quiet") == (0, "", "")


@pytest.mark.usefixtures("spark")
def test_a_lost_embedding_store_is_an_engine_error(fails, command, configure, tmp_path):
    config = configure(embedding={"dimensions": 64, "store": str(tmp_path / "store")})
    assert command("embed", config, "--quiet")[0] == 0
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    assert fails("crossval", config, "--quiet") == (6, ["embedding.store"])
    assert "pred_probs" not in tables_of(tmp_path / "out")


# --- a finished run -----------------------------------------------------------------------------


@pytest.fixture
def sample(spark):
    return Path(sample_run(spark)[1].workspace)


def test_the_summary_says_where_the_rows_went(command, sample):
    exit_code, stdout, stderr = command("run", sample / "config.yaml", "--quiet")
    assert (exit_code, stderr) == (0, "")
    for table in ("clean", "review", "dropped", "quarantine"):
        assert f"{sample}/{table}/" in stdout.replace("\n", "")
    assert f"lakewinnow top {sample}/config.yaml -n 20" in stdout
    assert "billing" in stdout


def test_top_shows_the_worst_first(command, sample):
    exit_code, stdout, stderr = command("top", sample / "config.yaml", "-n", "3")
    assert (exit_code, stderr) == (0, "")
    _, _, *shown = stdout.splitlines()
    issues = [row for row in read_rows(sample, "issues") if row["label_rank"]]
    worst = sorted(issues, key=lambda row: row["label_rank"])[:3]
    assert [line.split()[:4] for line in shown] == [
        [
            str(row["label_rank"]),
            f"{row['label_score']:.4f}",
            row["given_label"],
            row["predicted_label"],
        ]
        for row in worst
    ]


@pytest.mark.slow
def test_a_noise_model_is_scored_with_and_added_to(command, configure, sample, tmp_path):
    model, merged = sample / "noise_model.json", tmp_path / "merged.json"
    names = ("billing", "cancellation", "login", "refund", "shipping", "technical")
    rows = [(f"message {i} about {names[i % 6]}", names[i % 6]) for i in range(60)]
    config = configure(rows, crossval={"folds": 3})
    assert command("score", config, "--noise-model", model, "--quiet")[0] == 0
    batch = tmp_path / "out" / "noise_model.json"
    assert command("merge-noise-models", merged, model, batch)[:2] == (
        0,
        f"{merged}: 651 rows, 6 classes\n",
    )
    assert command("merge-noise-models", merged, model, batch)[0] == 4  # it is there


def test_each_stage_is_a_command():
    from lakewinnow.pipeline.catalog import STAGES

    assert tuple(STAGE_COMMANDS) == tuple(stage.name for stage in STAGES)


# --- Ctrl-C -------------------------------------------------------------------------------------


def test_ctrl_c_ends_in_one_line_and_leaves_nothing_half_written(tmp_path):
    command = [*COMMAND, "run", ROOT / "conf" / "quickstart.yaml", "--set", f"workspace={tmp_path}"]
    with subprocess.Popen(
        [*map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "_staging").exists() and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the JVM gets it too
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "")
    assert stderr.splitlines()[-1].startswith("lakewinnow: interrupted")
    assert "Traceback" not in stderr
    assert len(stderr.splitlines()) == 2
    assert not (tmp_path / "_commits" / "ingest.json").exists()
    # A table may have been put in its place already, whole; without the commit it is none.
    n_rows = {name: len(read_rows(tmp_path, name)) for name in tables_of(tmp_path)}
    assert n_rows.items() <= {"corpus": 591, "quarantine": 9}.items()


def test_ctrl_c_whose_exception_is_lost_ends_the_run_at_the_next_stage(
    tmp_path, monkeypatch, capsys
):
    def lose(*_):
        with contextlib.suppress(KeyboardInterrupt):  # as C code does that is told of no error
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(pipeline, "check", lose)
    handler = signal.getsignal(signal.SIGINT)
    sample = ROOT / "conf" / "quickstart.yaml"
    options = ("--engine=spark", "--set", f"workspace={tmp_path / 'out'}")
    assert main(["run", str(sample), *options]) == 130
    assert capsys.readouterr().err.startswith("lakewinnow: interrupted")
    assert not (tmp_path / "out").exists()
    assert signal.getsignal(signal.SIGINT) is handler
