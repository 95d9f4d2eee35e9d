"""An archive of what Spark's Java has loaded and compiled, so that the next one starts sooner.

The sample took 53 s of CPU on Java 17, and 45 s with an archive of its classes; on Java 25, whose
archive knows as well what is worth compiling, 56 s and 40 s. A Java that makes one takes a minute
more to end, holding its terminal, so that no user's run does that: after the first one that has
started local Spark, a process of its own runs the sample, at the lowest priority.

Nothing depends on it: where there is no archive, or one that does not fit, Java starts without.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyspark

from lakewinnow.spark.sessions.java import Java

VARIABLE: Final = "LAKEWINNOW_JAVA_ARCHIVE"  # off; or, of the Java that makes one, its file
_OFF: Final = "off"
_KNOWS_WHAT_TO_COMPILE: Final = 25  # since this Java
_QUIET: Final = ("-Xlog:disable", "-Xlog:all=error:stderr")  # of an archive that does not fit
_MOST: Final = 3  # of 200 MiB each: of that many environments
_LEAST_FREE: Final = 2 * 2**30
_RETRY_S: Final = 24 * 3600.0
_TIMEOUT_S: Final = 1800

# What it runs: enough of Spark, in a session like any other's.
_SAMPLE: Final = """
import sys
from lakewinnow import load_config, run
from lakewinnow.spark.sessions.session import session, stop
spark = session(engine="spark")
run(load_config("quickstart", overrides=["workspace=" + sys.argv[1]]), spark)
stop(spark)
"""


def options(java: Java, jvm_options: Sequence[str]) -> tuple[str, ...]:
    """Return the options by which Java uses the archive made for it, or makes one.

    Parameters
    ----------
    jvm_options : others that it starts with; an archive is of the same ones
    """
    asked = os.environ.get(VARIABLE, "")
    if asked == _OFF:
        return ()
    knows = java.version >= _KNOWS_WHAT_TO_COMPILE
    if asked:
        return ("-XX:AOTCacheOutput=" if knows else "-XX:ArchiveClassesAtExit=") + asked, *_QUIET
    path = path_of(java, jvm_options)
    if path is None or not path.is_file():
        return ()
    return ("-XX:AOTCache=" if knows else "-XX:SharedArchiveFile=") + str(path), *_QUIET


def path_of(java: Java, jvm_options: Sequence[str]) -> Path | None:
    """Return where the archive for this Java, this Spark and these options is; None: nowhere."""
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # nobody knows where home is
        return None
    spark = (pyspark.__version__, str(Path(pyspark.__file__).resolve()))
    is_of = (str(java.executable.resolve()), java.build, *spark, *jvm_options)
    return (
        cache / "lakewinnow" / "java" / hashlib.sha256("\0".join(is_of).encode()).hexdigest()[:16]
    )


def make_later(java: Java, jvm_options: Sequence[str]) -> bool:
    """Start a process that makes the archive, unless it is there or being made; return whether."""
    path = path_of(java, jvm_options)
    if os.environ.get(VARIABLE) or path is None or path.is_file():
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(path.parent).free < _LEAST_FREE or not _claim(path):
            return False
        subprocess.Popen(  # noqa: S603 - this Python, this module
            [sys.executable, "-m", __name__, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # it outlives the terminal
        )
    except OSError:
        return False
    return True


def _claim(path: Path) -> bool:
    """Claim that this process has the archive made; a claim that came to nothing lasts a day."""
    claim = path.with_suffix(".claim")
    with contextlib.suppress(FileNotFoundError):
        if time.time() - claim.stat().st_mtime > _RETRY_S:
            claim.unlink()
    try:
        claim.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def make(path: Path, command: Sequence[str]) -> None:
    """Make an archive by running a command that starts Java with `options`, and put it in place.

    Parameters
    ----------
    command : it gets a folder that is there for as long as it runs
    """
    with _new_file(path) as new, tempfile.TemporaryDirectory(prefix="lakewinnow-") as folder:
        done = subprocess.run(  # noqa: S603 - as above
            [*command, folder],
            env={**os.environ, VARIABLE: str(new), "SPARK_DRIVER_MEMORY": "1g"},
            stdin=subprocess.DEVNULL,
            capture_output=True,  # ends when Java does, which is after the command
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode == 0 and new.is_file() and new.stat().st_size:
            new.replace(path)
            path.with_suffix(".claim").unlink(missing_ok=True)
            _delete_oldest(path.parent)


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """Give a place beside another; what is left there is deleted."""
    new = path.with_suffix(f".{os.getpid()}")
    try:
        yield new
    finally:
        for left in new.parent.glob(f"{new.name}*"):  # Java has further files
            left.unlink(missing_ok=True)


def _delete_oldest(folder: Path) -> None:
    archives = sorted(
        (path for path in folder.iterdir() if not path.suffix),
        key=lambda path: path.stat().st_mtime,
    )
    for path in archives[:-_MOST]:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    os.nice(19)
    make(Path(sys.argv[1]), [sys.executable, "-c", _SAMPLE])
