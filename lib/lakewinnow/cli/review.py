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
@click.option("-n", type=Number(int, 1, 2_000), metavar="N", help="How many rows (200).")
@click.option(
    "--unflagged",
    type=Number(float, 0, 1),
    metavar="SHARE",
    help="Share of the sample that is not flagged, to see what the flags miss (0.25).",
)
@click.option(
    "--improve",
    type=Number(int, 1, 2_000),
    metavar="N",
    help="Instead of a sample, the N rows that an answer helps most.",
)
@click.option("--redraw", is_flag=True, help="Replace what was drawn earlier.")
def draw(
    asked: Asked, n: int | None, unflagged: float | None, improve: int | None, *, redraw: bool
) -> None:
    """Draw a sample, or the rows that an answer helps most, and write a page to review them on."""
    from lakewinnow import review
    from lakewinnow.lake import redaction
    from lakewinnow.pipeline.catalog import has_neighbors
    from lakewinnow.terminal.review import print_queue, print_sample

    if improve is not None and (n, unflagged) != (None, None):
        got = "-n" if unflagged is None else "--unflagged"
        hint = "they are of a sample, which measures the flags"
        raise ConfigError("options_exclude", "--improve", "no -n and no --unflagged", got, hint)
    with _finished_run(asked, is_drawn=False) as (lake, config):
        sources = review.Sources(
            redaction.text(config.clean, config.checks),
            config.opinion_kinds,
            has_neighbors=has_neighbors(config),
        )
        if improve is not None:
            queue = review.draw_queue(lake, improve, config.checks.sets, sources, redraw=redraw)
            print_queue(queue, lake.files, asked)
        else:
            share = 0.25 if unflagged is None else unflagged
            sample = review.draw(lake, n or 200, share, sources, redraw=redraw)
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
