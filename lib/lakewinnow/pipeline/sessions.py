"""The session that a configuration asks for."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from lakewinnow.config.sections import Config
from lakewinnow.lake.inputs.source import input_bytes
from lakewinnow.spark.sessions.session import running, session


def session_for(config: Config) -> SparkSession:
    """Return the session there is, else one of the engine that the configuration names."""
    return session(
        engine=config.engine,
        input_bytes=input_bytes(config.input),
        wide_rows=config.input.has_wide_rows,
    )


@contextmanager
def running_for(config: Config, remote: str | None) -> Iterator[SparkSession]:
    """Give what `session_for` does, and stop it at the end if it was started for this."""
    with running(
        engine=config.engine,
        remote=remote,
        input_bytes=input_bytes(config.input),
        wide_rows=config.input.has_wide_rows,
    ) as spark:
        yield spark
