"""The command `lakewinnow`: arguments in, exit codes out; what it does is elsewhere."""

import argparse
import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from lakewinnow import __version__, errors
from lakewinnow.errors import (
    ConfigError,
    DataError,
    EngineError,
    LakewinnowError,
    ProviderError,
    Shown,
    did_you_mean,
)

if TYPE_CHECKING:  # heavy imports, which `--help` and errors do without
    from pyspark.sql import SparkSession

    from lakewinnow.terminal.progress import Progress

INTERRUPTED: Final = 130
STAGE_COMMANDS: Final = {
    "ingest": "split the source into corpus/ and quarantine/",
    "own_vectors": "… and take your own embeddings or features (input.embedding, input.features)",
    "candidates": "… and compare embedding.candidates on a sample",
    "embed": "… and embed the texts that are new",
    "crossval": "… and make out-of-sample probabilities",
    "own_probs": "… and take your own probabilities (input.pred_probs)",
    "noise": "… and estimate the noise model",
    "label_issues": "… and find the label issues",
    "neighbors": "… and find which texts are near to each text",
    "outliers": "… and find the rows that are like no others",
    "imbalance": "… and find whether a class is too rare",
    "nulls": "… and find the rows that are empty but for their label",
    "non_iid": "… and test whether the order of the rows matters",
    "groups": "… and find groups of rows that the classifier does badly on",
    "valuation": "… and find rows that do more harm than good",
    "duplicates": "… and find exact duplicates",
    "near_duplicates": "… and find texts that are alike",
    "text": "… and hold the texts against checks.text",
    "pii": "… and look for personal data in the texts",
    "drift": "… and compare the rows with checks.drift.reference, or by a column",
    "holdout": "… and take in and embed evaluate.holdout, or set evaluate.trusted aside",
    "choose": "… and choose what becomes of label issues (clean.label_issues: auto)",
    "decide": "… and decide what happens to each row",
    "publish": "… and write clean/, review/ and dropped/",
    "report": "… and write report.html",
    "evaluate": "… and compare with evaluate.reference, and models on evaluate.holdout",
    "finetune": "… and fine-tune a model on each version of the labels, and compare (finetune)",
    "export": "… and write files for fine-tuning (export.format)",
}


