"""What a text is like in any language, counted by Arrow: no Python object for a text.

White space separates words, whatever the language; in one that writes without it, Chinese, say, a
sentence is a word, and both sides have such.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakewinnow.core.drift.histograms import COUNTS, WORD_LENGTH
from lakewinnow.core.types import FloatArray

_SPACE: Final = r"\s\p{Z}\p{Cc}"
_PATTERNS: Final[Mapping[str, str]] = {  # of RE2
    "words": rf"[^{_SPACE}]+",
    "digits": r"\p{Nd}",
    "punctuation": r"[\p{P}\p{S}]",
    "upper_case": r"\p{Lu}",
    "non_ascii": r"[^\x00-\x7f]",
}


def numbers(texts: pa.Array) -> dict[str, FloatArray]:
    """Return each text's numbers: characters, words, shares of the characters, mean word length."""
    n_characters = _as_float(pc.utf8_length(texts))
    counts = {
        name: _as_float(pc.count_substring_regex(texts, pattern=pattern))
        for name, pattern in _PATTERNS.items()
    }
    n_inked = _as_float(pc.count_substring_regex(texts, pattern=rf"[^{_SPACE}]"))
    length = np.maximum(n_characters, 1)
    found = {"characters": n_characters, "words": counts["words"]}
    found |= {name: n / length for name, n in counts.items() if name not in COUNTS}
    return found | {WORD_LENGTH: n_inked / np.maximum(counts["words"], 1)}


def _as_float(column: pa.Array) -> FloatArray:
    numbers_: FloatArray = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return numbers_
