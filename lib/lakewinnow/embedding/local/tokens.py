"""Texts counted and cut by a model's own tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_CHARACTERS_PER_TOKEN: Final = 16  # more than any prose has; bounds what is cut for one piece


@dataclass(frozen=True)
class Tokens:
    """Counts tokens, and cuts a text into pieces of at most so many."""

    tokenizer: "Tokenizer"  # of this object alone: it is told to truncate and pad nothing
    # whether the tokens that the model puts around every text count, [CLS] and [SEP], say
    special: bool
    prompt: str = ""  # what the model puts before every text
    max_characters: int | None = None  # that the model looks at

    def __post_init__(self) -> None:
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has."""
        prompted = [self.prompt + text for text in texts]
        cut = self.tokenizer.encode_batch_fast(prompted, add_special_tokens=self.special)
        return list(map(len, cut))

    def split(self, text: str, n_tokens: int) -> list[str]:
        """Return the text in pieces of at most `n_tokens` tokens, cut between words if it can be.

        A piece has one token at least, so it may have more than `n_tokens` where these do not even
        hold what is put around it.
        """
        pieces, rest = [], text
        while rest:
            piece = self._first(rest, n_tokens)
            pieces.append(piece)
            rest = rest[len(piece) :]
        return pieces

    def _first(self, text: str, n_tokens: int) -> str:
        head = text[: min(n_tokens * _CHARACTERS_PER_TOKEN, self.max_characters or len(text))]
        # A piece alone may be cut into other tokens than within the text, so it is counted again.
        while len(head) > 1 and (end := self._end(head, n_tokens)) is not None:
            head = head[: _between_words(head, max(1, min(end, len(head) - 1)))]
        return head

    def _end(self, text: str, n_tokens: int) -> int | None:
        """Return where the last token ends that there is room for; None, where there is for all."""
        cut = self.tokenizer.encode(self.prompt + text, add_special_tokens=self.special)
        if len(cut) <= n_tokens:
            return None
        spans = zip(cut.offsets, cut.special_tokens_mask, strict=True)
        ends = [end - len(self.prompt) for (_, end), is_special in spans if not is_special]
        n_kept = n_tokens - (len(cut) - len(ends))
        return ends[n_kept - 1] if n_kept > 0 else 1


def _between_words(text: str, end: int) -> int:
    """Return `end`, or where the word begins that it would cut, if that is not too far back."""
    if text[end].isspace():
        return end
    space = max(text.rfind(" ", 0, end), text.rfind("\n", 0, end))
    return space + 1 if space > end // 2 else end
