"""What asking a language model costs: a price for prompts, another for answers."""

import math
from dataclasses import dataclass
from typing import Final

from lakewinnow.config.sections import LLMConfig

_BATCH: Final = 0.5  # of the price
_LIST: Final = {  # USD per million tokens of prompts, of answers: OpenAI's list as last seen
    "gpt-4.1": (2.0, 8.0),
    "gpt-4.1-mini": (0.4, 1.6),
    "gpt-4.1-nano": (0.1, 0.4),
    "gpt-4o": (2.5, 10.0),
    "gpt-4o-mini": (0.15, 0.6),
    "gpt-5": (1.25, 10.0),
    "gpt-5-mini": (0.25, 2.0),
    "gpt-5-nano": (0.05, 0.4),
}
_DATED: Final = "-20"  # begins the date in the name of a version


@dataclass(frozen=True)
class Prices:
    """USD per million tokens; None where it is not known."""

    prompts: float | None
    answers: float | None

    @classmethod
    def of(cls, config: LLMConfig, *, is_openai: bool) -> "Prices":
        """Return the configured prices, else those of OpenAI's list."""
        name = str(config.model).partition(_DATED)[0]
        listed = _LIST.get(name, (None, None)) if is_openai else (None, None)
        discount = _BATCH if config.mode == "batch" else 1.0
        prompts, answers = (None if price is None else price * discount for price in listed)
        if config.input_price_per_million_tokens is not None:
            prompts = config.input_price_per_million_tokens
        if config.output_price_per_million_tokens is not None:
            answers = config.output_price_per_million_tokens
        return cls(prompts, answers)

    @property
    def unit(self) -> float | None:
        """USD of a million tokens as `units` counts them; None where a price is not known."""
        if self.prompts is None or self.answers is None:
            return None
        return self.prompts or self.answers

    def units(self, n_prompt: int, n_answer: int) -> int:
        """Return both tokens as so many of a price: a prompt's, unless that is 0."""
        if not self.unit or self.prompts is None or self.answers is None:
            return n_prompt + n_answer
        if not self.prompts:
            return n_answer
        return n_prompt + math.ceil(n_answer * self.answers / self.prompts)

    def usd(self, n_prompt: int, n_answer: int) -> float | None:
        """Return what so many tokens cost; None where a price is not known."""
        if self.prompts is None or self.answers is None:
            return None
        return (n_prompt * self.prompts + n_answer * self.answers) / 1e6
