"""What fine-tuning costs, and what it may cost.

Prices are in USD per million tokens. Tokens are counted as `lake.training.examples.n_tokens` does,
more than a service bills, until the service has told its own count.
"""

from dataclasses import dataclass
from typing import Final

from lakewinnow.config.sections import FinetuneConfig
from lakewinnow.errors import ConfigError, ProviderError, Shown

_MOST: Final = "finetune.max_cost_usd"
_LIST: Final = {  # training, prompts, answers: list prices as last seen; the configuration's win
    "gpt-4.1-2025-04-14": (25.0, 3.0, 12.0),
    "gpt-4.1-mini-2025-04-14": (5.0, 0.8, 3.2),
    "gpt-4.1-nano-2025-04-14": (1.5, 0.2, 0.8),
    "gpt-4o-2024-08-06": (25.0, 3.75, 15.0),
    "gpt-4o-mini-2024-07-18": (3.0, 0.3, 1.2),
    "gpt-3.5-turbo-0125": (8.0, 3.0, 6.0),
}


@dataclass(frozen=True)
class Prices:
    """Prices, and a bound."""

    # USD per million tokens; None where it is not known
    training: float | None
    prompts: float | None
    answers: float | None
    most_usd: float | None = None  # that a run may spend

    @classmethod
    def of(cls, config: FinetuneConfig, *, is_openai: bool) -> "Prices":
        """Return the configured prices, else those of OpenAI's list."""
        nothing = (None, None, None)
        training, prompts, answers = _LIST.get(str(config.model), nothing) if is_openai else nothing
        if config.price_per_million_tokens is not None:
            training = config.price_per_million_tokens
        if config.price_per_million_asked is not None:
            prompts = answers = config.price_per_million_asked
        return cls(training, prompts, answers, config.max_cost_usd)

    def usd(self, n_trained: int, n_prompt: int, n_answer: int) -> float | None:
        """Return what so many tokens cost; None where a price is not known."""
        if self.training is None or self.prompts is None or self.answers is None:
            return None
        return (n_trained * self.training + n_prompt * self.prompts + n_answer * self.answers) / 1e6

    def check(self, n_trained: int, n_prompt: int, n_answer: int) -> None:
        """Stop before anything is begun that may not be paid for.

        Raises
        ------
        ConfigError : "max_cost_missing", "price_unknown"
        ProviderError : "cost_limit"
        """
        usd = self.usd(n_trained, n_prompt, n_answer)
        if self.most_usd is None:
            about = "" if usd is None else f" (this would cost about {usd:.2f})"
            expected = f"the most that may be spent, in USD{about}"
            hint = "`lakewinnow plan` says what it may cost; nothing is spent without this key"
            raise ConfigError("max_cost_missing", _MOST, expected, None, hint)
        if usd is None:
            where = "finetune.price_per_million_tokens"
            if self.training is not None:
                where = "finetune.price_per_million_asked"
            expected = f"a price, as {_MOST} is set"
            hint = "use 0 for your own server"
            raise ConfigError("price_unknown", where, expected, None, hint)
        if usd > self.most_usd:
            expected = f"models for at most {self.most_usd:g} USD"
            hint = "raise it, or lower finetune.max_train_rows, epochs, seeds or variants"
            raise ProviderError("cost_limit", _MOST, expected, Shown(f"about {usd:.4g} USD"), hint)
