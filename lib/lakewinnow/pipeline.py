"""The run, readable top to bottom.

Every stage reads named tables of the workspace and writes named tables. `Stages` runs one, or finds
that an earlier run has already published what it would write.
"""

import hashlib
import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pyspark.sql import SparkSession

from lakewinnow import configfile, validation
from lakewinnow.classifiers import registry as classifiers
from lakewinnow.config import CleanConfig, Config
from lakewinnow.embedding import registry as embedders
from lakewinnow.errors import ConfigError, DataError, EngineError, LakewinnowError, Shown
from lakewinnow.lake import noise_models
from lakewinnow.lake.decisions import Decisions, read_decisions
from lakewinnow.lake.embedding_store import store_of
from lakewinnow.lake.files import Files
from lakewinnow.lake.noise_models import EarlierNoiseModel
from lakewinnow.lake.source import Source, check_partition_columns, read_source
from lakewinnow.lake.workspace import Commit, Lake, StageReport
from lakewinnow.spark.session import session
from lakewinnow.stages import (
    crossval,
    decide,
    duplicates,
    embed,
    evaluate,
    export,
    ingest,
    label_issues,
    noise,
    own_probs,
    own_vectors,
    publish,
)

STAGES: Final = (
    "ingest",
    "own_vectors",
    "embed",
    "crossval",
    "own_probs",
    "noise",
    "label_issues",
    "duplicates",
    "decide",
    "publish",
    "holdout",
    "evaluate",
    "export",
)
OUTPUTS: Final = ("clean", "review", "dropped")


class Observer:
    """Is told how a run goes. This one tells nobody; to be derived from."""

    def started(self, name: str) -> None:
        """Tell that a stage begins."""

    def progressed(self, name: str, done: int, total: int, note: str) -> None:
        """Tell how far a stage is that works in rounds, and what it has used so far."""

    def finished(self, commit: Commit, *, resumed: bool) -> None:
        """Tell that a stage is done, or was found done."""

    def warned(self, message: str) -> None:
        """Tell what a user should know although the run goes on."""


@dataclass(frozen=True)
class RunResult:
    """What a run came to.

    Attributes
    ----------
    workspace : str
    rows : mapping
        in, clean, review, dropped, quarantine. Empty when the run stopped at an earlier stage.
    summary, manifest : mapping
        The contents of summary.json and manifest.json.
    """

    workspace: str
    rows: Mapping[str, int]
    summary: Mapping[str, Any]
    manifest: Mapping[str, Any]


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
        Default: the active session, else a local one.
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
    for key in validation.passed_over(config):
        observer.warned(f"{key}: not in this version yet, passed over")
    check(config)
    if isinstance(noise_model, str | Path):
        noise_model = noise_models.read(noise_model, "noise_model")
    if noise_model is not None:
        config = _with_classes_of(config, noise_model)
    observer.started("session")
    lake = Lake(spark or session(), config.workspace)
    source, reference, holdout = _open_inputs(lake.spark, config)
    own = _open_decisions(lake.spark, config.clean)
    stages = Stages(
        lake,
        config,
        source,
        {"evaluate": reference, "holdout": holdout},
        own,
        noise_model,
        restart=restart,
        until=until,
        observer=observer,
    )
    stages.claim_workspace()

    stages.run("ingest", lambda: ingest.run(lake, source, config.input, config.crossval))
    classes = lake.details("ingest")["classes"]
    label_issues.checked_filter(config.label_issues, classes)
    if config.input.pred_probs is None:
        classifiers.load(config.crossval, classes)
        if config.input.has_own_vectors:
            stages.run("own_vectors", lambda: own_vectors.run(lake, config.input))
        else:
            tell = partial(observer.progressed, "embed")
            stages.run("embed", lambda: embed.run(lake, config.input, config.embedding, tell))
        stages.run("crossval", lambda: crossval.run(lake, config.embedding, config.crossval))
    else:
        stages.run("own_probs", lambda: own_probs.run(lake, config.input))
    earlier = None if noise_model is None else noise_model.model
    learnt = config.crossval if config.input.pred_probs is None else None
    stages.run("noise", lambda: noise.run(lake, earlier, learnt))
    stages.run("label_issues", lambda: label_issues.run(lake, config.label_issues))
    if config.checks.exact_duplicates is not None:
        stages.run("duplicates", lambda: duplicates.run(lake))
    stages.run("decide", lambda: decide.run(lake, config.clean, config.checks, own))
    stages.run(
        "publish",
        lambda: publish.run(lake, config.input, config.output),
        check=lambda: publish.check_drop_fraction(lake, config.clean.max_drop_fraction),
    )
    trusted = None
    if holdout is not None:
        trusted = Lake(lake.spark, lake.files.path("holdout"))
        tell = partial(observer.progressed, "holdout")
        stages.run("holdout", lambda: _take_in(trusted, holdout, lake, config, tell))
    if reference is not None or trusted is not None:
        stages.run(
            "evaluate",
            lambda: evaluate.run(lake, config, reference=reference, trusted=trusted),
        )
    if config.export.format is not None:
        stages.run("export", lambda: export.run(lake, config.export))
    return stages.account_for_every_row()


