"""The user's own rules: any function of a text that gives a number, named by its import path."""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from lakewinnow.errors import ConfigError, EngineError, Shown
from lakewinnow.text.document import Document

_TRIED = "Hello, this is a text."


@dataclass(frozen=True)
class OwnMeasure:
    """A function by its import path, which executors import for themselves."""

    path: str  # mypackage.rules.too_shouty
    where: str  # the configuration key that names it

    def check(self) -> None:
        """See whether it can be imported, and gives a number for a text.

        Raises
        ------
        ConfigError : "not_importable", "rule_failed"
        """
        try:
            _imported(self.path)
        except (ImportError, AttributeError, ValueError) as error:
            expected = "the name of a rule, or the import path of a function"
            hint = f"{type(error).__name__}: {error}"
            raise ConfigError("not_importable", self.where, expected, self.path, hint) from error
        try:
            self(Document(_TRIED))
        except EngineError as error:
            code, where, expected, got, _ = error.args
            raise ConfigError(code, where, expected, got, f"tried with {_TRIED!r}") from error

    def __call__(self, document: Document) -> float:
        """Return what the function gives; None is NaN, a text that cannot be judged.

        Raises
        ------
        EngineError : "rule_failed", with what the function said
        """
        try:
            value = _imported(self.path)(document.text)
            number = math.nan if value is None else float(value)
        except Exception as error:
            said = Shown(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
            raise self._failed(said) from error
        if math.isinf(number):
            raise self._failed(Shown(str(number)))
        return number

    def _failed(self, got: Shown) -> EngineError:
        expected = f"a number from {self.path}(text)"
        return EngineError("rule_failed", self.where, expected, got)


@cache
def _imported(path: str) -> Callable[[str], Any]:
    module, _, name = path.rpartition(".")
    function: Callable[[str], Any] = getattr(importlib.import_module(module), name)
    return function
