"""The texts of a chunk, as batches answer them line by line."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lakewinnow.embedding.base import RefusedInput
from lakewinnow.embedding.openai.batch_file import Line, LineAnswer, line_id
from lakewinnow.embedding.openai.service import ServiceEmbedder
from lakewinnow.embedding.requests.outcomes import (
    SECOND_LOOKS,
    EmbeddedTexts,
    LongTexts,
    Outcomes,
    Piece,
    well_formed,
)

_AT_ONCE: Final = 1024  # vectors returned


@dataclass
class Chunk:
    """Texts that batches are to answer, and those that are still waited for."""

    embedder: ServiceEmbedder
    long_texts: LongTexts
    texts: InitVar[Sequence[str]]
    # by the id of their line, the pieces that are waited for; equal ones are sent once
    waiting: dict[str, list[Piece]] = field(default_factory=dict)

    def __post_init__(self, texts: Sequence[str]) -> None:
        self.outcomes = Outcomes(self.embedder, self.long_texts)
        self._looks: dict[str, int] = {}
        self._pieces: list[Piece] = []  # answered, and not returned yet
        self._vectors: list[NDArray[np.float32]] = []
        self._wait_for(self.outcomes.cut(texts))

    def line(self, id_: str) -> Line:
        """Return the line of a text that is waited for."""
        piece = self.waiting[id_][0]
        return Line(id_, piece.text, piece.n_tokens)

    def take(self, answer: LineAnswer, *, is_asked: bool) -> Iterator[EmbeddedTexts]:
        """Take an answer; return vectors when there are many.

        Parameters
        ----------
        is_asked : whether the batch said how many dimensions are wanted
        """
        if answer.id not in self.waiting:
            return  # of a text that is not asked for, or was answered by another batch
        if isinstance(answer.failure, RefusedInput):
            for piece in self.waiting.pop(answer.id):
                self._wait_for(self.outcomes.replace(piece, answer.failure))
        elif answer.body is not None:
            self._keep(answer, is_asked=is_asked)
        if len(self._pieces) >= _AT_ONCE:
            yield from self.embedded()

    def embedded(self) -> Iterator[EmbeddedTexts]:
        """Return the vectors that were taken and not returned yet."""
        if self._pieces:
            pieces, vectors = self._pieces, np.stack(self._vectors)
            self._pieces, self._vectors = [], []
            yield from self.outcomes.keep(pieces, vectors)[0]

    def _wait_for(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            self.waiting.setdefault(line_id(piece.text), []).append(piece)

    def _keep(self, answer: LineAnswer, *, is_asked: bool) -> None:
        vectors = self.embedder.answered(answer.body or {}, 1, is_asked=is_asked)
        [vector] = well_formed(self.embedder, vectors, 1)
        if np.isfinite(vector).all():
            pieces = self.waiting.pop(answer.id)
            self._pieces += pieces
            self._vectors += [vector] * len(pieces)
            return
        self._looks[answer.id] = self._looks.get(answer.id, 0) + 1
        if self._looks[answer.id] > SECOND_LOOKS:
            for piece in self.waiting.pop(answer.id):
                self.outcomes.refuse_not_finite(piece)