def check(config: Config) -> None:
    """Find what would stop a run hours later, and takes no session to find.

    Raises
    ------
    ConfigError, ProviderError
    """
    label_issues.checked_filter(config.label_issues)
    if config.input.pred_probs is None:
        classifiers.check(config.crossval)
        if not config.input.has_own_vectors:
            embedders.identify(config.embedding)


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
    LakewinnowError
        As `run`. ``"nothing_to_embed"`` where the input brings its own vectors or probabilities.
    """
    if config.input.has_own_vectors or config.input.pred_probs is not None:
        key = "input.pred_probs" if config.input.pred_probs is not None else "input.embedding"
        raise ConfigError(
            "nothing_to_embed", key, "an input whose texts are to be embedded", "its own numbers"
        )
    run(config, spark, until="ingest", restart=restart, observer=observer)
    return embed.estimate(Lake(spark or session(), config.workspace), config.embedding)


class Stages:
    """Runs stages in order; resumes after those whose record has the fingerprint it would get.

    A stage's fingerprint covers the input, its own and all earlier sections of the configuration
    and this package's version, so a change redoes what depends on it and nothing before.
    """

    def __init__(
        self,
        lake: Lake,
        config: Config,
        source: Source,
        trusted: Mapping[str, Source | None],
        own: Decisions | None,
        noise_model: EarlierNoiseModel | None,
        *,
        restart: bool,
        until: str,
        observer: Observer,
    ) -> None:
        self._lake, self._config, self._source, self._observer = lake, config, source, observer
        self._restart, self._noise_model = restart, noise_model
        self._fingerprints = _fingerprints(config, source, trusted, own, noise_model)
        self._names = STAGES[: STAGES.index(until) + 1]
        self._commits: list[Commit] = []
        self._redo = restart

    def claim_workspace(self) -> None:
        """Make sure that running will not destroy what is not this run's; save the configuration.

        Raises
        ------
        DataError
            ``"output_exists"``: other data, or another configuration's result, are in the way.
        """
        if self._config.output.mode == "errorifexists" and not self._restart:
            for table in OUTPUTS:
                if self._lake.files.exists(table) and not self._is_own("publish"):
                    where = self._lake.files.path(table)
                    raise DataError(
                        "output_exists",
                        "workspace",
                        "no output of another run or configuration",
                        Shown(where),
                        "choose another workspace, or --set output.mode=overwrite",
                    )
        self._lake.files.write_text("config.yaml", configfile.dump(self._config))

    def _is_own(self, stage: str) -> bool:
        """Whether a stage's output is what this run would write, or half of it after a kill."""
        if not self._lake.is_ours():
            return False
        commit = self._lake.committed(stage)
        return commit is None or commit.fingerprint == self._fingerprints[stage]

    def run(
        self, name: str, stage: Callable[[], StageReport], check: Callable[[], None] | None = None
    ) -> None:
        """Run one stage, unless it is done or lies after the last one wanted.

        `check` may stop the run while the record of what an earlier run published still stands.
        """
        if name not in self._names:
            return
        commit = None if self._redo else self._lake.committed(name)
        if commit is not None and commit.fingerprint == self._fingerprints[name]:
            self._done(commit, resumed=True)
            return
        if check is not None:
            check()
        if not self._redo or not self._commits:  # what the records say is about to change
            self._lake.files.delete("manifest.json")
            self._lake.files.delete("summary.json")
        self._redo = True  # what comes after reads what is about to change
        self._observer.started(name)
        self._lake.revoke(name)
        started = time.monotonic()
        report = stage()
        seconds = time.monotonic() - started
        self._done(
            self._lake.commit(name, self._fingerprints[name], seconds, report), resumed=False
        )

    def _done(self, commit: Commit, *, resumed: bool) -> None:
        self._commits.append(commit)
        self._observer.finished(commit, resumed=resumed)
        for warning in commit.details.get("warnings", ()):
            self._observer.warned(warning)

    def account_for_every_row(self) -> RunResult:
        """Write summary.json and manifest.json; fail if a row is missing or doubled.

        Raises
        ------
        EngineError
            ``"rows_unaccounted"``
        """
        workspace = self._lake.files.root
        details = {commit.name: commit.details for commit in self._commits}
        if "publish" not in details:
            return RunResult(workspace, {}, {}, {})
        ingested = self._lake.committed("ingest")
        n_in = ingested.rows_in if ingested else 0
        rows = {"in": n_in, **{t: self._lake.rows(t) for t in (*OUTPUTS, "quarantine")}}
        if n_in != sum(n for table, n in rows.items() if table != "in"):
            raise EngineError(
                "rows_unaccounted",
                "rows",
                "in = clean + review + dropped + quarantine",
                rows,
                "run again with --restart; if it stays, please report it",
            )
        summary = _summary(rows, details)
        manifest = _manifest(self._config, self._lake.spark, self._source, self._commits, rows)
        if self._noise_model is not None:
            used = self._noise_model
            manifest["noise_model"] = {"path": used.path, "sha256": used.sha256}
        self._lake.files.write_json("summary.json", summary)
        self._lake.files.write_json("manifest.json", manifest)
        return RunResult(workspace, rows, summary, manifest)


