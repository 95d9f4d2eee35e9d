"""The tests of a comparison of rows with a reference, in the words of a table."""

from collections.abc import Mapping
from typing import Any, Final

_LEAST_P: Final = 0.001
# By kind of a test of drift: what it looks at, and what it measures.
_TESTS: Final[Mapping[str, tuple[str, str]]] = {
    "labels": ("labels", "PSI"),
    "text": ("texts: {}", "gap"),
    "classifier": ("embeddings: classifier", "AUC"),
    "distance": ("embeddings: distance", "energy distance"),
    "noise": ("label noise", "share"),
}


def test_in_words(test: Any) -> tuple[str, str, str]:
    """Say what a test of drift looks at, what it has measured, and how likely that is by chance."""
    what, measure = _TESTS[test.kind]
    p = test.adjusted_p
    return (
        what.format(test.name.replace("_", " ")),
        f"{measure} {test.effect:.3f}",
        f"{p:.3f}" if p >= _LEAST_P else f"< {_LEAST_P}",
    )
