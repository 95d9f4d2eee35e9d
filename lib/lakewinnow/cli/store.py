"""The commands `store stats`, `store verify` and `store compact`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from lakewinnow.cli.options import ENGINE, REMOTE, Asked, Commands, example, takes_config
from lakewinnow.errors import DataError
from lakewinnow.plan.words import counted

if TYPE_CHECKING:
    from lakewinnow.lake.vectors.embedding_store import EmbeddingStore


@click.group(cls=Commands, **example("store stats tickets.yaml"))
def store() -> None:
    """Look after the embedding store, which runs may share."""


@store.command(**example("store stats tickets.yaml"))
@takes_config(ENGINE, REMOTE)
def stats(asked: Asked) -> None:
    """Count the texts in the store, by model."""
    with _store_of(asked) as store:
        _print_contents(store)


@store.command(**example("store verify tickets.yaml"))
@takes_config(ENGINE, REMOTE)
def verify(asked: Asked) -> int:
    """Check every row of the store.

    The exit code is 4 if a row is faulty.
    """
    from lakewinnow.lake.vectors import store_care
    from lakewinnow.terminal.embeddings import print_faults

    with _store_of(asked) as store:
        faults = store_care.verify(store)
        print_faults(store, faults)
    return DataError.exit_code if faults else 0


@store.command(**example("store compact tickets.yaml"))
@takes_config(ENGINE, REMOTE)
def compact(asked: Asked) -> None:
    """Rewrite the store as few files, with each text once."""
    from lakewinnow.lake.vectors import store_care

    with _store_of(asked) as store:
        before, after = store_care.compact(store)
        click.echo(f"The store had {counted(before, 'file')} and has {after:,} now.")
        _print_contents(store)


def _print_contents(store: "EmbeddingStore") -> None:
    from lakewinnow.lake.vectors import store_care
    from lakewinnow.terminal.embeddings import print_contents

    print_contents(store, store_care.stats(store))


@contextmanager
def _store_of(asked: Asked) -> "Iterator[EmbeddingStore]":
    from lakewinnow.lake.vectors.embedding_store import named_store
    from lakewinnow.pipeline.sessions import running_for

    config = asked.config()
    with running_for(config, asked.remote) as spark:
        yield named_store(spark, config)
