"""What can be typed, and what each command does: load the configuration, have it done, print it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from lakewinnow import __version__
from lakewinnow.cli.options import (
    ENGINE,
    EVERY_STAGE,
    NOISE_MODEL,
    QUIET,
    REMOTE,
    RESTART,
    UNTIL,
    Asked,
    Commands,
    Number,
    OneOf,
    RunCommand,
    example,
    takes_config,
)
from lakewinnow.cli.review import review
from lakewinnow.errors import DataError, ProviderError
from lakewinnow.plan.words import counted
from lakewinnow.printable import printable

if TYPE_CHECKING:  # heavy imports, which `--help` and errors do without
    from pyspark.sql import SparkSession

    from lakewinnow.config.sections import Config
    from lakewinnow.config.types import EngineName
    from lakewinnow.pipeline import RunResult
    from lakewinnow.terminal.progress import Progress

_SMALL_BYTES: Final = 64 * 2**20
_MERGE: Final = "noise-model merge both.json out/april/noise_model.json out/may/noise_model.json"


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample: lakewinnow run quickstart      (a sample that comes with the package)\n"
    "Exit codes: 2 config, 3 schema, 4 data, 5 provider, 6 engine, 8 busy, 130 ^C",
)
@click.version_option(__version__, message="lakewinnow %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error, in any command.")
def lakewinnow(debug: bool) -> None:  # noqa: FBT001 - `main` looks for it everywhere
    """Find wrong labels in a table, and write a clean table."""


@lakewinnow.command(**example("init data/tickets.csv"))
@click.argument("path", metavar="PATH", type=click.Path())
@click.option(
    "-o",
    "--output",
    default="lakewinnow.yaml",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write this file (lakewinnow.yaml).",
)
def init(path: str, output: Path) -> None:
    """Write a commented configuration for a table.

    PATH is a CSV, JSON lines or Parquet file, or a folder of them.
    """
    from lakewinnow.cli import init as starter

    click.echo(printable(starter.write(path, output)))


@lakewinnow.command(cls=RunCommand, **example("run tickets.yaml --set crossval.folds=5"))
@takes_config(UNTIL, RESTART, NOISE_MODEL, QUIET, ENGINE, REMOTE)
@click.option(
    "--cancel", is_flag=True, help="Cancel the batches that a service is still working on."
)
def run(asked: Asked, *, cancel: bool) -> None:
    """Run all stages, from the table to clean/ and the report.

    Stages that an earlier run has finished are not run again. CONFIG is a YAML file; later
    files override earlier ones.
    """
    config = asked.config()
    if cancel:
        from lakewinnow import pipeline

        n = pipeline.cancel_batches(config)
        click.echo(
            f"{counted(n, 'batch', 'is')} being cancelled. The next run keeps what was answered."
        )
        return
    _begin_session(asked, config)
    from lakewinnow.terminal.result import print_result

    wanted = () if asked.until is None else (asked.until,)
    print_result(_run(asked, config, wanted), asked)


@lakewinnow.command(cls=RunCommand, **example("plan tickets.yaml --set crossval.params.C=1"))
@takes_config(UNTIL, RESTART, NOISE_MODEL, ENGINE, REMOTE)
@click.option("--json", "form", flag_value="json", help="Write JSON.")
@click.option("--dot", "form", flag_value="dot", help="Write the graph for Graphviz.")
def plan(asked: Asked, form: str | None) -> None:
    """Show what a run would do, why, and what it would cost.

    Takes the options of `lakewinnow run`. Runs no stage and calls no service.
    """
    from lakewinnow import pipeline
    from lakewinnow.pipeline.sessions import running_for

    config = asked.config()
    _begin_session(asked, config)
    how = _checked(asked, config, () if asked.until is None else (asked.until,))
    with running_for(config, asked.remote) as spark:
        plan = pipeline.plan(config, spark, **how)
    if form == "json":
        click.echo(json.dumps(plan.to_json(), indent=2, ensure_ascii=False))
    else:
        width = shutil.get_terminal_size().columns
        click.echo(printable(plan.dot()) if form == "dot" else printable(plan.text(width)))


@lakewinnow.command(**example("top tickets.yaml -n 50 --csv > worst.csv"))
@takes_config()
@click.option("-n", type=Number(int, 1), default=20, metavar="N", help="How many (20).")
@click.option("--width", type=Number(int, 40), metavar="N", help="Fold texts at this width.")
@click.option("--json", "form", flag_value="json", help="Write JSON.")
@click.option(
    "--csv", "form", flag_value="csv", help="Write CSV for a spreadsheet: no cell is a formula."
)
def top(asked: Asked, n: int, width: int | None, form: str | None) -> None:
    """Show the worst label issues of a finished run."""
    from lakewinnow.terminal.top import print_top

    print_top(asked.config(), n, form, width)


lakewinnow.add_command(review)


@lakewinnow.command(**example("diff out/april out/may -n 20"))
@click.argument("first", metavar="WORKSPACE", type=click.Path())
@click.argument("second", metavar="WORKSPACE", type=click.Path())
@click.option(
    "-n", type=Number(int, 0), default=10, metavar="N", help="How many changed rows (10)."
)
@click.option("--json", "as_json", is_flag=True, help="Write the figures as JSON.")
@click.option("--rows", metavar="PATH", help="Write all changed rows to this Parquet folder, too.")
@ENGINE
@REMOTE
def diff(
    first: str,
    second: str,
    n: int,
    rows: str | None,
    engine: "EngineName | None",
    remote: str | None,
    *,
    as_json: bool,
) -> None:
    """Show what changed from one finished run to another."""
    from lakewinnow.review.diff import diff
    from lakewinnow.spark.sessions.session import running
    from lakewinnow.terminal.diff import print_diff

    with running(engine=engine or "auto", remote=remote) as spark:
        found = diff(first, second, spark)
        if as_json:
            click.echo(json.dumps(found.figures(), indent=2, ensure_ascii=False))
        else:
            print_diff(found, n)
        if rows is not None:
            found.table.write.mode("overwrite").parquet(rows)


@lakewinnow.command(**example("verify out/tickets"))
@click.argument("workspace", metavar="WORKSPACE", type=click.Path())
@click.option("--version", type=Number(int, 0), metavar="N", help="Of a version that was kept.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def verify(workspace: str, version: int | None, *, as_json: bool) -> int:
    """Check every file of a finished run against its manifest.

    The exit code is 4 if a file is missing or is not as it was written.
    """
    from lakewinnow.lake import reading
    from lakewinnow.terminal.verified import print_verified
    from lakewinnow.typed_json import to_json

    found = reading.verify(workspace, version)
    if as_json:
        click.echo(json.dumps(to_json(found), indent=2, ensure_ascii=False))
    else:
        print_verified(found)
    return DataError.exit_code if found.faults else 0


@lakewinnow.command(cls=RunCommand, **example("finetune politeness --provider local"))
@takes_config(RESTART, QUIET, ENGINE, REMOTE)
@click.option("--provider", type=OneOf(["local", "openai"]), help="Train here or at a service.")
@click.option("--cancel", is_flag=True, help="Cancel the jobs that a service is still working on.")
def finetune(asked: Asked, provider: str | None, *, cancel: bool) -> int:
    """Fine-tune models on each version of the labels; compare them."""
    from lakewinnow import pipeline
    from lakewinnow.terminal.result import print_finetuned

    config = asked.config(*([] if provider is None else [f"finetune.provider={provider}"]))
    if cancel:
        n = pipeline.cancel_finetuning(config)
        click.echo(
            f"{counted(n, 'job', 'is')} being cancelled. The service may charge for what was done."
        )
        return 0
    result = _run(asked, config, ("publish", "report", "finetune"))
    return 0 if print_finetuned(result) else ProviderError.exit_code


@lakewinnow.group("noise-model", cls=Commands, **example(_MERGE))
def noise_model() -> None:
    """Combine noise models, to judge later rows by them."""


@noise_model.command(**example(_MERGE))
@click.argument("output", metavar="OUTPUT", type=click.Path())
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=click.Path())
def merge(output: str, models: tuple[str, ...]) -> None:
    """Combine the noise models of a run and its batches.

    A batch is judged by the noise model of the run: `lakewinnow run CONFIG --noise-model PATH`.
    """
    from lakewinnow.lake.inputs import noise_models

    merged = noise_models.merge_noise_models(models)
    noise_models.write(merged, output)
    rows, classes = counted(merged.n_rows, "row"), counted(len(merged.classes), "class")
    click.echo(printable(f"{output}: {rows}, {classes}"))


@lakewinnow.command(**example("doctor"))
def doctor() -> int:
    """Check that this machine has what a run needs."""
    from lakewinnow.cli import doctor

    return int(doctor.examine())


def _topics(_: Any, __: Any, incomplete: str) -> list[str]:
    from lakewinnow import guide

    return [topic for topic in guide.topics() if topic.startswith(incomplete)]


@lakewinnow.command(**example("guide review"))
@click.argument("topic", metavar="[TOPIC]", required=False, shell_complete=_topics)
def guide(topic: str | None) -> None:
    """Show a page of the guide, or the list of its topics."""
    from lakewinnow import guide
    from lakewinnow.terminal.console import Console

    shown, out = () if topic is None else (topic,), Console(highlight=True)
    if out.is_terminal:
        out.print(guide.rendered(*shown))
    else:
        click.echo(guide.page(*shown))


@lakewinnow.command(**example("completion bash >> ~/.bashrc"))
@click.argument("shell", metavar="SHELL", type=OneOf(["bash", "fish", "zsh"]))
def completion(shell: str) -> None:
    """Write a script that completes commands in bash, fish or zsh."""
    from click.shell_completion import get_completion_class

    from lakewinnow.cli import COMPLETION

    script = get_completion_class(shell)
    if script is not None:
        click.echo(script(lakewinnow, {}, "lakewinnow", COMPLETION).source())


def _run(asked: Asked, config: "Config", until: tuple[str, ...]) -> "RunResult":
    from lakewinnow import pipeline

    how = _checked(asked, config, until)
    with _watched_session(asked, config) as (spark, observer):
        return pipeline.run(config, spark, observer=observer, **how)


def _checked(asked: Asked, config: "Config", until: tuple[str, ...]) -> dict[str, Any]:
    """Find what would stop a run before a session is started; return what it is asked for."""
    from lakewinnow import pipeline
    from lakewinnow.lake.inputs import noise_models
    from lakewinnow.pipeline.catalog import graph_of

    graph = graph_of(config)
    for name in until:
        graph.check(name, "--until")
    if asked.restart is not None and asked.restart != EVERY_STAGE:
        graph.check(asked.restart, "--restart")
    pipeline.check(config, *until)
    model = None
    if asked.noise_model is not None:
        model = noise_models.read(asked.noise_model, "--noise-model")
    restart = asked.restart == EVERY_STAGE or asked.restart or False
    return {"until": until, "restart": restart, "noise_model": model}


@contextmanager
def _watched_session(asked: Asked, config: "Config") -> "Iterator[tuple[SparkSession, Progress]]":
    """Give a session, and who follows it on stderr."""
    from lakewinnow.pipeline.sessions import running_for
    from lakewinnow.terminal.progress import progress

    with progress(quiet=asked.quiet) as observer:
        observer.started("session")
        with running_for(config, asked.remote) as spark:
            observer.watch(spark)
            yield spark, observer


def _begin_session(asked: Asked, config: "Config") -> None:
    """Have the engine start while this process imports what works with it, if it is a small run.

    A large run's engine may be another one, which depends on its size, and does not notice.
    """
    from lakewinnow.spark.sessions.session import begin

    path = Path(config.input.path or "")
    with suppress(PermissionError):  # the run says which file, and what to do
        if asked.remote is None and path.is_file() and path.stat().st_size <= _SMALL_BYTES:
            begin(engine=config.engine, wide_rows=config.input.has_wide_rows)
