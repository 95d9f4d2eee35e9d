"""What embedding costs, and what it may cost.

Prices are per million tokens. Tokens are the provider's own count where it gives one, else those of
`Embedder.count_tokens`.
"""

from dataclasses import dataclass
from typing import Any

from lakewinnow.embedding.base import EMBEDDING, Keys, Limits
from lakewinnow.embedding.requests.engine import Share
from lakewinnow.errors import ConfigError, ProviderError, Shown
from lakewinnow.plan.words import counted


@dataclass(frozen=True)
class EmbeddingCost:
    """A price and a bound.

    Raises
    ------
    ConfigError : "price_unknown": spending is bounded, but what a token costs is not known
    """

    limits: Limits
    most_usd: float | None = None  # what a run may spend
    keys: Keys = EMBEDDING

    def __post_init__(self) -> None:
        if self.most_usd is not None and self.limits.usd_per_million_tokens is None:
            where, expected = self.keys.price, f"a price, as {self.keys.max_cost} is set"
            hint = f"--set {where}=0.02, for example; 0 for a server of your own"
            raise ConfigError("price_unknown", where, expected, None, hint)

    def usd(self, n_tokens: int) -> float | None:
        """Return what so many tokens cost; None where the price is not known."""
        price = self.limits.usd_per_million_tokens
        return None if price is None else price * n_tokens / 1e6

    def check(self, n_tokens: int, spent_tokens: int = 0) -> None:
        """Stop before more is asked for than may be spent.

        Raises
        ------
        ProviderError : "cost_limit"
        """
        usd = self.usd(spent_tokens + n_tokens)
        if self.most_usd is None or usd is None or usd <= self.most_usd:
            return
        of_which = f", {self.usd(spent_tokens):.2f} of it spent" if spent_tokens else ""
        expected = f"texts to embed for at most {self.most_usd:g} USD"
        got = Shown(
            f"about {usd:.4g} USD for {counted(spent_tokens + n_tokens, 'token')}{of_which}"
        )
        hint = "raise it, or embed with provider static; what is already in the store is kept"
        raise ProviderError("cost_limit", self.keys.max_cost, expected, got, hint)

    def share(self, n_tasks: int, spent_tokens: int, debt_s: float = 0.0) -> Share:
        """Return what one of `n_tasks` tasks at once may use of the rates and of the money left.

        Parameters
        ----------
        debt_s : the highest of the tasks before; see `Pace.debt`
        """
        price, left = self.limits.usd_per_million_tokens, None
        if self.most_usd is not None and price:
            left = int(self.most_usd / price * 1e6 - spent_tokens) // n_tasks
        requests, tokens = self.limits.requests_per_minute, self.limits.tokens_per_minute
        return Share(
            requests_per_minute=requests and requests / n_tasks,
            tokens_per_minute=tokens and tokens / n_tasks,
            tokens=left,
            debt_s=debt_s,
        )

    def seconds(self, n_tokens: int, n_requests: int) -> float | None:
        """Return the least time that the rates allow; None where there are none."""
        requests, tokens = self.limits.requests_per_minute, self.limits.tokens_per_minute
        minutes = [n_requests / requests] if requests else []
        minutes += [n_tokens / tokens] if tokens else []
        return 60 * max(minutes) if minutes else None

    def note(self, n_tokens: int) -> str:
        """Return what was used so far in words; nothing of a provider that counts nothing."""
        if self.limits.usd_per_million_tokens == 0:
            return ""
        usd = self.usd(n_tokens)
        return counted(n_tokens, "token") + ("" if usd is None else f", {usd:.4f} USD")

    def figures(self, n_tokens: int, n_requests: int) -> dict[str, Any]:
        """Return what was used, for the record; nothing of a provider that counts nothing."""
        if self.limits.usd_per_million_tokens == 0:
            return {}
        usd = self.usd(n_tokens)
        cost = {} if usd is None else {"cost_usd": round(usd, 6)}
        return {"tokens": n_tokens, "requests": n_requests, **cost}
