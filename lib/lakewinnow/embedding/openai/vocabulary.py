"""Tokens of OpenAI's models, counted by tiktoken where its vocabulary is at hand.

tiktoken downloads a vocabulary on first use, and waits for the network as long as that takes. So it
is asked only when the file is in its cache, whole: see TIKTOKEN_CACHE_DIR in tiktoken's manual.
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tiktoken import Encoding

_MODELS: Final = ("text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002")
_ENCODING: Final = "cl100k_base"  # of all three
_URL: Final = f"https://openaipublic.blob.core.windows.net/encodings/{_ENCODING}.tiktoken"
_SHA256: Final = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"


class Vocabulary:
    """Counts and cuts as a model does, or says that it cannot."""

    def __init__(self, model: str) -> None:
        self._model = model

    def count(self, texts: Sequence[str]) -> list[int] | None:
        """Return the number of tokens of each text; None where they cannot be counted."""
        if self._encoding is None:
            return None
        return [len(self._encoding.encode_ordinary(text)) for text in texts]

    def split(self, text: str, n_tokens: int) -> list[str] | None:
        """Return the text in pieces of at most `n_tokens` tokens, cut at white space if any."""
        if self._encoding is None:
            return None
        pieces, rest = [], text
        while rest:
            tokens = self._encoding.encode_ordinary(rest)
            head = rest
            if len(tokens) > n_tokens:
                # A token may end within a character, which then belongs to the next piece.
                whole = self._encoding.decode_bytes(tokens[:n_tokens]).decode(errors="ignore")
                cut = max(whole.rfind(" "), whole.rfind("\n"))
                head = (whole[:cut] if cut > len(whole) // 2 else whole) or rest[0]
            pieces.append(head)
            rest = rest[len(head) :]
        return pieces

    @cached_property
    def _encoding(self) -> "Encoding | None":
        if self._model not in _MODELS or not _is_at_hand():
            return None
        try:
            import tiktoken
        except ModuleNotFoundError:
            return None
        return tiktoken.get_encoding(_ENCODING)


def _is_at_hand() -> bool:
    """Whether tiktoken would find the vocabulary in its cache, and not be put off by it."""
    named = (os.environ.get(name) for name in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"))
    default = str(Path(tempfile.gettempdir(), "data-gym-cache"))
    folder = next((name for name in named if name is not None), default)
    file = Path(folder, hashlib.sha1(_URL.encode()).hexdigest())  # noqa: S324 - as tiktoken does
    if not folder or not file.is_file():
        return False
    return hashlib.sha256(file.read_bytes()).hexdigest() == _SHA256
