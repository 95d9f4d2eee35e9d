"""Texts cut to what a model takes, and what became of them: vectors, or why there is none."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lakewinnow.embedding.base import Embedder, RefusedInput
from lakewinnow.errors import ProviderError, Shown

LongTexts = Literal["truncate", "split-mean", "quarantine"]

_UNIT: Final = 1e-3  # how far from 1 the length of a vector may be that is meant to have it
_COUNTED_TOGETHER: Final = 1024

FloatMatrix = NDArray[np.float32]

SECOND_LOOKS: Final = 2  # at a piece that no finite vector came for: each is paid for
_TOO_MANY: Final = 16  # texts refused before any was embedded: it is not the texts


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


@dataclass(frozen=True)
class EmbeddedTexts:
    """Vectors of some texts."""

    positions: NDArray[np.int64]  # ndarray of int, shape (n,), in the texts that were given
    vectors: FloatMatrix  # ndarray of float32, shape (n, dimensions), finite


@dataclass(frozen=True)
class RefusedText:
    """A text that has no vector, and why."""

    position: int  # in the texts that were given
    code: str  # "embedding_refused", "text_too_long_for_model" or "embedding_not_finite"
    reason: str  # one line, without the text


class Outcomes:
    """Turns what becomes of pieces into what becomes of texts."""

    def __init__(self, embedder: Embedder, long_texts: LongTexts) -> None:
        self._embedder = embedder
        self._long_texts: LongTexts = long_texts
        self._means = Means()
        self._refused: list[RefusedText] = []  # and not taken yet
        self._doubtful: list[RefusedText] = []  # by a provider that has not embedded any text yet
        self._has_embedded = False

    def cut(self, texts: Sequence[str]) -> Iterator[Piece]:
        """Return the texts as pieces to embed."""
        for position, pieces in enumerate(cut_texts(self._embedder, texts, self._long_texts)):
            if len(pieces) > 1:
                self._means.expect(pieces)
            if not pieces:
                limit = self._embedder.limits.tokens_per_input
                reason = f"more than {limit} tokens"
                self._refused.append(RefusedText(position, "text_too_long_for_model", reason))
            yield from pieces

    def keep(
        self, pieces: list[Piece], vectors: FloatMatrix
    ) -> tuple[list[EmbeddedTexts], list[Piece]]:
        """Return the texts whose vectors are now there, and the pieces that have none.

        Parameters
        ----------
        vectors : ndarray of shape (n_pieces, dimensions), not finite where there is none
        """
        is_finite = np.isfinite(vectors).all(axis=1)
        self._has_embedded |= bool(is_finite.any())
        is_part = np.array([piece.position in self._means for piece in pieces])
        positions = np.array([piece.position for piece in pieces], dtype=np.int64)
        is_whole = is_finite & ~is_part
        embedded = [EmbeddedTexts(positions[is_whole], vectors[is_whole])] if is_whole.any() else []
        for i in np.flatnonzero(is_finite & is_part):
            mean = self._means.add(pieces[i], vectors[i])
            if mean is not None:
                embedded.append(EmbeddedTexts(positions[i : i + 1], mean[np.newaxis]))
        return embedded, [pieces[i] for i in np.flatnonzero(~is_finite)]

    def refuse(self, piece: Piece, code: str, reason: str) -> None:
        """Give up the text of a piece.

        Raises
        ------
        ProviderError : "all_refused": and so were too many before, and no text was embedded
        """
        if piece.position not in self._means or self._means.spoil(piece):
            self._doubtful.append(RefusedText(piece.position, code, reason))
        if len(self._doubtful) >= _TOO_MANY and not self._has_embedded:
            where = self._embedder.keys.provider
            expected = f"an answer for at least one of the first {_TOO_MANY} texts"
            hint = "the likely cause is the model or its settings, not the texts"
            raise ProviderError("all_refused", where, expected, Shown(reason), hint)

    def refuse_not_finite(self, piece: Piece) -> None:
        """Give up the text of a piece that was looked at often enough; raises as `refuse`."""
        reason = f"no finite vector came back in {SECOND_LOOKS + 1} tries"
        self.refuse(piece, "embedding_not_finite", reason)

    def replace(self, piece: Piece, refusal: RefusedInput) -> list[Piece]:
        """Return what to send in place of a refused piece: shorter ones, or nothing."""
        if not refusal.too_long:
            self.refuse(piece, "embedding_refused", refusal.reason)
            return []
        shorter = cut(self._embedder, piece, piece.n_tokens // 2, self._long_texts)
        if not shorter:
            self.refuse(piece, "text_too_long_for_model", refusal.reason)
        elif piece.position in self._means:
            self._means.expect(shorter)
            self._means.forgo(piece)
        elif len(shorter) > 1:
            self._means.expect(shorter)
        return shorter

    def take_refused(self, *, is_end: bool = False) -> list[RefusedText]:
        """Return the refused texts that were not returned before.

        Parameters
        ----------
        is_end : whether no more texts come: so few refusals say nothing against the provider
        """
        if self._has_embedded or is_end:
            self._refused += self._doubtful
            self._doubtful = []
        taken, self._refused = self._refused, []
        return taken


def well_formed(embedder: Embedder, answer: FloatMatrix, n_texts: int) -> FloatMatrix:
    """Return an answer with a row a text: NaN, where it has another number of rows.

    Raises
    ------
    ProviderError : "wrong_dimensions": asking again would only be paid for again
    """
    vectors = np.asarray(answer, dtype=np.float32)
    if vectors.shape == (n_texts, embedder.dimensions):
        return vectors
    if vectors.ndim == 2 and len(vectors) == n_texts:
        expected = f"vectors of {embedder.dimensions} dimensions from {embedder.model}"
        got = vectors.shape[1]
        hint = f"set embedding.dimensions: {vectors.shape[1]}, or another embedding.model"
        raise ProviderError("wrong_dimensions", "embedding.dimensions", expected, got, hint)
    return np.full((n_texts, embedder.dimensions), np.nan, dtype=np.float32)
