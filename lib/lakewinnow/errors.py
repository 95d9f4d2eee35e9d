"""What can go wrong, and the exit code each kind of fault gives the command.

Every error says where, what was expected, what was got, and what to do about it. Several faults
found together (all the misspelt keys of a configuration, say) travel as one `LakewinnowError` whose
`problems` are printed one by one.
"""

import contextlib
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import ClassVar, Final, Self

from lakewinnow.masking import MASK, holds_secret, masked, masked_text
from lakewinnow.printable import one_line, printable

_PACKAGE: Final = str(Path(__file__).parent)
_MOST_SHOWN: Final = 60  # columns in a message, and characters of each


class LakewinnowError(Exception):
    """Base of every error this package raises on purpose.

    Parameters
    ----------
    code : str
        Stable, machine-readable name of the fault, e.g. ``"unknown_key"``.
    where : str
        The configuration key, column or path at fault.
    expected, got : str, object
        What would have been right, and what was there.
    hint : str
        What to do about it, in one line.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self, code: str, where: str, expected: str, got: object = None, hint: str = ""
    ) -> None:
        super().__init__(code, where, expected, got, hint)  # all in args, so that it pickles
        self.code = code
        self.where, self.hint = one_line(masked_text(where)), one_line(masked_text(hint))
        if hint:  # of an error in a worker the traceback is all that comes back
            self.add_note(f"hint: {self.hint}")
        self.also: tuple[LakewinnowError, ...] = ()

    def __str__(self) -> str:
        _, where, expected, got, _ = self.args
        if holds_secret(where):
            got = Shown(MASK)
        shown = got if isinstance(got, Shown) else repr(masked(got))
        return one_line(masked_text(f"{where}: expected {expected}, got {shown}"))

    def at(self, where: str) -> Self:
        """Return the same error about another key: the reference's, say, not the input's."""
        code, _, expected, got, hint = self.args
        moved = type(self)(code, where, expected, got, hint)
        moved.also = tuple(problem.at(where) for problem in self.also)
        return moved

    @property
    def problems(self) -> tuple["LakewinnowError", ...]:
        """Every problem found together, in the order found."""
        return (self, *self.also)

    @classmethod
    def together(cls, problems: Sequence[Self]) -> Self:
        """One error carrying all the others, so that a user sees every fault at once."""
        first, *rest = problems
        first.also = tuple(rest)
        return first

    @classmethod
    def raise_any(cls, problems: Iterable[Self]) -> None:
        """Raise all of these together, if there are some."""
        found = list(problems)
        if found:
            raise cls.together(found)


class ConfigError(LakewinnowError):
    """The configuration or the command line is wrong."""

    exit_code = 2


class SchemaError(LakewinnowError):
    """The input table lacks a column, or has it in a type that cannot be used."""

    exit_code = 3


class DataError(LakewinnowError):
    """The rows themselves cannot be worked with, or writing would destroy something."""

    exit_code = 4


class ProviderError(LakewinnowError):
    """An embedding provider is missing, refuses, or keeps failing."""

    exit_code = 5


class EngineError(LakewinnowError):
    """Java or Spark cannot be started, or a Spark job failed."""

    exit_code = 6


class BusyError(LakewinnowError):
    """Another run is at work in the workspace; to try again later is enough."""

    exit_code = 8


@contextmanager
def asking_for_pyspark() -> Iterator[None]:
    """Turn an import that fails for want of PySpark into an error that says how to get one."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyspark":
            raise
        raise EngineError(
            "no_pyspark",
            "PySpark",
            "lakewinnow[sail], which needs no Java, or lakewinnow[spark] to be installed",
            Shown("neither"),
            "pip install 'lakewinnow[sail]'",
        ) from error


class LakewinnowWarning(UserWarning):
    """What a user should know although the work goes on."""


def warn(message: str) -> None:
    """Warn, and name the line that called one of our functions."""
    level, frame = 1, sys._getframe()  # noqa: SLF001 - there is no other way before Python 3.12
    while frame.f_back and frame.f_code.co_filename.startswith((_PACKAGE, contextlib.__file__)):
        level, frame = level + 1, frame.f_back
    warnings.warn(printable(message), LakewinnowWarning, stacklevel=level)


class Shown(str):
    """Text that an error message shows as it is, without quotes."""

    __slots__ = ()


def did_you_mean(got: str, known: Sequence[str]) -> str:
    """Return ``"did you mean 'x'?"`` for the nearest known name, or an empty string."""
    near = get_close_matches(got, known, n=1) or [
        name for name in known if name.casefold() == got.casefold()
    ]
    return f"did you mean {near[0]!r}?" if near else ""


def check_columns(
    columns: Iterable[object], wanted: Iterable[tuple[str, str | None]], of: str = "table"
) -> None:
    """Make sure that columns which keys or parameters name are there; None names none.

    Raises
    ------
    SchemaError : "missing_column", for each that is not there
    """
    known = list(map(str, columns))
    shown = [name if len(name) <= _MOST_SHOWN else f"{name[:_MOST_SHOWN]}…" for name in known]
    more = f" and {len(shown) - _MOST_SHOWN} more" if len(shown) > _MOST_SHOWN else ""
    expected = f"one of the {of}'s columns ({', '.join(shown[:_MOST_SHOWN])}{more})"
    SchemaError.raise_any(
        SchemaError("missing_column", where, expected, name, did_you_mean(name, known))
        for where, name in wanted
        if name is not None and name not in known
    )


def unknown_classes(
    where: str, names: Iterable[str], classes: Sequence[str]
) -> Iterator[ConfigError]:
    """Give an error for each name that is no class; only 20 classes are listed, of thousands."""
    expected = f"names of classes ({', '.join(classes[:20])}{' …' * (len(classes) > 20)})"
    for name in sorted(set(names) - set(classes)):
        yield ConfigError("unknown_class", where, expected, name, did_you_mean(name, classes))
