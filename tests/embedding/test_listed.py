"""Candidates: sections over the rest of their section, and errors that say which one."""

from dataclasses import replace

import pytest

from lakewinnow.config.sections import EmbeddingConfig, OpenAIConfig
from lakewinnow.embedding import listed
from lakewinnow.errors import ConfigError

BASE = EmbeddingConfig(
    dimensions=64, store="vectors", openai=OpenAIConfig(max_retries=2, timeout_s=5.0)
)


def config_of(*sections, base=BASE):
    return replace(base, candidates=sections)


def test_a_section_goes_over_the_rest_key_by_key():
    static, service = listed.sections(
        config_of({}, {"provider": "openai", "model": "m", "openai": {"timeout_s": 9}})
    )
    assert static == BASE
    assert service == replace(
        BASE,
        provider="openai",
        model="m",
        dimensions=None,  # which were those of another provider
        openai=replace(BASE.openai, timeout_s=9.0),
    )


def test_each_is_filed_under_a_name_of_its_own():
    first, second = listed.identify(config_of({}, {"dimensions": 128}))
    assert (first.dimensions, second.dimensions) == (64, 128)


@pytest.mark.parametrize(
    ("section", "code", "key"),
    [
        ({"layers": [1]}, "unknown_layers", "[1].layers"),
        ({"provider": "statik"}, "unknown_provider", "[1].provider"),
        ({"batch_size": 7}, "repeated_candidate", "[1]"),
    ],
)
def test_an_error_says_which_one(section, code, key):
    with pytest.raises(ConfigError) as caught:
        listed.identify(config_of({}, section))
    assert (caught.value.code, caught.value.where) == (code, f"embedding.candidates{key}")
