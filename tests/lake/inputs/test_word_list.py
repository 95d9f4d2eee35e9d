"""A file of words: what is read from it, and what is wrong with it."""

import pytest

from lakewinnow.errors import DataError
from lakewinnow.lake.inputs.word_list import read_words


def test_words_are_read_and_another_content_is_told_from_it(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("\ufeffdarn\r\nson of a gun\n", encoding="utf-8")
    found = read_words(str(path))
    assert found.words.count("Darn, son of a gun") == 2
    path.write_text("darn\n", encoding="utf-8")
    assert read_words(str(path)).fingerprint != found.fingerprint


def test_a_list_without_words_is_an_error(tmp_path):
    with pytest.raises(DataError) as caught:
        read_words(str(tmp_path / "none.txt"))
    assert caught.value.code == "input_not_found"
    (tmp_path / "empty.txt").write_text("# none yet\n\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_words(str(tmp_path / "empty.txt"))
    assert (caught.value.code, caught.value.where) == ("no_words", "checks.text.words")
    (tmp_path / "latin").write_bytes("café".encode("latin-1"))
    with pytest.raises(DataError) as caught:
        read_words(str(tmp_path / "latin"))
    assert caught.value.code == "not_text"
