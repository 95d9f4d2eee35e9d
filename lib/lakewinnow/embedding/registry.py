"""Which provider turns texts into vectors, and what its vectors are filed under.

Another package adds one by declaring an entry point of the group ``lakewinnow.embedders``. Only the
provider that is asked for is imported.
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from lakewinnow.config.sections import HALF, EmbeddingConfig, EmbeddingIdentity
from lakewinnow.embedding.base import Embedder
from lakewinnow.errors import ConfigError, ProviderError, did_you_mean

_GROUP = "lakewinnow.embedders"
# Not declared as entry points: a zip on the path (spark-submit --py-files) has none.
_OWN = {
    "static": "lakewinnow.embedding.local.static:StaticEmbedder",
    "sentence-transformers": "lakewinnow.embedding.local.sentence_transformers:TransformerEmbedder",
    "openai": "lakewinnow.embedding.openai.embedder:OpenAIEmbedder",
}
_WITHOUT_LAYERS = {"static", "openai"}


def identify(config: EmbeddingConfig) -> EmbeddingIdentity:
    """Return what the configured embedding's vectors are filed under."""
    embedder = load(config)
    model = embedder.model
    if config.long_texts == "split-mean" and embedder.limits.tokens_per_input is not None:
        model += "+split-mean"
    if config.precision == "float16":
        model += HALF
    return EmbeddingIdentity(embedder.name, model, embedder.dimensions)


def load(config: EmbeddingConfig) -> Embedder:
    """Make the configured embedder; its model is loaded when it is first used.

    Raises
    ------
    ConfigError : there is no such provider, or it does not have the model, or not in these
        dimensions
    ProviderError : the provider's package or model is not installed
    """
    points = _entry_points()
    if config.provider not in points:
        expected, hint = " | ".join(points), did_you_mean(config.provider, list(points))
        raise ConfigError("unknown_provider", "embedding.provider", expected, config.provider, hint)
    if config.layers != "final" and config.provider in _WITHOUT_LAYERS:
        expected = f"final, as {config.provider} has no others"
        hint = "only embedding.provider sentence-transformers has hidden layers"
        raise ConfigError("unknown_layers", "embedding.layers", expected, list(config.layers), hint)
    try:
        make = points[config.provider].load()
    except (ImportError, AttributeError) as error:
        missing = error.name if isinstance(error, ImportError) else None
        package = (missing or points[config.provider].value).partition(".")[0]
        where, expected = "embedding.provider", f"what {config.provider} needs to be installed"
        got, hint = str(error), f"pip install {package}"
        raise ProviderError("provider_missing", where, expected, got, hint) from error
    embedder = make(config)
    if not isinstance(embedder, Embedder):
        expected, got = (
            "a subclass or factory of lakewinnow.embedding.base.Embedder",
            type(embedder).__name__,
        )
        hint = f"{points[config.provider].value} is registered in the group {_GROUP}"
        raise ProviderError("not_an_embedder", "embedding.provider", expected, got, hint)
    return embedder


@cache
def _entry_points() -> dict[str, EntryPoint]:
    own = {name: EntryPoint(name, value, _GROUP) for name, value in _OWN.items()}
    return own | {point.name: point for point in entry_points(group=_GROUP)}