def _open_inputs(
    spark: SparkSession, config: Config
) -> tuple[Source, Source | None, Source | None]:
    """Open and check all that is read from outside, before anything is written.

    Returns
    -------
    the input, `evaluate.reference`, `evaluate.holdout`
    """
    source = read_source(spark, config.input, validation.input_format(config.input))
    check_partition_columns(source, config.output.partition_by)
    evaluate_ = config.evaluate
    reference = _open_trusted(spark, config, "evaluate.reference", evaluate_.reference)
    unnumbered = replace(config, input=replace(config.input, id=None))  # its ids mean nothing here
    holdout = _open_trusted(spark, unnumbered, "evaluate.holdout", evaluate_.holdout)
    return source, reference, holdout


def _open_trusted(
    spark: SparkSession, config: Config, where: str, path: str | None
) -> Source | None:
    """Open a file of the input's columns."""
    if path is None:
        return None
    format_ = config.evaluate.format
    like = replace(config.input, path=path, table=None, format=format_)
    try:
        return read_source(spark, like, validation.input_format(like))
    except LakewinnowError as error:
        raise error.at(where) from error


def _take_in(
    trusted: Lake,
    holdout: Source,
    lake: Lake,
    config: Config,
    tell: Callable[[int, int, str], None],
) -> StageReport:
    """Ingest the holdout into a workspace of its own, and embed what the run's store lacks.

    Raises
    ------
    DataError
        At "evaluate.holdout": the codes of ingest; ``"holdout_rejected"``: more than
        `input.max_bad_fraction` of its rows cannot be used, or have labels that the input has not.
    """
    classes = tuple(lake.details("ingest")["classes"])
    like = replace(config.input, classes=classes, id=None)
    try:
        ingested = ingest.run(trusted, holdout, like, config.crossval)
    except DataError as error:
        raise error.at("evaluate.holdout") from error
    rejected = ingested.details["rejected"]
    n_rejected = sum(rejected.values())
    if n_rejected > like.max_bad_fraction * ingested.rows_in:
        reasons = ", ".join(f"{n:,} {code}" for code, n in rejected.items())
        raise DataError(
            "holdout_rejected",
            "evaluate.holdout",
            f"at most {like.max_bad_fraction:.0%} of its rows that cannot be used",
            Shown(f"{n_rejected:,} of {ingested.rows_in:,} ({reasons})"),
            "its labels are to be the input's; see holdout/quarantine/ in the workspace",
        )
    trusted.commit("ingest", holdout.fingerprint, 0.0, ingested)
    if like.has_own_vectors:
        vectors = own_vectors.run(trusted, like)
    else:
        store = store_of(lake, config.embedding).files.root
        vectors = embed.run(trusted, like, replace(config.embedding, store=store), tell)
    embedded = vectors.details.get("embedded", 0)
    return StageReport(
        rows_in=ingested.rows_in,
        rows_out=ingested.rows_out,
        reads={"holdout/corpus": vectors.reads.get("corpus", 1)},
        bytes_in=ingested.bytes_in,
        writes=("holdout/corpus", "holdout/quarantine"),
        details={
            "holdout": {
                "rows": ingested.rows_out,
                "rejected": rejected,
                "class_counts": dict(zip(classes, ingested.details["class_counts"], strict=True)),
                "embedded": embedded,
            }
        },
    )


def _open_decisions(spark: SparkSession, config: CleanConfig) -> Decisions | None:
    if config.decisions is None:
        return None
    format_ = validation.format_of(config.decisions) or "parquet"
    return read_decisions(spark, config.decisions, format_)


