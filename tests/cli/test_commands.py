"""The command: exit codes, one error and one hint line a problem, nothing half-written."""

import contextlib
import errno
import importlib.metadata
import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import yaml
from py4j.java_gateway import GatewayClient

from builders import ROOT, make_config, messages, read_rows, sample_run, tables_of, write_csv
from lakewinnow import __version__, guide, pipeline
from lakewinnow.cli import exit_code_of
from lakewinnow.cli.commands import lakewinnow
from lakewinnow.config.file import dump
from lakewinnow.review import MAX_ROWS

ERROR, HINT = "lakewinnow: error: ", "hint: "
COMMAND = [sys.executable, "-m", "lakewinnow"]


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
        exit_code = exit_code_of([str(argument) for argument in arguments])
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
    ("typed", "where", "hint"),
    [
        ("rnu mine.yaml", "command line", "did you mean 'run'?"),
        ("review mine.yaml", "command line", "one of draw, measure"),
        ("run", "command line", "see `lakewinnow run --help`"),
        ("run mine.yaml --untill pii", "command line", "did you mean '--until'?"),
        ("run mine.yaml --set", "--set", "see `lakewinnow --help`"),
        ("embed mine.yaml", "command line", "`lakewinnow run CONFIG --until embed`"),
        ("run mine.yaml --engine sial", "--engine", "did you mean 'sail'?"),
        ("diff a b c", "command line", "see `lakewinnow diff --help`"),
        ("top mine.yaml -n many", "-n", "see `lakewinnow --help` and `lakewinnow guide`"),
        ("guide revew", "guide", "did you mean 'review'?"),
        ("completion tcsh", "SHELL", "see `lakewinnow --help` and `lakewinnow guide`"),
    ],
)
def test_a_command_line_that_makes_no_sense(command, typed, where, hint):
    exit_code, stdout, stderr = command(*typed.split())
    assert (exit_code, stdout, faults(stderr)) == (2, "", [where])
    assert stderr.splitlines()[1] == f"hint: {hint}"


@pytest.mark.parametrize(
    ("typed", "restart", "configs"),
    [
        ("a.yaml", None, ["a.yaml"]),
        ("a.yaml --restart", "*", ["a.yaml"]),
        ("--restart a.yaml b.yaml", "*", ["a.yaml", "b.yaml"]),
        ("--restart quickstart", "*", ["quickstart"]),
        ("--restart embed quickstart", "embed", ["quickstart"]),
        ("a.yaml --restart=embed", "embed", ["a.yaml"]),
        ("a.yaml --restart --quiet", "*", ["a.yaml"]),
    ],
)
def test_restart_takes_a_stage_and_no_configuration(typed, restart, configs):
    given = lakewinnow.commands["run"].make_context("run", typed.split()).params
    assert (given["restart"], list(given["configs"])) == (restart, configs)


def test_without_a_command_there_is_help(command):
    exit_code, stdout, stderr = command()
    assert (exit_code, stdout) == (2, "")
    assert stderr == command("--help")[1]


def commands(group=lakewinnow, *above):
    for name, command in group.commands.items():
        yield (*above, name)
        yield from commands(command, *above, name) if hasattr(command, "commands") else ()


