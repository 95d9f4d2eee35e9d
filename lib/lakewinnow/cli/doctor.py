"""`lakewinnow doctor`: what a run needs, whether it is here, and what to do where it is not."""

import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec

import pyspark
from rich.text import Text

from lakewinnow.config.sections import EmbeddingConfig
from lakewinnow.errors import EngineError, LakewinnowError
from lakewinnow.plan.words import counted
from lakewinnow.spark.sail import embedded
from lakewinnow.spark.sessions import java
from lakewinnow.spark.sessions.engines import engine_of
from lakewinnow.spark.sessions.machine import memory_bytes, usable_cores
from lakewinnow.spark.sessions.session import running
from lakewinnow.terminal.console import Console

Check = tuple[str, Callable[[], str]]


def examine() -> int:
    """Print one line a check; return 0, or the exit code of EngineError when one fails."""
    out = Console()
    healthy = True
    for name, check in _checks():
        try:
            found, mark, style, hint = check(), "✓", "green", ""
        except LakewinnowError as error:
            found, mark, style, hint = str(error), "✗", "red", error.hint
        except Exception as error:  # noqa: BLE001 - whatever is wrong is what was asked for
            found, mark, style, hint = f"{type(error).__name__}: {error}", "✗", "red", ""
        healthy = healthy and mark == "✓"
        out.print(Text.assemble((mark, style), f" {name:<12} {found}"), soft_wrap=True)
        if hint:
            out.print(f"  hint: {hint}", soft_wrap=True)
    out.print(
        "\nEverything a run needs is here." if healthy else "\nSomething is missing; see above."
    )
    return 0 if healthy else EngineError.exit_code


def _checks() -> Iterator[Check]:
    yield "python", lambda: f"{platform.python_version()} at {sys.executable}"
    yield "packages", _packages
    yield "sail", _sail
    yield "java", _java
    yield "memory", _memory
    yield "scratch", _scratch
    yield "static", _static
    yield "transformers", _transformers
    yield "engine", _engine


def _packages() -> str:
    names = ("pyarrow", "pandas", "numpy", "scikit-learn", "model2vec", "wordllama")
    found = (f"{name} {version(name)}" for name in names)
    return ", ".join([f"pyspark {pyspark.__version__}", *found])


def _sail() -> str:
    why_not = embedded.why_not()
    return f"pysail {version('pysail')}" if why_not is None else f"not used: {why_not}"


def _java() -> str:
    try:
        found = java.find()
    except EngineError as error:
        if embedded.why_not() is not None:
            raise
        return f"none that Spark {pyspark.__version__} runs on, and none needed: {error}"
    return f"Java {found.version} from {found.source}: {found.executable}"


def _memory() -> str:
    return f"{memory_bytes() / 2**30:.0f} GiB, {counted(usable_cores(), 'core')}"


def _scratch() -> str:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")
    return f"{tempfile.gettempdir()} can be written"


def _static() -> str:
    from lakewinnow.embedding.local.static import StaticEmbedder

    n_vectors, dimensions = StaticEmbedder(EmbeddingConfig()).embed(["Is everything here?"]).shape
    return f"embeds {n_vectors} text in {dimensions} dimensions without a download"


def _transformers() -> str:
    if find_spec("sentence_transformers") is None:
        return "not installed; for embedding.provider sentence-transformers, install that extra"
    from lakewinnow.embedding.local.sentence_transformers import device

    return f"sentence-transformers {version('sentence-transformers')}, on {device()}"


def _engine() -> str:
    started = time.monotonic()
    with running() as spark:
        n_rows = spark.range(10).count()
        seconds = time.monotonic() - started
        return f"{engine_of(spark)} counted {n_rows} rows, {seconds:.1f} s after its start began"
