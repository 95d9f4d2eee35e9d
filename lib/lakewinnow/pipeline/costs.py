"""What would be paid for, said beforehand; and taking back what a service was asked.

An estimate runs the stages before what it estimates, and asks no service.
"""

from typing import TYPE_CHECKING

from pyspark.sql import SparkSession

from lakewinnow.config.sections import Config
from lakewinnow.embedding import candidates as listed_embeddings
from lakewinnow.errors import ConfigError
from lakewinnow.lake.files import Files
from lakewinnow.lake.run import HOLDOUT, Run
from lakewinnow.lake.workspace import Lake
from lakewinnow.pipeline import candidates
from lakewinnow.pipeline.inputs import open_inputs
from lakewinnow.pipeline.observer import Observer
from lakewinnow.pipeline.running import check, run
from lakewinnow.pipeline.sessions import session_for
from lakewinnow.pipeline.steps import as_embedded
from lakewinnow.stages import embed

if TYPE_CHECKING:  # services' clients take long to import
    from lakewinnow.stages.finetune import Estimate


def estimate_embedding(
    config: Config,
    spark: SparkSession | None = None,
    *,
    restart: bool = False,
    observer: Observer | None = None,
) -> embed.Estimate:
    """Say what embedding would take and cost; runs what comes before it, and asks nobody.

    Raises
    ------
    LakewinnowError : as `run`. "nothing_to_embed" where the input brings its own vectors or
        probabilities.
    """
    lake = _ready_to_embed(config, spark, restart=restart, observer=observer)
    return embed.estimate(lake, config.embedding)


def estimate_candidates(
    config: Config,
    spark: SparkSession | None = None,
    *,
    restart: bool = False,
    observer: Observer | None = None,
) -> list[tuple[embed.Estimate, embed.Estimate]]:
    """Say, for each of `embedding.candidates`, what its sample and what the corpus would take.

    Raises
    ------
    LakewinnowError : as `estimate_embedding`
    """
    lake = _ready_to_embed(config, spark, restart=restart, observer=observer)
    return candidates.estimate(lake, config)


def estimate_finetuning(
    config: Config,
    spark: SparkSession | None = None,
    *,
    restart: bool = False,
    observer: Observer | None = None,
) -> "Estimate":
    """Say what a service would take for fine-tuning; runs what comes before, and asks nobody.

    Raises
    ------
    LakewinnowError : as `run`. "nothing_to_pay" where models are trained here.
    """
    if config.finetune.provider == "local":
        where, expected = "finetune.provider", "openai, which costs something"
        raise ConfigError("nothing_to_pay", where, expected, "local")
    from lakewinnow.stages import finetune

    check(config, "finetune")
    run(config, spark, until="evaluate", restart=restart, observer=observer)
    lake = Lake(spark or session_for(config), config.workspace)
    this = Run(lake=lake, config=config, inputs=open_inputs(lake.spark, config))
    trusted = Lake(lake.spark, lake.files.path(HOLDOUT))
    return finetune.estimate(
        lake, as_embedded(this), trusted=trusted, reference=this.inputs.reference
    )


def cancel_finetuning(config: Config) -> int:
    """Have the jobs of a workspace that are under way cancelled; return how many there were."""
    from lakewinnow.stages import finetune

    return finetune.cancel(config, Files(config.workspace))


def cancel_batches(config: Config) -> int:
    """Have OpenAI's batches of a workspace that are under way cancelled; return how many."""
    from lakewinnow.stages.embed import by_batch

    workspace, listed = Files(config.workspace), listed_embeddings.sections(config.embedding)
    of_service = [section for section in listed if section.provider == "openai"]
    n = 0
    for section in of_service or [config.embedding]:
        n += by_batch.cancel(section, workspace)
        n += by_batch.cancel(section, Files(workspace.path(candidates.FOLDER)))
    return n


def _ready_to_embed(
    config: Config, spark: SparkSession | None, *, restart: bool, observer: Observer | None
) -> Lake:
    if config.input.has_own_vectors or config.input.pred_probs is not None:
        key = "input.pred_probs" if config.input.pred_probs is not None else "input.embedding"
        raise ConfigError(
            "nothing_to_embed", key, "an input whose texts are to be embedded", "its own numbers"
        )
    run(config, spark, until="ingest", restart=restart, observer=observer)
    return Lake(spark or session_for(config), config.workspace)
