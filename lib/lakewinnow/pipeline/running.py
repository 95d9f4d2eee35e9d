"""The run, readable top to bottom; which stages there are is in `catalog`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pyspark.sql import SparkSession

from lakewinnow.config.sections import LLM, Config
from lakewinnow.embedding import listed
from lakewinnow.embedding import registry as embedders
from lakewinnow.lake import access
from lakewinnow.lake.corpus import readmit
from lakewinnow.lake.inputs import noise_models
from lakewinnow.lake.inputs.noise_models import EarlierNoiseModel
from lakewinnow.lake.lock import Lock, alone_in
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import Commit, Lake
from lakewinnow.pipeline import ownership
from lakewinnow.pipeline.catalog import graph_of
from lakewinnow.pipeline.commits import Commits
from lakewinnow.pipeline.inputs import open_inputs, with_classes_of
from lakewinnow.pipeline.observer import Observer
from lakewinnow.pipeline.records import RunResult, account_for_every_row
from lakewinnow.pipeline.sessions import session_for
from lakewinnow.plan.graph import Graph
from lakewinnow.plan.registry import local_modules
from lakewinnow.plan.stage import Stage, loaded
from lakewinnow.spark.arrow.functions import ship
from lakewinnow.spark.sessions.session import explaining_lost_engine
from lakewinnow.stages import crossval, functions, label_issues


@explaining_lost_engine()
def run(
    config: Config,
    spark: SparkSession | None = None,
    *,
    until: str | Sequence[str] = (),
    restart: bool | str = False,
    observer: Observer | None = None,
    noise_model: str | Path | EarlierNoiseModel | None = None,
) -> RunResult:
    """Run every stage, or those that `until` needs, leaving out those that are already done.

    Parameters
    ----------
    spark : default: the active session, else one of `config.engine`
    until : str or sequence of str
        Stages that are wanted: they run, and what they need. Default: all stages that the
        configuration turns on, but `finetune`.
    restart : bool or str
        True: do everything again. The name of a stage: do that one again, and what depends on it.
        The embedding store is kept: what is paid for stays paid for.
    noise_model : path, optional
        An earlier run's noise_model.json. The rows are judged with it, and nothing is estimated
        from them: neither thresholds nor which share of each class is of another one. Its classes
        are the classes; a row of another label goes to quarantine.

    Raises
    ------
    LakewinnowError : ConfigError, SchemaError, DataError, ProviderError, EngineError or BusyError;
        see `errors`
    """
    observer = observer or Observer()
    opened = open_run(config, spark, until, restart, noise_model, observer)
    with alone_in(opened.run.lake.files) as lock:
        opened.run.lake.versions.sweep()
        ownership.claim(opened.run.lake, opened.run.config, opened.graph)
        if opened.whole.writer("accepted", opened.run.config) == "ingest":
            readmit(opened.run.lake)
        _execute(opened, observer, lock)
        return account_for_every_row(opened.run, list(opened.commits.all_standing()), lock)


@dataclass(frozen=True)
class Opened:
    """A run before its first stage."""

    run: Run
    whole: Graph  # all stages that the configuration turns on
    graph: Graph  # those of this run
    commits: Commits


def open_run(
    config: Config,
    spark: SparkSession | None,
    until: str | Sequence[str],
    restart: bool | str,  # noqa: FBT001
    noise_model: str | Path | EarlierNoiseModel | None,
    observer: Observer,
) -> Opened:
    """Check a run and open what it reads, before anything is written; see `run`."""
    wanted = (until,) if isinstance(until, str) else tuple(until)
    check(config, *wanted)
    if isinstance(noise_model, str | Path):
        noise_model = noise_models.read(noise_model, "noise_model")
    if noise_model is not None:
        config = with_classes_of(config, noise_model)
    whole = graph_of(config)
    graph = whole.up_to(*wanted)
    redo = _to_redo(restart, whole, graph)
    observer.planned(graph)
    observer.started("session")
    ship(local_modules())
    lake = Lake(spark or session_for(config), config.workspace)
    ownership.check_workspace(lake, config, graph)
    inputs = open_inputs(lake.spark, config, noise_model)
    opened = Run(lake=lake, config=config, inputs=inputs)
    return Opened(opened, whole, graph, Commits(opened, whole, redo))


def check(config: Config, *until: str) -> None:
    """Find what would stop a run hours later, and takes no session to find.

    Parameters
    ----------
    until : the stages that are wanted
    """
    access.check(config)
    label_issues.checked_filter(config.label_issues)
    functions.check(config.opinions)
    if LLM in config.opinion_kinds:
        from lakewinnow.stages import llm  # services' clients take long to import

        llm.check(config.opinions.llm)
    if "finetune" in until:
        from lakewinnow.stages import finetune

        finetune.check(config)
    whole = graph_of(config)
    ownership.check_paths(config, whole)
    whole.up_to(*until)
    for made in config.checks.on:
        if made.preflight is not None:
            loaded(made.preflight)(config.checks.section(made))
    if config.input.pred_probs is None:
        crossval.check(config.crossval)
        if config.embedding.candidates:
            listed.identify(config.embedding)
        elif not config.input.has_own_vectors:
            embedders.identify(config.embedding)


def _to_redo(restart: bool | str, whole: Graph, graph: Graph) -> frozenset[str]:  # noqa: FBT001
    if isinstance(restart, str):
        graph.check(restart, "restart")
        return whole.what_needs(restart)
    return frozenset(graph if restart else ())


def _execute(opened: Opened, observer: Observer, lock: Lock) -> None:
    """Run each stage that is not done."""
    for name, stage in opened.graph.stages.items():
        commit = opened.commits.standing(name)
        is_resumed = commit is not None
        if commit is None:
            commit = _do(stage, opened, observer, lock)
        observer.finished(commit, resumed=is_resumed)
        for warning in commit.warnings:
            observer.warned(warning)
        if stage.after is not None:
            loaded(stage.after)(opened.run)


def _do(stage: Stage, opened: Opened, observer: Observer, lock: Lock) -> Commit:
    """Run one stage, and write its record."""
    this = replace(opened.run, report_progress=partial(observer.progressed, stage.name))
    if stage.before is not None:
        loaded(stage.before)(this)
    observer.started(stage.name)
    this.lake.revoke(stage.name)
    started = time.monotonic()
    report = loaded(stage.run)(this)
    lock.check()
    return opened.commits.write(stage.name, time.monotonic() - started, report)
