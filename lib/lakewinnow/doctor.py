"""`lakewinnow doctor`: what a run needs, whether it is here, and what to do where it is not."""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec

from rich.console import Console
from rich.text import Text

from lakewinnow.config import EmbeddingConfig
from lakewinnow.errors import EngineError, LakewinnowError
from lakewinnow.spark import java
from lakewinnow.spark.session import session, stop

Check = tuple[str, Callable[[], str]]


def examine() -> int:
    """Print one line a check; return 0, or the exit code of EngineError when one fails."""
    out = Console(highlight=False)
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
    out.print("\nAll is here." if healthy else "\nSomething is missing: see above.")
    return 0 if healthy else EngineError.exit_code


def _checks() -> Iterator[Check]:
    yield "python", lambda: f"{platform.python_version()} at {sys.executable}"
    yield "packages", _packages
    yield "java", _java
    yield "memory", _memory
    yield "scratch", _scratch
    yield "static", _static
    yield "transformers", _transformers
    yield "spark", _spark


def _packages() -> str:
    names = ("pyspark", "pyarrow", "pandas", "numpy", "scikit-learn", "model2vec", "wordllama")
    return ", ".join(f"{name} {version(name)}" for name in names)


def _java() -> str:
    found = java.find()
    return f"Java {found.version} from {found.source}: {found.executable}"


def _memory() -> str:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{total:.0f} GiB, {os.cpu_count()} cores"


def _scratch() -> str:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")
    return f"{tempfile.gettempdir()} can be written"


def _static() -> str:
    from lakewinnow.embedding.local.static import StaticEmbedder

    n_vectors, dimensions = StaticEmbedder(EmbeddingConfig()).embed(["Is it all here?"]).shape
    return f"embeds {n_vectors} text in {dimensions} dimensions without a download"


def _transformers() -> str:
    if find_spec("sentence_transformers") is None:
        return "not installed; for embedding.provider sentence-transformers, install that extra"
    from lakewinnow.embedding.local.sentence_transformers import device

    return f"sentence-transformers {version('sentence-transformers')}, on {device()}"


def _spark() -> str:
    started = time.monotonic()
    spark = session("lakewinnow doctor")
    try:
        n_rows = spark.range(10).count()
        seconds = time.monotonic() - started
        return f"Spark {spark.version} counted {n_rows} rows, {seconds:.1f} s after its start began"
    finally:
        stop(spark)
