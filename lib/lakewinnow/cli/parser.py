"""What can be typed: commands, arguments, and the nearest one of what was misspelt."""

import argparse
import re
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

from lakewinnow import __version__
from lakewinnow.cli import commands
from lakewinnow.errors import ConfigError, Shown, did_you_mean

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


_Commands: TypeAlias = "argparse._SubParsersAction[_Parser]"  # noqa: SLF001 - it has no other name


def parser() -> argparse.ArgumentParser:
    """Return what reads a command line."""
    whole = _Parser(
        prog="lakewinnow",
        description="Find label errors in a labelled text table and write a clean dataset.",
        epilog="Exit codes: 0 done, 2 configuration, 3 schema, 4 data, 5 provider, 6 engine, "
        "130 interrupted.",
    )
    whole.add_argument("--version", action="version", version=f"lakewinnow {__version__}")
    added = whole.add_subparsers(metavar="COMMAND", required=True)
    _add_runs(added)
    _add_looks(added)
    _add_care(added)
    _add_stages(added)
    return whole


def _add_runs(added: _Commands) -> None:
    """Add what runs everything."""
    run = added.add_parser("run", help="run everything: from the source table to clean/")
    _add_run_options(run)
    run.set_defaults(command=commands.run, until=(), noise_model=None, wants_export=False)
    score = added.add_parser(
        "score", help="run everything on a new batch, judged by an earlier run's noise model"
    )
    _add_run_options(score)
    score.add_argument(
        "--noise-model", required=True, metavar="PATH", help="the earlier run's noise_model.json"
    )
    score.set_defaults(command=commands.run, until=(), wants_export=False)


def _add_looks(added: _Commands) -> None:
    """Add what looks at finished runs."""
    top = added.add_parser("top", help="show the worst label issues of a finished run")
    _add_config_options(top)
    top.add_argument("-n", type=int, default=20, metavar="N", help="how many (20)")
    top.set_defaults(command=commands.top)

    review = added.add_parser(
        "review", help="draw a sample for people to review; --decisions measures the flags by it"
    )
    _add_config_options(review)
    _add_review_options(review)
    review.set_defaults(command=commands.review)

    diff = added.add_parser("diff", help="show what changed from one finished run to another")
    diff.add_argument("first", metavar="WORKSPACE_A", help="the workspace of the first run")
    diff.add_argument("second", metavar="WORKSPACE_B", help="the workspace of the second")
    diff.add_argument("-n", type=int, default=10, metavar="N", help="how many changed rows (10)")
    diff.add_argument("--json", metavar="FILE", help="write the figures to a file, too")
    diff.add_argument("--rows", metavar="PATH", help="write the changed rows as Parquet, too")
    _add_engine(diff)
    diff.add_argument("--debug", action="store_true", help="show tracebacks")
    diff.set_defaults(command=commands.diff)


def _add_care(added: _Commands) -> None:
    """Add what looks after the files that runs share, and what a newcomer begins with."""
    merge = added.add_parser(
        "merge-noise-models", help="add up the noise models of a run and of batches scored with it"
    )
    merge.add_argument("output", metavar="OUT", help="the noise_model.json to write")
    merge.add_argument("models", nargs="+", metavar="MODEL", help="the files to add up")
    merge.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    merge.set_defaults(command=commands.merge_noise_models)

    store = added.add_parser("store", help="look after the embedding store")
    store.add_argument(
        "action",
        choices=("stats", "verify", "compact"),
        help="count what is in it; say what is wrong with its rows; write it anew in few files",
    )
    _add_config_options(store)
    _add_engine(store)
    store.set_defaults(command=commands.store)

    init = added.add_parser("init", help="write a commented configuration for a table")
    init.add_argument("path", metavar="PATH", help="a CSV, JSON lines or Parquet file or folder")
    init.add_argument("-o", "--output", type=Path, default=Path("lakewinnow.yaml"), metavar="FILE")
    init.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    init.set_defaults(command=commands.init)

    doctor = added.add_parser("doctor", help="say what is missing on this machine")
    doctor.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    doctor.set_defaults(command=commands.doctor)


def _add_stages(added: _Commands) -> None:
    """Add a command for each stage."""
    for name, text in STAGE_COMMANDS.items():
        stage = added.add_parser(name, help=text)
        _add_run_options(stage)
        stage.set_defaults(
            command=commands.run, until=name, noise_model=None, wants_export=name == "export"
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
            stage.set_defaults(command=commands.embed)


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
    parser.set_defaults(command=commands.finetune)


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
    _add_engine(parser)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    _add_config_options(parser)
    parser.add_argument(
        "--restart", action="store_true", help="do every stage again (embeddings stay)"
    )
    parser.add_argument(
        "--quiet", action="store_true", help="no progress; errors and the result only"
    )
    _add_engine(parser)


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        choices=("auto", "sail", "spark"),
        help="what to start where no session is there (engine)",
    )
    parser.add_argument("--remote", metavar="sc://HOST:PORT", help="use a Spark Connect server")
