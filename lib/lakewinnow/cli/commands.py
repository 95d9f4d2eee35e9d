"""What each command does: load the configuration, have it done, print what came of it."""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lakewinnow.errors import ConfigError, DataError, ProviderError

if TYPE_CHECKING:  # heavy imports, which `--help` and errors do without
    from pyspark.sql import SparkSession

    from lakewinnow.config.sections import Config
    from lakewinnow.terminal.progress import Progress

_SMALL_BYTES: Final = 64 * 2**20


def _config(options: argparse.Namespace) -> "Config":
    """Load the configuration that the command line describes."""
    from lakewinnow.config.file import load_config

    if getattr(options, "engine", None) is not None:
        options.set = [*options.set, f"engine={options.engine}"]
    return load_config(*options.config, overrides=options.set)


@contextmanager
def _watched_session(
    options: argparse.Namespace, config: "Config"
) -> "Iterator[tuple[SparkSession, Progress]]":
    """Give a session, and who follows it on stderr."""
    from lakewinnow.pipeline.sessions import running_for
    from lakewinnow.terminal.progress import progress

    with progress(quiet=options.quiet) as observer:
        observer.started("session")
        with running_for(config, options.remote) as spark:
            observer.watch(spark)
            yield spark, observer


def _begin_session(options: argparse.Namespace, config: "Config") -> None:
    """Have the engine start while this process imports what works with it, if it is a small run.

    A large run's engine may be another one, which depends on its size, and does not notice.
    """
    from lakewinnow.spark.sessions.session import begin

    path = Path(config.input.path or "")
    if options.remote is None and path.is_file() and path.stat().st_size <= _SMALL_BYTES:
        begin(engine=config.engine)


def run(options: argparse.Namespace) -> int:
    """Run stages, and print what they found."""
    config = _config(options)
    _begin_session(options, config)
    from lakewinnow import pipeline
    from lakewinnow.lake.inputs import noise_models
    from lakewinnow.terminal.embeddings import print_candidates
    from lakewinnow.terminal.result import print_summary

    if options.wants_export and config.export.format is None:
        choices = "openai-chat | prompt-completion | huggingface"
        hint = "--set export.format=openai-chat, say"
        raise ConfigError("no_format", "export.format", choices, None, hint)
    path = options.noise_model
    noise_model = None if path is None else noise_models.read(path, "--noise-model")
    pipeline.check(config)
    with _watched_session(options, config) as (spark, observer):
        result = pipeline.run(
            config,
            spark,
            until=options.until,
            restart=options.restart,
            observer=observer,
            noise_model=noise_model,
        )
    if options.until == ("candidates",) and "candidates" in result.summary:
        print_candidates(result.summary["candidates"])
    if not options.until:
        print_summary(result, options.config, options.set)
    return 0


def embed(options: argparse.Namespace) -> int:
    """Embed; or say what that would cost, or cancel what is under way."""
    if options.cancel_batches:
        return cancel_batches(options)
    if not options.dry_run:
        return run(options)
    from lakewinnow import pipeline
    from lakewinnow.terminal.embeddings import print_candidate_estimates, print_estimate

    config = _config(options)
    pipeline.check(config)
    with _watched_session(options, config) as (spark, observer):
        how = {"restart": options.restart, "observer": observer}
        if config.embedding.candidates:
            print_candidate_estimates(pipeline.estimate_candidates(config, spark, **how))
        else:
            print_estimate(pipeline.estimate_embedding(config, spark, **how))
    return 0


