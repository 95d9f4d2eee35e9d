"""The command `lakewinnow`: arguments in, exit codes out; what it does is elsewhere.

The way in is `main`; `commands` lists what can be typed.
"""

import logging
import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import Final

import click

from lakewinnow import errors
from lakewinnow.cli.commands import lakewinnow
from lakewinnow.errors import (
    ConfigError,
    EngineError,
    LakewinnowError,
    Shown,
    asking_for_pyspark,
    did_you_mean,
)
from lakewinnow.printable import one_line, printable
from lakewinnow.terminal import interrupts

__all__ = ["exit_code_of", "main"]

COMPLETION: Final = "_LAKEWINNOW_COMPLETE"  # the environment variable of the shells' scripts
INTERRUPTED: Final = 130
# Of a Python worker's stack, or below what py4j says first: "An error occurred while calling o9.".
_HINT: Final = re.compile(r"^hint: (.+)$", re.MULTILINE)  # of an error of ours
_RAISED: Final = r"^(?:: )?(?:[\w.]+\.)?(\w+(?:Error|Exception)): (.*)$"
_RESUMES: Final = "the same command resumes at this stage"
_LESS: Final = "fewer cores need less (taskset -c 0 lakewinnow …)"
# What is said of a process of Spark's that is no more; of its Java by py4j alone.
_WORKER_LOST: Final = "Python worker exited unexpectedly"
_MAY_BE_MEMORY: Final = f"it may have run out of memory (see dmesg); {_LESS}; {_RESUMES}"
# As Python, Arrow, C++ and Java say it
_NO_MEMORY: Final = re.compile(
    r"MemoryError\b|Cannot allocate memory|std::bad_alloc|java\.lang\.OutOfMemoryError"
)
_NO_ROOM: Final = re.compile(r"No space left on device|Disk quota exceeded", re.IGNORECASE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; raise `SystemExit` with the exit code if it is not 0.

    A Databricks job fails by what is raised, whatever is returned, and by ``SystemExit(0)`` too.
    """
    exit_code = exit_code_of(sys.argv[1:] if arguments is None else arguments)
    if exit_code:
        sys.exit(exit_code)


def exit_code_of(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    _log_to_stderr()
    debug = "--debug" in arguments
    try:
        with interrupts.remembered(), asking_for_pyspark():
            return _run([argument for argument in arguments if argument != "--debug"])
    except LakewinnowError as error:
        if debug:
            traceback.print_exc()
        for problem in error.problems:
            print(f"lakewinnow: error: {problem}", file=sys.stderr)
            hint = problem.hint or "see `lakewinnow --help` and `lakewinnow guide`"
            print(f"hint: {hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("lakewinnow: interrupted; run the same command again to resume", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort of a command: one line, not a stack
        if debug:
            traceback.print_exc()
        exit_code, line, hint = _in_plain_words(error) or _last_line(error)
        print(f"lakewinnow: error: {one_line(line)}\nhint: {hint}", file=sys.stderr)
        return exit_code


def _run(arguments: list[str]) -> int:
    """Run the command without click's own way of ending: it takes Ctrl-C for an error."""
    asked = os.environ.get(COMPLETION)
    if asked is not None:
        from click.shell_completion import shell_complete

        return shell_complete(lakewinnow, {}, "lakewinnow", COMPLETION, asked)
    try:
        with lakewinnow.make_context("lakewinnow", arguments) as context:
            return lakewinnow.invoke(context) or 0
    except click.exceptions.Exit as done:  # --help, --version
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.UsageError as error:
        raise _usage(error) from None


def _usage(error: click.UsageError) -> ConfigError:
    """Return an error of the command line in this project's form."""
    context = error.ctx or click.Context(lakewinnow, info_name="lakewinnow")
    at = context.command_path
    where, expected, got = "command line", f"what `{at} --help` lists", error.format_message()
    hint = f"see `{at} --help`"
    if isinstance(error, click.exceptions.NoSuchCommand):
        known = list(getattr(context.command, "commands", ()))
        expected, got = f"a command of {at}", repr(error.command_name)
        hint = did_you_mean(error.command_name, known) or f"one of {', '.join(known)}"
        from lakewinnow.pipeline.catalog import STAGES

        if error.command_name in {stage.name for stage in STAGES}:
            hint = f"`lakewinnow run CONFIG --until {error.command_name}`"
    elif isinstance(error, click.NoSuchOption):
        expected, got = f"an option of {at}", repr(error.option_name)
        hint = did_you_mean(error.option_name, error.possibilities or []) or hint
    elif isinstance(error, click.MissingParameter) and error.param is not None:
        expected, got = error.param.make_metavar(context), "nothing"
    elif isinstance(error, click.BadOptionUsage):
        where, expected, got = error.option_name, "a value", "nothing"
    return ConfigError("usage", where, expected, Shown(got), hint)


class _PrintableFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    # On Ctrl-C py4j logs the stack of the call it was in, and does so as the root logger itself.
    handler.addFilter(lambda record: record.name != "root")
    handler.setFormatter(_PrintableFormatter("%(message)s"))
    logging.basicConfig(handlers=[handler])


def _in_plain_words(error: Exception) -> tuple[int, str, str] | None:
    """Return exit code, line and hint where a machine lacks something, or a process has ended."""
    said = f"{type(error).__name__}: {_whole(error)}"
    frames = traceback.extract_tb(error.__traceback__)
    is_of_network = isinstance(error, ConnectionError) or "Py4JNetwork" in type(error).__name__
    if found := _NO_ROOM.search(said):
        where = getattr(error, "filename", None) or "the disk of the workspace, or of the engine"
        line = f"{where}: expected room for what is written, got none ({found[0]})"
        hint = f"make room, or choose another place: --set workspace=…; {_RESUMES}"
    elif found := _NO_MEMORY.search(said):
        line = f"memory: expected as much as a task takes, got less ({found[0]})"
        hint = f"{_LESS}; {_RESUMES}"
    elif _WORKER_LOST in said:
        got = "one whose Python process was killed or crashed"
        line, hint = f"Spark: expected tasks that finish, got {got}", _MAY_BE_MEMORY
    elif is_of_network and any("py4j" in frame.filename for frame in frames):
        got = "none: it was killed or crashed"
        line, hint = f"Spark: expected an answer from its Java process, got {got}", _MAY_BE_MEMORY
    else:
        return None
    return EngineError.exit_code, line, hint


def _whole(error: BaseException | None) -> str:
    """Return what an error says, and what those say that led to it: PySpark has its own way."""
    said = []
    while error is not None:
        said.append(str(error))
        error = getattr(error, "_cause", None) or error.__cause__
    return "\n".join(said)


def _last_line(error: Exception) -> tuple[int, str, str]:
    """Return exit code, line and hint: of a Spark job, by what its Python worker raised."""
    whole = _whole(error)
    said = _HINT.search(whole)
    hint = said[1] if said else "run again with --debug for the traceback"
    raised = re.findall(_RAISED, whole, re.MULTILINE)
    for name, message in reversed(raised):
        ours = getattr(errors, name, None)
        if ours is not None:
            return ours.exit_code, message, hint
    if raised:
        name, message = raised[-1]
        return EngineError.exit_code, f"{name}: {message}", hint
    lines = str(error).strip().splitlines()
    line = f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
    return EngineError.exit_code, line, hint
