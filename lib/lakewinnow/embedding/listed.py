"""The embeddings that `embedding.candidates` lists, of which a run uses the one that fits best."""

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeVar

from lakewinnow.config.sections import EmbeddingConfig, EmbeddingIdentity
from lakewinnow.config.values import check_types
from lakewinnow.embedding import registry
from lakewinnow.errors import ConfigError, LakewinnowError, Shown
from lakewinnow.typed_json import key_of

KEY: Final = "embedding.candidates"
_OF_PROVIDER: Final = ("model", "dimensions", "layers", "options")

_TAKES_ANY: Final = ("static", "sentence-transformers")  # text that is not too long
_LEAST_USD: Final = 1e-9  # what is left to spend is never 0, which would be no bound
Section = TypeVar("Section")


def sections(config: EmbeddingConfig) -> tuple[EmbeddingConfig, ...]:
    """Return the section of each candidate: what the list says of it, over the rest of `config`.

    What is of a provider (model, dimensions, layers, options) is not another provider's.
    """
    rest = replace(config, candidates=())
    default = EmbeddingConfig()
    of_another = replace(rest, **{name: getattr(default, name) for name in _OF_PROVIDER})
    return tuple(
        _over(rest if said.get("provider") in (None, rest.provider) else of_another, said)
        for said in config.candidates
    )


def chosen(config: EmbeddingConfig, i: int, spent_usd: float) -> EmbeddingConfig:
    """Return the section of a candidate; what comparing them has cost it may no longer spend."""
    section: EmbeddingConfig = sections(config)[i]
    most = section.openai.max_cost_usd
    if most is None:
        return section
    left = max(most - spent_usd, _LEAST_USD)
    return replace(section, openai=replace(section.openai, max_cost_usd=left))


def may_refuse(config: EmbeddingConfig) -> bool:
    """Whether a text may be left without a vector, and its row go to quarantine/."""
    return any(
        section.provider not in _TAKES_ANY or section.long_texts == "quarantine"
        for section in sections(config) or (config,)
    )


def identify(config: EmbeddingConfig) -> list[EmbeddingIdentity]:
    """Return what the vectors of each candidate are filed under.

    Raises
    ------
    ConfigError, ProviderError : as `registry.identify`, at the candidate's key:
        embedding.candidates[1].layers; "repeated_candidate": two have the same vectors
    """
    found: list[EmbeddingIdentity] = []
    for i, section in enumerate(sections(config)):
        try:
            identity = registry.identify(section)
        except LakewinnowError as error:
            raise at(error, i) from error
        if identity in found:
            same = Shown(f"the vectors of {KEY}[{found.index(identity)}]")
            raise ConfigError("repeated_candidate", f"{KEY}[{i}]", "another embedding", same)
        found.append(identity)
    return found


def at(error: LakewinnowError, i: int) -> LakewinnowError:
    """Return the same error about a candidate, where it is about the embedding."""
    return error.at(re.sub(r"^embedding\b", f"{KEY}[{i}]", error.where))


def _over(section: Section, said: Mapping[str, Any]) -> Section:
    """Lay plain values over a section, which they are known to fit; inner sections likewise."""
    values = check_types(type(section), said, "", [])
    changed = {}
    for f in fields(section):  # type: ignore[arg-type]
        if key_of(f) not in said:
            continue
        own, value = getattr(section, f.name), getattr(values, f.name)
        changed[f.name] = _over(own, said[key_of(f)] or {}) if is_dataclass(own) else value
    return replace(section, **changed)  # type: ignore[type-var]