def finetune(options: argparse.Namespace) -> int:
    """Fine-tune, and print how the models compare."""
    from lakewinnow import pipeline
    from lakewinnow.terminal.comparison import print_finetuned
    from lakewinnow.terminal.finetuning import print_estimate

    if options.provider is not None:
        options.set = [*options.set, f"finetune.provider={options.provider}"]
    config = _config(options)
    if options.cancel:
        n = pipeline.cancel_finetuning(config)
        print(f"{n:,} jobs are being cancelled; what they have done by now may be paid for")
        return 0
    pipeline.check(config, "finetune")
    if options.dry_run:
        with _watched_session(options, config) as (spark, observer):
            estimate = pipeline.estimate_finetuning(
                config, spark, restart=options.restart, observer=observer
            )
        print_estimate(estimate)
        return 0
    with _watched_session(options, config) as (spark, observer):
        result = pipeline.run(
            config,
            spark,
            until=("report", "finetune"),
            restart=options.restart,
            observer=observer,
        )
    print_finetuned(result.summary)
    return ProviderError.exit_code if result.summary["finetuning"]["failed"] else 0


def cancel_batches(options: argparse.Namespace) -> int:
    """Have batches that are under way cancelled."""
    from lakewinnow import pipeline

    n = pipeline.cancel_batches(_config(options))
    print(f"{n:,} batches are being cancelled; what they have done by now is kept for the next run")
    return 0


def store(options: argparse.Namespace) -> int:
    """Look after the embedding store."""
    from lakewinnow.lake.vectors import store_care
    from lakewinnow.lake.vectors.embedding_store import named_store
    from lakewinnow.pipeline.sessions import running_for
    from lakewinnow.terminal import embeddings

    config = _config(options)
    with running_for(config, options.remote) as spark:
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


def top(options: argparse.Namespace) -> int:
    """Print the worst label issues."""
    from lakewinnow.terminal.result import print_top

    if options.n < 1:
        raise ConfigError("out_of_range", "-n", "a whole number at least 1", options.n)
    print_top(_config(options).workspace, options.n)
    return 0


def review(options: argparse.Namespace) -> int:
    """Draw a sample for people; or measure the flags by what they decided."""
    from lakewinnow import review
    from lakewinnow.lake import redaction
    from lakewinnow.lake.files import Files
    from lakewinnow.lake.workspace import Lake
    from lakewinnow.pipeline.sessions import running_for
    from lakewinnow.terminal.review import print_measured, print_sample

    if not 1 <= options.n <= review.MAX_ROWS:
        expected = f"a whole number from 1 to {review.MAX_ROWS:,}"
        raise ConfigError("out_of_range", "-n", expected, options.n)
    if not 0 <= options.unflagged <= 1:
        raise ConfigError("out_of_range", "--unflagged", "from 0 to 1", options.unflagged)
    if not 0 < options.precision < 1:
        raise ConfigError("out_of_range", "--precision", "above 0, below 1", options.precision)
    config = _config(options)
    review.check(Files(config.workspace), is_drawn=options.decisions is not None)
    with running_for(config, options.remote) as spark:
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


def diff(options: argparse.Namespace) -> int:
    """Print what changed from one run to another."""
    from lakewinnow.review.diff import diff
    from lakewinnow.spark.sessions.session import running
    from lakewinnow.terminal.diff import print_diff

    if options.n < 0:
        raise ConfigError("out_of_range", "-n", "a whole number at least 0", options.n)
    with running(engine=options.engine or "auto", remote=options.remote) as spark:
        found = diff(options.first, options.second, spark)
        print_diff(found, options.n)
        if options.rows is not None:
            found.table.write.mode("overwrite").parquet(options.rows)
    if options.json is not None:
        Path(options.json).write_text(json.dumps(found.figures(), indent=2, ensure_ascii=False))
    return 0


def merge_noise_models(options: argparse.Namespace) -> int:
    """Add up noise models."""
    from lakewinnow.lake.inputs import noise_models

    merged = noise_models.merge_noise_models(options.models)
    noise_models.write(merged, options.output)
    print(f"{options.output}: {merged.n_rows:,} rows, {len(merged.classes):,} classes")
    return 0


def init(options: argparse.Namespace) -> int:
    """Write a configuration for a table."""
    from lakewinnow.cli import init as starter

    print(starter.write(options.path, options.output))
    return 0


def doctor(_: argparse.Namespace) -> int:
    """Say what is missing on this machine."""
    from lakewinnow.cli import doctor

    return int(doctor.examine())
