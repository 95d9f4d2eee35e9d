"""What fine-tuning costs, and that nothing is spent that was not allowed."""

import pytest

from lakewinnow.config.sections import FinetuneConfig
from lakewinnow.errors import ConfigError, ProviderError
from lakewinnow.finetuning.openai.prices import Prices


def prices(*, is_openai=True, **settings):
    return Prices.of(
        FinetuneConfig(model="gpt-4.1-nano-2025-04-14", **settings), is_openai=is_openai
    )


def test_list_prices_are_openai_s_and_the_configured_ones_win():
    assert prices().usd(1_000_000, 1_000_000, 1_000_000) == pytest.approx(1.5 + 0.2 + 0.8)
    assert prices(price_per_million_tokens=4.0).usd(500_000, 0, 0) == 2.0
    assert prices(price_per_million_asked=1.0).usd(0, 500_000, 500_000) == 1.0
    assert prices(is_openai=False).usd(1, 1, 1) is None
    own = prices(is_openai=False, price_per_million_tokens=0.0, price_per_million_asked=0.0)
    assert own.usd(10**9, 10**9, 10**9) == 0.0


@pytest.mark.parametrize(
    ("settings", "error", "code", "where"),
    [
        ({}, ConfigError, "max_cost_missing", "finetune.max_cost_usd"),
        ({"max_cost_usd": 1.0}, ProviderError, "cost_limit", "finetune.max_cost_usd"),
        (
            {"max_cost_usd": 9.0, "is_openai": False},
            ConfigError,
            "price_unknown",
            "finetune.price_per_million_tokens",
        ),
        (
            {"max_cost_usd": 9.0, "is_openai": False, "price_per_million_tokens": 0.0},
            ConfigError,
            "price_unknown",
            "finetune.price_per_million_asked",
        ),
    ],
)
def test_nothing_is_spent_that_was_not_allowed(settings, error, code, where):
    with pytest.raises(error) as caught:
        prices(**settings).check(1_000_000, 0, 0)
    assert (caught.value.code, caught.value.where) == (code, where)


def test_what_is_allowed_may_be_spent():
    prices(max_cost_usd=1.5).check(1_000_000, 0, 0)
