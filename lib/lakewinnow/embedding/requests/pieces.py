"""Texts cut to what a model takes, packed into requests, and put together again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lakewinnow.embedding.base import Embedder

LongTexts = Literal["truncate", "split-mean", "quarantine"]

_UNIT: Final = 1e-3  # how far from 1 the length of a vector may be that is meant to have it
_COUNTED_TOGETHER: Final = 1024


@dataclass(frozen=True)
class Piece:
    """What is embedded: a text, its beginning, or a part of it."""

    position: int  # of the text
    text: str
    n_tokens: int


def cut_texts(
    embedder: Embedder, texts: Sequence[str], long_texts: LongTexts
) -> Iterator[list[Piece]]:
    """Return each text as pieces that the model takes: one, or more, or none where it is too long.

    ``truncate`` keeps the beginning; ``split-mean`` all of it, in several pieces; ``quarantine``
    nothing.
    """
    limit = embedder.limits.tokens_per_input
    for start in range(0, len(texts), _COUNTED_TOGETHER):
        some = texts[start : start + _COUNTED_TOGETHER]
        for i, n_tokens in enumerate(embedder.count_tokens(some)):
            whole = Piece(start + i, some[i], n_tokens)
            if limit is None or n_tokens <= limit:
                yield [whole]
            else:
                yield cut(embedder, whole, limit, long_texts)


def cut(embedder: Embedder, piece: Piece, limit: int, long_texts: LongTexts) -> list[Piece]:
    """Return a piece cut to `limit` tokens: no piece where nothing is left of it."""
    if long_texts == "quarantine" or limit < 1:
        return []
    texts = [text for text in embedder.split(piece.text, limit) if text.strip()]
    if long_texts == "truncate":
        texts = texts[:1]
    counts = embedder.count_tokens(texts)
    return [
        Piece(piece.position, text, n_tokens) for text, n_tokens in zip(texts, counts, strict=True)
    ]


def pack(pieces: Iterable[Piece], n_inputs: int, n_tokens: float) -> Iterator[list[Piece]]:
    """Return runs of pieces within both limits; a piece of more tokens has a run of its own."""
    packed: list[Piece] = []
    room = n_tokens
    for piece in pieces:
        if packed and (len(packed) == n_inputs or piece.n_tokens > room):
            yield packed
            packed, room = [], n_tokens
        packed.append(piece)
        room -= piece.n_tokens
    if packed:
        yield packed


class Means:
    """Vectors of texts that were split, as their pieces' vectors come in, in any order.

    A text's vector is the mean of its pieces' vectors, weighted by their tokens, and of unit length
    where theirs are.
    """

    def __init__(self) -> None:
        self._parts: dict[int, _Parts] = {}

    def __contains__(self, position: int) -> bool:
        return position in self._parts

    def expect(self, pieces: Sequence[Piece]) -> None:
        """Wait for these pieces, too, of a text."""
        self._parts.setdefault(pieces[0].position, _Parts()).missing += len(pieces)

    def add(self, piece: Piece, vector: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Take a piece's vector; return the text's where it was the last."""
        parts = self._parts[piece.position]
        weight = max(1, piece.n_tokens)
        parts.total = parts.total + weight * vector.astype(np.float64)
        parts.weight += weight
        parts.are_units &= abs(float(np.linalg.norm(vector)) - 1) < _UNIT
        self.forgo(piece)
        if parts.missing or parts.is_spoilt:
            return None
        length = float(np.linalg.norm(parts.total)) if parts.are_units else parts.weight
        return np.asarray(parts.total / (length or 1), dtype=np.float32)

    def forgo(self, piece: Piece) -> None:
        """Wait for this piece no more."""
        parts = self._parts[piece.position]
        parts.missing -= 1
        if not parts.missing:
            del self._parts[piece.position]

    def spoil(self, piece: Piece) -> bool:
        """Wait for this piece no more, and return no vector for its text; return if that is new."""
        parts = self._parts[piece.position]
        was_spoilt, parts.is_spoilt = parts.is_spoilt, True
        self.forgo(piece)
        return not was_spoilt


@dataclass
class _Parts:
    missing: int = 0
    total: NDArray[np.float64] | float = 0.0
    weight: int = 0
    are_units: bool = True
    is_spoilt: bool = False
