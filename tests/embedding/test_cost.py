"""What embedding costs, before and while it is spent."""

import pytest

from lakewinnow.embedding.base import Limits
from lakewinnow.embedding.cost import EmbeddingCost
from lakewinnow.embedding.requests.engine import Share
from lakewinnow.errors import ConfigError, ProviderError

PRICED = Limits(usd_per_million_tokens=0.02, requests_per_minute=600, tokens_per_minute=1e6)


def test_a_bound_without_a_price_is_a_config_error():
    with pytest.raises(ConfigError) as caught:
        EmbeddingCost(Limits(usd_per_million_tokens=None), most_usd=1)
    assert caught.value.where == "embedding.openai.price_per_million_tokens"


def test_the_price_is_per_million_tokens():
    assert EmbeddingCost(PRICED).usd(5_000_000) == pytest.approx(0.1)
    assert EmbeddingCost(Limits(usd_per_million_tokens=None)).usd(10) is None
    assert EmbeddingCost(Limits()).usd(10) == 0


@pytest.mark.parametrize(("n_tokens", "spent"), [(5_000_001, 0), (1, 5_000_000)])
def test_more_than_may_be_spent_is_stopped_before(n_tokens, spent):
    with pytest.raises(ProviderError) as caught:
        EmbeddingCost(PRICED, most_usd=0.1).check(n_tokens, spent)
    assert (caught.value.code, caught.value.where) == (
        "cost_limit",
        "embedding.openai.max_cost_usd",
    )


def test_what_may_be_spent_is_let_pass():
    EmbeddingCost(PRICED, most_usd=0.1).check(5_000_000)
    EmbeddingCost(PRICED).check(10**12)


def test_tasks_share_the_rates_and_what_is_left_of_the_money():
    share = EmbeddingCost(PRICED, most_usd=0.1).share(4, spent_tokens=1_000_000)
    assert (share.requests_per_minute, share.tokens_per_minute) == (150, 250_000)
    assert share.tokens == 1_000_000
    assert EmbeddingCost(Limits()).share(4, 0) == Share()
    assert EmbeddingCost(Limits()).share(4, 0, debt_s=7.0) == Share(debt_s=7.0)


def test_the_rates_say_how_long_it_takes_at_least():
    assert EmbeddingCost(PRICED).seconds(2_000_000, 600) == pytest.approx(120)
    assert EmbeddingCost(PRICED).seconds(10, 1800) == pytest.approx(180)
    assert EmbeddingCost(Limits()).seconds(10, 10) is None


def test_the_record_has_what_was_paid_where_something_was():
    assert EmbeddingCost(Limits()).figures(10, 1) == {}
    assert EmbeddingCost(PRICED).figures(1_000_000, 3) == {
        "tokens": 1_000_000,
        "requests": 3,
        "cost_usd": 0.02,
    }
    assert EmbeddingCost(PRICED).note(1_000_000) == "1,000,000 tokens, 0.0200 USD"
