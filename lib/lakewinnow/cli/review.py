"""The commands `review draw` and `review measure`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from lakewinnow.cli.options import (
    ENGINE,
    REMOTE,
    Asked,
    Commands,
    Number,
    example,
    is_configuration,
    takes_config,
)
from lakewinnow.errors import ConfigError, Shown

if TYPE_CHECKING:
    from lakewinnow.config.sections import Config
    from lakewinnow.lake.workspace import Lake


@click.group(cls=Commands, **example("review draw tickets.yaml"))
def review() -> None:
    """Ask people about a sample, and measure the flags by it."""


@review.command(**example("review draw tickets.yaml -n 100"))
@takes_config(ENGINE, REMOTE)
@click.option(
    "-n", type=Number(int, 1, 2_000), default=200, metavar="N", help="How many rows (200)."
)
@click.option(
    "--unflagged",
    type=Number(float, 0, 1),
    default=0.25,
    metavar="SHARE",
    help="Share of the sample that is not flagged, to see what the flags miss (0.25).",
)
@click.option("--redraw", is_flag=True, help="Replace an earlier sample.")
def draw(asked: Asked, n: int, unflagged: float, *, redraw: bool) -> None:
    """Draw a sample, and write a page to review it on."""
    from lakewinnow import review
    from lakewinnow.lake import redaction
    from lakewinnow.terminal.review import print_sample

    with _finished_run(asked, is_drawn=False) as (lake, config):
        text = redaction.text(config.clean, config.checks)
        sample = review.draw(lake, n, unflagged, redraw=redraw, text=text)
        print_sample(sample, lake.files, asked)


@review.command(**example("review measure tickets.yaml decisions-ann.csv decisions-bo.csv"))
@takes_config(ENGINE, REMOTE, metavar="CONFIG... FILE...")
@click.option(
    "--precision",
    type=Number(float, 0.01, 0.99),
    default=0.9,
    metavar="SHARE",
    help="Find the cut-off at which this share of the flags is right (0.9).",
)
def measure(asked: Asked, precision: float) -> None:
    """Measure how right the flags are, by people's decisions.

    Give the configuration, then the files that the review page saved, one for each person.
    """
    from lakewinnow import review
    from lakewinnow.terminal.review import print_measured

    files = [path for path in asked.configs if not is_configuration(path)]
    if not files:
        hint = "`lakewinnow review draw` writes the page that saves them"
        raise ConfigError("no_decisions", "FILE...", "a file of decisions", Shown("none"), hint)
    asked = replace(asked, configs=tuple(path for path in asked.configs if path not in files))
    with _finished_run(asked, is_drawn=True) as (lake, _):
        print_measured(review.measure(lake, files, precision), lake.files, files, asked)


@contextmanager
def _finished_run(asked: Asked, *, is_drawn: bool) -> "Iterator[tuple[Lake, Config]]":
    """Give the workspace of a finished run, of which a sample may have to be drawn already."""
    from lakewinnow import review
    from lakewinnow.lake.files import Files
    from lakewinnow.lake.workspace import Lake
    from lakewinnow.pipeline.sessions import running_for

    config = asked.config()
    review.check(Files(config.workspace), is_drawn=is_drawn)
    with running_for(config, asked.remote) as spark:
        yield Lake(spark, config.workspace), config
