"""The run, readable top to bottom.

Every stage reads named tables of the workspace and writes named tables. `Stages` runs one, or finds
that an earlier run has already published what it would write.
"""

from functools import partial
from pathlib import Path

from pyspark.sql import SparkSession

from lakewinnow.classifiers import registry as classifiers
from lakewinnow.config.sections import Config
from lakewinnow.embedding import candidates as listed_embeddings
from lakewinnow.embedding import registry as embedders
from lakewinnow.figures.models import Finetuned
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake import redaction
from lakewinnow.lake.inputs import noise_models
from lakewinnow.lake.inputs.noise_models import EarlierNoiseModel
from lakewinnow.lake.inputs.source import Source
from lakewinnow.lake.workspace import Lake
from lakewinnow.pipeline import candidates, checks, choice, drift
from lakewinnow.pipeline.inputs import (
    open_decisions,
    open_inputs,
    open_words,
    take_in,
    with_classes_of,
)
from lakewinnow.pipeline.observer import Observer
from lakewinnow.pipeline.records import RunResult
from lakewinnow.pipeline.sessions import session_for
from lakewinnow.pipeline.stages import STAGES, Stages
from lakewinnow.spark.sessions.session import telling_of_loss
from lakewinnow.stages import (
    crossval,
    decide,
    embed,
    evaluate,
    export,
    ingest,
    label_issues,
    noise,
    own_probs,
    own_vectors,
    publish,
    report,
)
from lakewinnow.text import registry as text_rules


@telling_of_loss()
def run(
    config: Config,
    spark: SparkSession | None = None,
    *,
    until: str = STAGES[-1],
    restart: bool = False,
    observer: Observer | None = None,
    noise_model: str | Path | EarlierNoiseModel | None = None,
) -> RunResult:
    """Run every stage up to `until`, leaving out those that are already done.

    Parameters
    ----------
    spark : SparkSession, optional
        Default: the active session, else one of `config.engine`.
    until : str
        The last stage to run, one of `STAGES`.
    restart : bool
        Do everything again. The embedding store is kept: what is paid for stays paid for.
    noise_model : path, optional
        An earlier run's noise_model.json. The rows are judged with it, and nothing is estimated
        from them: neither thresholds nor which share of each class is of another one. Its classes
        are the classes; a row of another label goes to quarantine.

    Raises
    ------
    LakewinnowError
        ConfigError, SchemaError, DataError, ProviderError or EngineError; see `errors`.
    """
    observer = observer or Observer()
    check(config, until)
    if isinstance(noise_model, str | Path):
        noise_model = noise_models.read(noise_model, "noise_model")
    if noise_model is not None:
        config = with_classes_of(config, noise_model)
    observer.started("session")
    lake = Lake(spark or session_for(config), config.workspace)
    source, reference, holdout = open_inputs(lake.spark, config)
    own = open_decisions(lake.spark, config.clean)
    words = open_words(config.checks.text)
    compared_with = drift.open_reference(lake.spark, config)
    stages = Stages(
        lake,
        config,
        source,
        {"evaluate": reference, "holdout": holdout, "text": words, "drift": compared_with},
        own,
        noise_model,
        restart=restart,
        until=until,
        observer=observer,
    )
    stages.claim_workspace()

    stages.run("ingest", lambda: ingest.run(lake, source, config.input, config.crossval))
    classes = lake.figures("ingest", Ingested).classes
    label_issues.checked_filter(config.label_issues, classes)
    if config.input.pred_probs is None:
        classifiers.load(config.crossval, classes)
        if config.input.has_own_vectors:
            stages.run("own_vectors", lambda: own_vectors.run(lake, config.input))
        else:
            config = candidates.with_best(config, lake, stages, observer)
            tell = partial(observer.progressed, "embed")
            stages.run("embed", lambda: embed.run(lake, config.input, config.embedding, tell))
        stages.run("crossval", lambda: crossval.run(lake, config.embedding, config.crossval))
    else:
        stages.run("own_probs", lambda: own_probs.run(lake, config.input))
    earlier = None if noise_model is None else noise_model.model
    learnt = config.crossval if config.input.pred_probs is None else None
    stages.run("noise", lambda: noise.run(lake, earlier, learnt))
    stages.run("label_issues", lambda: label_issues.run(lake, config.label_issues))
    checks.run(stages, lake, config, words)
    asked = config.checks.drift
    if asked is not None and asked.is_asked:
        tell = partial(observer.progressed, "drift")
        stages.run("drift", lambda: drift.compare(lake, config, asked, compared_with, tell))
    trusted = _with_holdout(stages, lake, config, holdout, until, observer)
    config, chosen = choice.with_choice(config, lake, stages, trusted)
    stages.run("decide", lambda: decide.run(lake, config.clean, config.checks, own, chosen))
    written = redaction.text(config.clean, config.checks)
    stages.run(
        "publish",
        lambda: publish.run(lake, config.input, config.output, written),
        check=lambda: publish.check_drop_fraction(lake, config.clean.max_drop_fraction),
    )
    stages.run("report", lambda: report.run(lake))
    if reference is not None or trusted is not None:
        stages.run(
            "evaluate",
            lambda: evaluate.run(lake, config, reference=reference, trusted=trusted),
        )
    _fine_tune(stages, lake, config, reference, trusted if until == "finetune" else None, observer)
    if config.export.format is not None:
        stages.run("export", lambda: export.run(lake, config.export, written))
    return stages.account_for_every_row()


def _with_holdout(
    stages: Stages,
    lake: Lake,
    config: Config,
    holdout: Source | None,
    until: str,
    observer: Observer,
) -> Lake | None:
    """Have the trusted rows taken in, where there are some and a stage of this run asks them."""
    is_asked = config.clean.is_to_be_chosen or until not in ("decide", "publish", "report")
    if holdout is None or not is_asked:
        return None
    trusted = Lake(lake.spark, lake.files.path("holdout"))
    tell = partial(observer.progressed, "holdout")
    stages.run("holdout", lambda: take_in(trusted, holdout, lake, config, tell))
    return trusted


def _fine_tune(
    stages: Stages,
    lake: Lake,
    config: Config,
    reference: Source | None,
    trusted: Lake | None,
    observer: Observer,
) -> None:
    """Fine-tune models where that is asked for; a run that ends elsewhere spends nothing on it."""
    if trusted is None:
        stages.recall("finetune")
        return
    from lakewinnow.stages import finetune  # services' clients take long to import

    tell = partial(observer.progressed, "finetune")
    stages.run(
        "finetune",
        lambda: finetune.run(lake, config, trusted=trusted, reference=reference, tell=tell),
    )
    if lake.figures("finetune", Finetuned).finetuning.failed:
        lake.revoke("finetune")  # so that the next run begins those jobs again


def check(config: Config, until: str = "export") -> None:
    """Find what would stop a run hours later, and takes no session to find.

    Parameters
    ----------
    until : the last stage to run

    Raises
    ------
    ConfigError, ProviderError
    """
    label_issues.checked_filter(config.label_issues)
    if until == "finetune":
        from lakewinnow.stages import finetune

        finetune.check(config)
    if config.checks.text is not None:
        text_rules.rules_of(config.checks.text)
    if config.input.pred_probs is None:
        classifiers.check(config.crossval)
        if config.embedding.candidates:
            listed_embeddings.identify(config.embedding)
        elif not config.input.has_own_vectors:
            embedders.identify(config.embedding)
