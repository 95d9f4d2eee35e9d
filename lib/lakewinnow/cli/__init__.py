"""The command `lakewinnow`: arguments in, exit codes out; what it does is elsewhere."""

import logging
import re
import sys
import traceback
from collections.abc import Sequence
from typing import Final

from lakewinnow import errors
from lakewinnow.cli.parser import STAGE_COMMANDS, parser
from lakewinnow.errors import EngineError, LakewinnowError, asking_for_pyspark
from lakewinnow.terminal import interrupts

__all__ = ["STAGE_COMMANDS", "main"]

INTERRUPTED: Final = 130
# Of a Python worker's stack, or below what py4j says first: "An error occurred while calling o9.".
_RAISED: Final = r"^(?:: )?(?:[\w.]+\.)?(\w+(?:Error|Exception)): (.*)$"
# What is said of a process of Spark's that is no more; of its Java by py4j alone.
_WORKER_LOST: Final = "Python worker exited unexpectedly"
_MEMORY: Final = (
    "the system may have ended it for want of memory (see dmesg): fewer cores take less"
    " (taskset -c 0 lakewinnow …); the same command goes on at this stage"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    _log_to_stderr()
    debug = "--debug" in (sys.argv if arguments is None else arguments)
    try:
        options = parser().parse_args(arguments)
        with interrupts.noted(), asking_for_pyspark():
            return int(options.command(options))
    except LakewinnowError as error:
        if debug:
            traceback.print_exc()
        for problem in error.problems:
            print(f"lakewinnow: error: {problem}", file=sys.stderr)
            print(
                f"hint: {problem.hint or 'see `lakewinnow --help` and the README'}", file=sys.stderr
            )
        return error.exit_code
    except KeyboardInterrupt:
        print("lakewinnow: interrupted; run the same command again to go on", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort of a command: one line, not a stack
        if debug:
            traceback.print_exc()
        lost = _lost(error)
        kind, line = (EngineError, lost) if lost else _last_line(error)
        hint = _MEMORY if lost else "run again with --debug for the traceback"
        print(f"lakewinnow: error: {line}\nhint: {hint}", file=sys.stderr)
        return kind.exit_code


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    # On Ctrl-C py4j logs the stack of the call it was in, and does so as the root logger itself.
    handler.addFilter(lambda record: record.name != "root")
    logging.basicConfig(format="%(message)s", handlers=[handler])


def _lost(error: Exception) -> str | None:
    """Return which process of Spark's has ended before its time, if that is what has happened."""
    if _WORKER_LOST in str(error):
        return "Spark: expected tasks that end, got one whose Python process was killed or crashed"
    frames = traceback.extract_tb(error.__traceback__)
    is_of_network = isinstance(error, ConnectionError) or "Py4JNetwork" in type(error).__name__
    if is_of_network and any("py4j" in frame.filename for frame in frames):
        return "Spark: expected its Java process to live, got no answer: it was killed or crashed"
    return None


def _last_line(error: Exception) -> tuple[type[LakewinnowError], str]:
    """Return what happened in one line: of a Spark job, what its Python worker raised."""
    raised = re.findall(_RAISED, str(error), re.MULTILINE)
    for name, message in reversed(raised):
        ours = getattr(errors, name, None)
        if ours is not None:
            return ours, message
    if raised:
        name, message = raised[-1]
        return EngineError, f"{name}: {message}"
    lines = str(error).strip().splitlines()
    return EngineError, f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
