"""The user's file of words that texts may not have."""

import hashlib
from dataclasses import dataclass
from typing import Final

from lakewinnow.errors import DataError, Shown
from lakewinnow.lake.files import content_of
from lakewinnow.text.listed_words import ListedWords

_KEY: Final = "checks.text.words"


@dataclass(frozen=True)
class WordList:
    """The words, and what is different when the file is."""

    words: ListedWords
    fingerprint: str


def read_words(path: str) -> WordList:
    """Read a file of words and phrases, one a line, in UTF-8.

    Raises
    ------
    DataError : "input_not_found", "not_text", "no_words"
    """
    content = content_of(path)
    expected = "a file of words, one per line, in UTF-8"
    if content is None:
        raise DataError(
            "input_not_found", _KEY, expected, path, "relative paths start in the current folder"
        )
    try:
        words = ListedWords.of(content.decode("utf-8-sig").splitlines())
    except UnicodeDecodeError as error:
        raise DataError("not_text", _KEY, expected, Shown(f"{path} ({error.reason})")) from error
    if not len(words):
        raise DataError("no_words", _KEY, expected, Shown(f"no word in {path}"))
    return WordList(words, hashlib.sha256(content).hexdigest())