# Of a Python worker's stack, or below what py4j says first: "An error occurred while calling o9.".
_RAISED: Final = r"^(?:: )?(?:[\w.]+\.)?(\w+(?:Error|Exception)): (.*)$"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    _log_to_stderr()
    parser = _parser()
    debug = "--debug" in (sys.argv if arguments is None else arguments)
    try:
        options = parser.parse_args(arguments)
        return int(options.command(options))
    except LakewinnowError as error:
        if debug:
            traceback.print_exc()
        for problem in error.problems:
            print(f"lakewinnow: error: {problem}", file=sys.stderr)
            print(
                f"hint: {problem.hint or 'see `lakewinnow --help` and the README'}", file=sys.stderr
            )
        return error.exit_code
    except KeyboardInterrupt:
        print("lakewinnow: interrupted; run the same command again to go on", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort of a command: one line, not a stack
        if debug:
            traceback.print_exc()
        kind, line = _last_line(error)
        print(f"lakewinnow: error: {line}", file=sys.stderr)
        print("hint: run again with --debug for the traceback", file=sys.stderr)
        return kind.exit_code


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    # On Ctrl-C py4j logs the stack of the call it was in, and does so as the root logger itself.
    handler.addFilter(lambda record: record.name != "root")
    logging.basicConfig(format="%(message)s", handlers=[handler])


class _Parser(argparse.ArgumentParser):
    """Argument errors in this project's form, with exit code 2."""

    def error(self, message: str) -> NoReturn:
        got = Shown(message.partition(" (choose from")[0])
        raise ConfigError(
            "usage", "command line", "what `lakewinnow --help` lists", got, _near_command(message)
        )


def _near_command(message: str) -> str:
    typed, _, rest = message.partition("invalid choice: '")[2].partition("'")
    choices = re.findall(r"[\w-]+", rest.partition("choose from")[2])
    if not choices:
        return "see `lakewinnow --help`"
    return did_you_mean(typed, choices) or f"one of {', '.join(choices)}"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="lakewinnow",
        description="Find label errors in a labelled text table and write a clean dataset.",
        epilog="Exit codes: 0 done, 2 configuration, 3 schema, 4 data, 5 provider, 6 engine, "
        "130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"lakewinnow {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="run everything: from the source table to clean/")
    _add_run_options(run)
    run.set_defaults(command=_run, until="export", noise_model=None, wants_export=False)
    for name, text in STAGE_COMMANDS.items():
        stage = commands.add_parser(name, help=text)
        _add_run_options(stage)
        stage.set_defaults(
            command=_run, until=name, noise_model=None, wants_export=name == "export"
        )
        if name == "finetune":
            _add_finetune_options(stage)
        if name == "embed":
            stage.add_argument(
                "--dry-run", action="store_true", help="only say what it would take and cost"
            )
            stage.add_argument(
                "--cancel-batches",
                action="store_true",
                help="have the batches of an earlier run that are under way cancelled",
            )
            stage.set_defaults(command=_embed)

    score = commands.add_parser(
        "score", help="run everything on a new batch, judged by an earlier run's noise model"
    )
    _add_run_options(score)
    score.add_argument(
        "--noise-model", required=True, metavar="PATH", help="the earlier run's noise_model.json"
    )
    score.set_defaults(command=_run, until="export", wants_export=False)

    merge = commands.add_parser(
        "merge-noise-models", help="add up the noise models of a run and of batches scored with it"
    )
    merge.add_argument("output", metavar="OUT", help="the noise_model.json to write")
    merge.add_argument("models", nargs="+", metavar="MODEL", help="the files to add up")
    merge.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    merge.set_defaults(command=_merge_noise_models)

    top = commands.add_parser("top", help="show the worst label issues of a finished run")
    _add_config_options(top)
    top.add_argument("-n", type=int, default=20, metavar="N", help="how many (20)")
    top.set_defaults(command=_top)

    review = commands.add_parser(
        "review", help="draw a sample for people to review; --decisions measures the flags by it"
    )
    _add_config_options(review)
    _add_review_options(review)
    review.set_defaults(command=_review)

    diff = commands.add_parser("diff", help="show what changed from one finished run to another")
    diff.add_argument("first", metavar="WORKSPACE_A", help="the workspace of the first run")
    diff.add_argument("second", metavar="WORKSPACE_B", help="the workspace of the second")
    diff.add_argument("-n", type=int, default=10, metavar="N", help="how many changed rows (10)")
    diff.add_argument("--json", metavar="FILE", help="write the figures to a file, too")
    diff.add_argument("--rows", metavar="PATH", help="write the changed rows as Parquet, too")
    diff.add_argument("--remote", metavar="sc://HOST:PORT", help="use a Spark Connect server")
    diff.add_argument("--debug", action="store_true", help="show tracebacks")
    diff.set_defaults(command=_diff)

    store = commands.add_parser("store", help="look after the embedding store")
    store.add_argument(
        "action",
        choices=("stats", "verify", "compact"),
        help="count what is in it; say what is wrong with its rows; write it anew in few files",
    )
    _add_config_options(store)
    store.add_argument("--remote", metavar="sc://HOST:PORT", help="use a Spark Connect server")
    store.set_defaults(command=_store)

    init = commands.add_parser("init", help="write a commented configuration for a table")
    init.add_argument("path", metavar="PATH", help="a CSV, JSON lines or Parquet file or folder")
    init.add_argument("-o", "--output", type=Path, default=Path("lakewinnow.yaml"), metavar="FILE")
    init.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    init.set_defaults(command=_init)

    doctor = commands.add_parser("doctor", help="say what is missing on this machine")
    doctor.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    doctor.set_defaults(command=_doctor)
    return parser


def _add_config_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config", nargs="+", metavar="CONFIG", help="YAML files, later ones over earlier ones"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one key, e.g. crossval.folds=5",
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")


def _add_finetune_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--provider", choices=("local", "openai"), help="over finetune.provider")
    parser.add_argument(
        "--dry-run", action="store_true", help="only say what a service would take and cost"
    )
    parser.add_argument(
        "--cancel",
        action="store_true",
        help="have the jobs of an earlier run that are under way cancelled",
    )
    parser.set_defaults(command=_finetune)


def _add_review_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", type=int, default=200, metavar="N", help="rows to draw (200)")
    parser.add_argument(
        "--unflagged",
        type=float,
        default=0.25,
        metavar="SHARE",
        help="of these, that are not flagged: what do the flags miss? (0.25)",
    )
    parser.add_argument(
        "--redraw", action="store_true", help="put a new sample in the place of another"
    )
    parser.add_argument(
        "--decisions",
        action="append",
        metavar="FILE",
        help="measure the flags by what the page saved; once for each person",
    )
    parser.add_argument(
        "--precision",
        type=float,
        default=0.9,
        metavar="SHARE",
        help="with --decisions: share of right flags to find a cut for (0.9)",
    )
    parser.add_argument("--remote", metavar="sc://HOST:PORT", help="use a Spark Connect server")


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    _add_config_options(parser)
    parser.add_argument(
        "--restart", action="store_true", help="do every stage again (embeddings stay)"
    )
    parser.add_argument(
        "--quiet", action="store_true", help="no progress; errors and the result only"
    )
    parser.add_argument("--remote", metavar="sc://HOST:PORT", help="use a Spark Connect server")


@contextmanager
def _watched_session(
    options: argparse.Namespace,
) -> "Iterator[tuple[SparkSession, Progress]]":
    """Give a session, and who follows it on stderr."""
    from lakewinnow.spark.session import running
    from lakewinnow.terminal.progress import progress

    with progress(quiet=options.quiet) as observer:
        observer.started("session")
        with running(remote=options.remote) as spark:
            observer.watch(spark)
            yield spark, observer


def _run(options: argparse.Namespace) -> int:
    from lakewinnow import pipeline
    from lakewinnow.configfile import load_config
    from lakewinnow.lake import noise_models
    from lakewinnow.terminal.embeddings import print_candidates
    from lakewinnow.terminal.result import print_summary

    config = load_config(*options.config, overrides=options.set)
    if options.wants_export and config.export.format is None:
        choices = "openai-chat | prompt-completion | huggingface"
        hint = "--set export.format=openai-chat, say"
        raise ConfigError("no_format", "export.format", choices, None, hint)
    path = options.noise_model
    noise_model = None if path is None else noise_models.read(path, "--noise-model")
    pipeline.check(config)
    with _watched_session(options) as (spark, observer):
        result = pipeline.run(
            config,
            spark,
            until=options.until,
            restart=options.restart,
            observer=observer,
            noise_model=noise_model,
        )
    if options.until == "candidates" and "candidates" in result.summary:
        print_candidates(result.summary["candidates"])
    if options.until in ("publish", "evaluate", "export"):
        print_summary(result, options.config, options.set)
    return 0


def _embed(options: argparse.Namespace) -> int:
    if options.cancel_batches:
        return _cancel_batches(options)
    if not options.dry_run:
        return _run(options)
    from lakewinnow import pipeline
    from lakewinnow.configfile import load_config
    from lakewinnow.terminal.embeddings import print_candidate_estimates, print_estimate

    config = load_config(*options.config, overrides=options.set)
    pipeline.check(config)
    with _watched_session(options) as (spark, observer):
        how = {"restart": options.restart, "observer": observer}
        if config.embedding.candidates:
            print_candidate_estimates(pipeline.estimate_candidates(config, spark, **how))
        else:
            print_estimate(pipeline.estimate_embedding(config, spark, **how))
    return 0


def _finetune(options: argparse.Namespace) -> int:
    from lakewinnow import pipeline
    from lakewinnow.configfile import load_config
    from lakewinnow.terminal.comparison import print_finetuned
    from lakewinnow.terminal.finetuning import print_estimate

    if options.provider is not None:
        options.set = [*options.set, f"finetune.provider={options.provider}"]
    config = load_config(*options.config, overrides=options.set)
    if options.cancel:
        n = pipeline.cancel_finetuning(config)
        print(f"{n:,} jobs are being cancelled; what they have done by now may be paid for")
        return 0
    pipeline.check(config, "finetune")
    if options.dry_run:
        with _watched_session(options) as (spark, observer):
            estimate = pipeline.estimate_finetuning(
                config, spark, restart=options.restart, observer=observer
            )
        print_estimate(estimate)
        return 0
    with _watched_session(options) as (spark, observer):
        result = pipeline.run(
            config, spark, until="finetune", restart=options.restart, observer=observer
        )
    print_finetuned(result.summary)
    return ProviderError.exit_code if result.summary["finetuning"]["failed"] else 0


def _cancel_batches(options: argparse.Namespace) -> int:
    from lakewinnow import pipeline
    from lakewinnow.configfile import load_config

    n = pipeline.cancel_batches(load_config(*options.config, overrides=options.set))
    print(f"{n:,} batches are being cancelled; what they have done by now is kept for the next run")
    return 0


def _store(options: argparse.Namespace) -> int:
    from lakewinnow.configfile import load_config
    from lakewinnow.lake import store_care
    from lakewinnow.lake.embedding_store import named_store
    from lakewinnow.spark.session import running
    from lakewinnow.terminal import embeddings

    config = load_config(*options.config, overrides=options.set)
    with running(remote=options.remote) as spark:
        store = named_store(spark, config)
        if options.action == "verify":
            faults = store_care.verify(store)
            embeddings.print_faults(store, faults)
            return DataError.exit_code if faults else 0
        if options.action == "compact":
            before, after = store_care.compact(store)
            print(f"{before:,} files are now {after:,}")
        embeddings.print_contents(store, store_care.stats(store))
    return 0


def _top(options: argparse.Namespace) -> int:
    from lakewinnow.configfile import load_config
    from lakewinnow.terminal.result import print_top

    if options.n < 1:
        raise ConfigError("out_of_range", "-n", "a whole number at least 1", options.n)
    print_top(load_config(*options.config, overrides=options.set).workspace, options.n)
    return 0


def _review(options: argparse.Namespace) -> int:
    from lakewinnow import review
    from lakewinnow.configfile import load_config
    from lakewinnow.lake import redaction
    from lakewinnow.lake.files import Files
    from lakewinnow.lake.workspace import Lake
    from lakewinnow.spark.session import running
    from lakewinnow.terminal.review import print_measured, print_sample

    if not 1 <= options.n <= review.MAX_ROWS:
        expected = f"a whole number from 1 to {review.MAX_ROWS:,}"
        raise ConfigError("out_of_range", "-n", expected, options.n)
    if not 0 <= options.unflagged <= 1:
        raise ConfigError("out_of_range", "--unflagged", "from 0 to 1", options.unflagged)
    if not 0 < options.precision < 1:
        raise ConfigError("out_of_range", "--precision", "above 0, below 1", options.precision)
    config = load_config(*options.config, overrides=options.set)
    review.check(Files(config.workspace), is_drawn=options.decisions is not None)
    with running(remote=options.remote) as spark:
        lake = Lake(spark, config.workspace)
        if options.decisions:
            measured = review.measure(lake, options.decisions, options.precision)
            print_measured(measured, lake.files, options.decisions, options.config, options.set)
        else:
            text = redaction.text(config.clean, config.checks)
            share = options.unflagged
            sample = review.draw(lake, options.n, share, redraw=options.redraw, text=text)
            print_sample(sample, lake.files, options.config, options.set)
    return 0


def _diff(options: argparse.Namespace) -> int:
    from lakewinnow.changes import diff
    from lakewinnow.spark.session import running
    from lakewinnow.terminal.diff import print_diff

    if options.n < 0:
        raise ConfigError("out_of_range", "-n", "a whole number at least 0", options.n)
    with running(remote=options.remote) as spark:
        found = diff(options.first, options.second, spark)
        print_diff(found, options.n)
        if options.rows is not None:
            found.table.write.mode("overwrite").parquet(options.rows)
    if options.json is not None:
        Path(options.json).write_text(json.dumps(found.figures(), indent=2, ensure_ascii=False))
    return 0


def _merge_noise_models(options: argparse.Namespace) -> int:
    from lakewinnow.lake import noise_models

    merged = noise_models.merge_noise_models(options.models)
    noise_models.write(merged, options.output)
    print(f"{options.output}: {merged.n_rows:,} rows, {len(merged.classes):,} classes")
    return 0


def _init(options: argparse.Namespace) -> int:
    from lakewinnow import starter

    print(starter.write(options.path, options.output))
    return 0


def _doctor(_: argparse.Namespace) -> int:
    from lakewinnow import doctor

    return int(doctor.examine())


def _last_line(error: Exception) -> tuple[type[LakewinnowError], str]:
    """Return what happened in one line: of a Spark job, what its Python worker raised."""
    raised = re.findall(_RAISED, str(error), re.MULTILINE)
    for name, message in reversed(raised):
        ours = getattr(errors, name, None)
        if ours is not None:
            return ours, message
    if raised:
        name, message = raised[-1]
        return EngineError, f"{name}: {message}"
    lines = str(error).strip().splitlines()
    return EngineError, f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