def _with_classes_of(config: Config, noise_model: EarlierNoiseModel) -> Config:
    """Fix the classes to the noise model's.

    Raises
    ------
    ConfigError : "same_workspace"
    DataError : "other_classes"
    """
    if noise_model.path == Files(config.workspace).path("noise_model.json"):
        hint = "a batch has a workspace of its own: --set workspace=…"
        expected = "another workspace than the noise model's, which it would replace"
        raise ConfigError("same_workspace", "workspace", expected, config.workspace, hint)
    if config.input.classes is not None:
        noise_model.model.check_classes(config.input.classes, "input.classes")
    classes = noise_model.model.classes
    return replace(config, input=replace(config.input, classes=classes))


def _fingerprints(
    config: Config,
    source: Source,
    trusted: Mapping[str, Source | None],
    decisions: Decisions | None,
    noise_model: EarlierNoiseModel | None,
) -> dict[str, str]:
    """Hash, for each stage, of what decides its result and that of all stages before it."""
    resolved = configfile.to_dict(config)
    sections: Mapping[str, tuple[str, ...]] = {
        "ingest": ("input", "crossval"),
        "embed": ("embedding",),
        "label_issues": ("label_issues",),
        "duplicates": ("checks",),
        "decide": ("clean",),
        "publish": ("output",),
        "evaluate": ("evaluate",),
        "export": ("export",),
    }
    chain = hashlib.sha256(f"{version('lakewinnow')} {source.fingerprint}".encode())
    fingerprints = {}
    for name in STAGES:
        own = {section: resolved[section] for section in sections.get(name, ())}
        if name == "publish":
            own["output"] = {
                **own["output"],
                "mode": None,
            }  # says what to replace, not what to write
        if name == "noise" and noise_model is not None:
            own["noise_model"] = noise_model.sha256
        if name == "decide" and decisions is not None:
            own["decisions"] = decisions.fingerprint
        opened = trusted.get(name)
        if opened is not None:
            own["trusted"] = opened.fingerprint
        chain.update(json.dumps([name, own], sort_keys=True).encode())
        fingerprints[name] = chain.hexdigest()
    return fingerprints


def _summary(rows: Mapping[str, int], details: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "rows": rows,
        "label_issues": details["label_issues"]["label_issues"],
        "crossval": {**_chosen(details.get("crossval", {})), **details["noise"]["crossval"]},
        "quarantine": details["ingest"]["rejected"],
        "decisions": details["decide"]["decisions"],
        "dropped": details["decide"]["dropped_for"],
    }
    if "soft_labels" in details["publish"]:
        summary["soft_labels"] = details["publish"]["soft_labels"]
    if details["decide"]["own_decisions"]:
        summary["own_decisions"] = details["decide"]["own_decisions"]
    if "embed" in details:
        summary["embedding"] = details["embed"]
    if "own_vectors" in details:
        summary["vectors"] = details["own_vectors"]
    if "export" in details:
        summary["exports"] = details["export"]["exports"]
    if "duplicates" in details:
        summary["exact_duplicates"] = details["duplicates"]
    figures = {**details.get("holdout", {}), **details.get("evaluate", {})}
    return {**summary, **{name: found for name, found in figures.items() if name != "warnings"}}


def _manifest(
    config: Config,
    spark: SparkSession,
    source: Source,
    commits: list[Commit],
    rows: Mapping[str, int],
) -> dict[str, Any]:
    packages = (
        "lakewinnow",
        "pyspark",
        "pyarrow",
        "numpy",
        "scikit-learn",
        "model2vec",
        "wordllama",
    )
    stages = [
        {k: v for k, v in asdict(commit).items() if k != "details"} | _how(commit)
        for commit in commits
    ]
    return {
        "versions": {
            "python": platform.python_version(),
            "spark": spark.version,
            **{name: version(name) for name in packages},
        },
        "config": configfile.public_dict(config),
        "input": {
            "fingerprint": source.fingerprint,
            "bytes": source.n_bytes,
            "columns": {f.name: f.dataType.simpleString() for f in source.schema.fields},
        },
        "stages": stages,
        "rows": rows,
        "warnings": [w for commit in commits for w in commit.details.get("warnings", ())],
    }


def _chosen(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the crossval stage chose; what it took to choose is in the manifest."""
    how = details.get("how", {})
    return {key: how[key] for key in ("mode", "C", "standardize") if key in how}


def _how(commit: Commit) -> dict[str, Any]:
    """Return how a stage went about it, where it had a choice."""
    return {"details": commit.details["how"]} if "how" in commit.details else {}