def test_help_fits_one_screen(command):
    exit_code, stdout, stderr = command("--help")
    lines = stdout.splitlines()
    assert (exit_code, stderr) == (0, "")
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 80
    listed = [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "]
    assert set(lakewinnow.commands) <= set(listed)
    assert "..." not in stdout.partition("\n")[2]  # no sentence is cut off


@pytest.mark.parametrize("names", [*commands()], ids=" ".join)
def test_each_command_has_an_example(command, names):
    exit_code, stdout, _ = command(*names, "--help")
    assert exit_code == 0
    assert stdout.rstrip().splitlines()[-2:-1] == ["  Example:"]
    assert stdout.rstrip().splitlines()[-1].startswith(f"    lakewinnow {' '.join(names)}")
    assert len(stdout.splitlines()) <= 24


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


@pytest.mark.parametrize(
    ("option", "name", "hint"),
    [
        ("--until", "embedd", "did you mean 'embed'?"),
        ("--restart", "embedd", "did you mean 'embed'?"),
        ("--until", "pii", "checks.pii turns it on"),
        ("--until", "everything", "`lakewinnow plan` shows the stages"),
    ],
)
def test_a_stage_that_is_none_of_this_run(command, configure, tmp_path, option, name, hint):
    exit_code, _, stderr = command("run", configure(), option, name)
    assert (exit_code, faults(stderr)) == (2, [option])
    assert stderr.splitlines()[1] == f"hint: {hint}"
    assert not (tmp_path / "out").exists()


def test_top_without_a_run(fails, configure):
    assert fails("top", configure()) == (4, ["workspace"])
    assert fails("top", configure(), "-n", "0") == (2, ["-n"])


def test_review_without_a_run_or_a_sample(fails, configure):
    config = configure()
    assert fails("review", "draw", config) == (4, ["workspace"])
    assert fails("review", "measure", config, "mine.csv") == (4, ["workspace"])
    assert fails("review", "measure", config) == (2, ["FILE..."])
    for option, value in (("-n", "0"), ("-n", str(MAX_ROWS + 1)), ("--unflagged", "2")):
        assert fails("review", "draw", config, option, value) == (2, [option])
    assert fails("review", "measure", config, "a.csv", "--precision", "1") == (2, ["--precision"])


def test_a_noise_model_that_is_none(fails, configure, tmp_path):
    config, path = configure(), tmp_path / "model.json"
    merge = ("noise-model", "merge", tmp_path / "merged.json", path)
    assert fails("run", config, "--noise-model", path) == (2, ["--noise-model"])
    assert fails(*merge) == (2, [str(path)])
    path.write_text("{}")
    assert fails("run", config, "--noise-model", path) == (4, ["--noise-model"])
    assert fails(*merge) == (4, [str(path)])


def test_the_version(command):
    assert command("--version") == (0, f"lakewinnow {__version__}\n", "")


def test_the_guide_is_shown(command):
    assert command("guide", "review")[:2] == (0, guide.page("review") + "\n")
    assert command("guide")[1] == guide.page() + "\n"


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_completion(command, shell):
    exit_code, script, stderr = command("completion", shell)
    assert (exit_code, stderr) == (0, "")
    assert f"_LAKEWINNOW_COMPLETE={shell}_complete" in script


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("r", {"run", "review"}),
        ("review ", {"draw", "measure"}),
        ("run --un", {"--until"}),
        ("run --until emb", {"embed"}),
        ("run --set crossval.fol", {"crossval.folds="}),
        ("run mine.yaml --engine s", {"sail", "spark"}),
        ("guide does", {"does-it-help"}),
    ],
)
def test_what_a_shell_is_offered(command, monkeypatch, typed, offered):
    words = f"lakewinnow {typed}"
    monkeypatch.setenv("_LAKEWINNOW_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    stdout = command()[1]
    assert {line.partition(",")[2] for line in stdout.splitlines()} == offered


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
    class CapturedError(RuntimeError):  # as PySpark has them
        _cause = RuntimeError("Lost task 1.0: Python worker exited unexpectedly (crashed).")

    def broken(*_, **__):
        raise CapturedError("Exception thrown in awaitResult: ")

    monkeypatch.setattr("lakewinnow.config.file.load_config", broken)
    exit_code, _, stderr = command("run", configure())
    assert (exit_code, faults(stderr)) == (6, ["Spark"])
    assert "fewer cores" in stderr


@pytest.mark.parametrize(
    ("error", "where", "hint"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/x/y"), "/x/y", "make room"),
        (RuntimeError("Generic Error: No space left on device (os error 28)"), "the", "make room"),
        (MemoryError(), "memory", "fewer cores"),
        (
            RuntimeError("x\n  y\npyarrow.lib.ArrowMemoryError: malloc"),
            "memory",
            "fewer cores",
        ),
        (RuntimeError("Caused by: java.lang.OutOfMemoryError: Java heap"), "memory", "fewer cores"),
    ],
)
def test_what_a_machine_ran_out_of_is_told_and_what_to_do(
    command, configure, monkeypatch, error, where, hint
):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr("lakewinnow.config.file.load_config", broken)
    exit_code, _, stderr = command("run", configure())
    assert exit_code == 6
    assert stderr.startswith(f"{ERROR}{where}")
    assert f"hint: {hint}" in stderr
    assert "resumes" in stderr


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
    exit_code, stdout, stderr = command("run", config, "--until", "embed")
    assert (exit_code, stdout) == (0, "")
    session, *stages = stderr.splitlines()
    assert session.split()[:2] == ["✓", "start"]
    assert "Sail" in session or "Spark" in session
    assert [line.split()[:2] for line in stages] == [["✓", "ingest"], ["✓", "embed"]]
    assert command("run", config, "--until", "embed", "--quiet") == (0, "", "")


@pytest.mark.usefixtures("spark")
def test_a_lost_embedding_store_is_an_engine_error(fails, command, configure, tmp_path):
    config = configure(embedding={"dimensions": 64, "store": str(tmp_path / "store")})
    assert command("run", config, "--until", "embed", "--quiet")[0] == 0
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    assert fails("run", config, "--until", "crossval", "--quiet") == (6, ["embedding.store"])
    assert "pred_probs" not in tables_of(tmp_path / "out")


@pytest.mark.usefixtures("spark")
def test_a_run_until_a_check_says_what_it_found(command, configure):
    rows = [*messages(30), ("write to ann@example.com", "0"), ("call me", "1")]
    config = configure(rows, checks={"pii": {}})
    exit_code, stdout, _ = command("run", config, "--until", "pii", "--quiet")
    assert (exit_code, stdout) == (0, "Personal data: 1 text (1 email)\n")


# --- a finished run -----------------------------------------------------------------------------


@pytest.fixture
def sample(spark):
    return Path(sample_run(spark)[1].workspace)


def test_the_summary_says_where_the_rows_went(command, sample):
    exit_code, stdout, stderr = command("run", sample / "config.yaml", "--quiet")
    assert (exit_code, stderr) == (0, "")
    for table in ("clean", "review", "dropped", "quarantine"):
        assert f"{sample}/{table}/" in stdout.replace("\n", "")
    report, *_, load = [line for line in stdout.splitlines() if line][-4:]
    assert report == f"Report: {sample}/report.html"
    assert f"lakewinnow top {sample}/config.yaml" in stdout
    assert f"read_parquet('{sample}/clean')" in load
    assert "billing" in stdout


def test_top_shows_the_worst_first(command, sample):
    exit_code, stdout, stderr = command("top", sample / "config.yaml", "-n", "3")
    assert (exit_code, stderr) == (0, "")
    issues = [row for row in read_rows(sample, "issues") if row["label_rank"]]
    worst = sorted(issues, key=lambda row: row["label_rank"])[:3]
    texts = {row["row_id"]: row["text"] for row in read_rows(sample, "corpus")}
    expected = ""
    for row in worst:
        labels = f"given {row['given_label']}, rather {row['predicted_label']}"
        rank, score = row["label_rank"], f"{row['label_score']:.4f}"
        expected += f"{rank} {labels} (score {score}, {row['decision']}) {texts[row['row_id']]} "
    assert stdout.split() == expected.split()


@pytest.mark.slow
def test_a_noise_model_is_scored_with_and_added_to(command, configure, sample, tmp_path):
    model, merged = sample / "noise_model.json", tmp_path / "merged.json"
    names = ("billing", "cancellation", "login", "refund", "shipping", "technical")
    rows = [(f"message {i} about {names[i % 6]}", names[i % 6]) for i in range(60)]
    config = configure(rows, crossval={"folds": 3})
    assert command("run", config, "--noise-model", model, "--quiet")[0] == 0
    batch = tmp_path / "out" / "noise_model.json"
    assert command("noise-model", "merge", merged, model, batch)[:2] == (
        0,
        f"{merged}: 651 rows, 6 classes\n",
    )
    assert command("noise-model", "merge", merged, model, batch)[0] == 4  # it is there


@pytest.mark.usefixtures("spark")
def test_a_plan_says_what_would_run_and_why(command, sample, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    config = sample / "config.yaml"
    exit_code, stdout, stderr = command("plan", config, "--set", "crossval.params.C=0.5")
    assert (exit_code, stderr) == (0, "")
    [crossval] = [line for line in stdout.splitlines() if line.startswith("▸ crossval")]
    assert crossval.endswith("crossval.params.C changed")
    assert "✓ ingest" in stdout
    plan = json.loads(command("plan", config, "--until", "noise", "--restart", "--json")[1])
    names = [stage["name"] for stage in plan["stages"] if not stage["is_done"]]
    assert names == ["ingest", "embed", "crossval", "noise"]
    assert command("plan", config, "--until", "embed", "--dot")[1].startswith("digraph")


def test_a_plan_without_an_input(fails, configure):
    assert fails("plan", configure(), "--set", "input.path=no/such.csv") == (4, ["input.path"])


# --- jobs ---------------------------------------------------------------------------------------


def wheel_task(*arguments):
    """Do as a Databricks wheel task does: call the entry point with the parameters in sys.argv."""
    [entry] = importlib.metadata.distribution("lakewinnow").entry_points.select(name="lakewinnow")
    return entry.load(), ["lakewinnow", *arguments]


def script(name, *arguments):
    """Do as spark-submit and a Databricks script task do: run a file as `__main__`."""
    path = ROOT / "jobs" / f"{name}.py"
    return partial(runpy.run_path, str(path), run_name="__main__"), [str(path), *arguments]


@pytest.mark.parametrize(
    ("job", "arguments"),
    [
        (wheel_task, ["run", "no.yaml"]),
        (partial(script, "run"), ["no.yaml"]),
        (partial(script, "finetune"), ["no.yaml"]),
        (partial(script, "review"), ["draw", "no.yaml"]),
    ],
)
def test_a_failed_run_fails_the_job(monkeypatch, job, arguments):
    function, argv = job(*arguments)
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as raised:
        function()
    assert raised.value.code == 2


@pytest.mark.parametrize(
    ("job", "command"), [(wheel_task, ["review"]), (partial(script, "review"), [])]
)
def test_a_job_that_is_done_raises_nothing(monkeypatch, capsys, sample, tmp_path, job, command):
    workspace = shutil.copytree(sample, tmp_path / "out")
    overrides = ("--set", f"workspace={workspace}")
    function, argv = job(*command, "draw", str(sample / "config.yaml"), *overrides, "-n", "5")
    monkeypatch.setattr(sys, "argv", argv)
    function()  # Databricks takes SystemExit(0), too, for a failure
    assert "5 rows were drawn for review" in capsys.readouterr().out


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
        while not (tmp_path / "_versions").exists() and time.monotonic() < deadline:
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
    handler = signal.default_int_handler
    before = signal.signal(signal.SIGINT, handler)  # Spark has put its own there, where it has run
    sample = ROOT / "conf" / "quickstart.yaml"
    options = ("--engine=spark", "--set", f"workspace={tmp_path / 'out'}")
    assert exit_code_of(["run", str(sample), *options]) == 130
    assert capsys.readouterr().err.startswith("lakewinnow: interrupted")
    assert not (tmp_path / "out").exists()
    assert signal.signal(signal.SIGINT, before) is handler
