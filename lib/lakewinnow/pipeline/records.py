"""What a run leaves besides tables: the result, summary.json and manifest.json."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from typing import Any, Final, TypeVar

import pyspark
from pyspark.sql import SparkSession

from lakewinnow.config import file as configfile
from lakewinnow.errors import EngineError
from lakewinnow.figures.examples import Examples
from lakewinnow.figures.labels import (
    CandidateFigures,
    ClassifierFigures,
    Crossvalidated,
    Embedded,
    LabelIssueFigures,
    OwnVectors,
    PredProbs,
)
from lakewinnow.figures.llm import LanguageModel
from lakewinnow.figures.manifest import Input, Manifest, NoiseModelFile, StageRecord
from lakewinnow.figures.models import Choice, Evaluated, Finetuned
from lakewinnow.figures.opinions import Annotations, Asked, Opinions
from lakewinnow.figures.rows import Decided, Exported, Holdout, Ingested, Published, Rows
from lakewinnow.figures.summary import Summary
from lakewinnow.lake.conditional_put import ReplacedError
from lakewinnow.lake.inputs.acceptance import LABEL_NULL
from lakewinnow.lake.inputs.noise_models import EarlierNoiseModel
from lakewinnow.lake.inputs.source import Source
from lakewinnow.lake.lock import Lock
from lakewinnow.lake.run import Run
from lakewinnow.lake.tables import OUTPUTS
from lakewinnow.lake.workspace import Commit, Lake
from lakewinnow.masking import masked, masked_text
from lakewinnow.plan.check import Check
from lakewinnow.plan.registry import own_checks
from lakewinnow.report import Report, words
from lakewinnow.report.charts import Picture
from lakewinnow.spark.sessions.engines import engine_of, is_sail
from lakewinnow.typed_json import from_json, to_json

F = TypeVar("F")
_WRITTEN_BESIDE: Final = ("refused", "rejected")  # tables that embed adds to what it declares
# What the manifest lists besides tables and files of stages.
_RECORDS: Final = ("summary.json", "report.html")
# What people take from the workspace, of stages that need not be turned on.
_OPTIONAL: Final = ("ask", "annotators.json", "exports", "labelling")


@dataclass(frozen=True, repr=False)
class RunResult:
    """What a run came to.

    Attributes
    ----------
    rows : in, clean, review, dropped, quarantine. Empty when the run stopped at an earlier stage.
    summary, manifest : the contents of summary.json and manifest.json
    report : what report.html shows, which a notebook shows in the place of the result
    figures : the summary as dataclasses; None when the run stopped at an earlier stage
    """

    workspace: str
    rows: Mapping[str, int]
    summary: Mapping[str, Any]
    manifest: Mapping[str, Any]
    report: Report | None = None
    figures: Summary | None = None
    checks: Sequence[Check[Any]] = own_checks()  # those that may have been made

    def pictures(self) -> dict[str, Picture]:
        """Return the report's pictures by name: flow, label_scores, noise_matrix, confident_joint.

        Empty when the run stopped before the report.
        """
        return {} if self.report is None else self.report.pictures()

    def __repr__(self) -> str:
        """Return what was found and where it is, on a few lines."""
        if self.figures is None:
            return f"RunResult of {self.workspace}: stopped before clean/ was written"
        issues, counts = self.figures.label_issues, self.figures.rows
        parts = ", ".join(f"{n:,} {name}" for name, n in self.rows.items() if name != "in")
        return (
            f"RunResult of {self.workspace}\n"
            f"  {words.verdict(issues.n, issues.rows)}\n"
            f"  {counts.in_:,} rows in: {parts}\n"
            f"  classifier right on {self.figures.crossval.accuracy:.1%} of rows it has not seen\n"
            f"  report: {self.workspace}/report.html"
        )

    def _repr_html_(self) -> str | None:
        return None if self.report is None else self.report.in_notebook()


def account_for_every_row(run: Run, commits: Sequence[Commit], lock: Lock) -> RunResult:
    """Write summary.json and report.html, and commit the run; fail if a row is missing or doubled.

    Parameters
    ----------
    commits : of the stages that are done; without publish nothing is written

    Raises
    ------
    EngineError : "rows_unaccounted"
    """
    lake, found = run.lake, {commit.name: commit.figures for commit in commits}
    workspace, checks = lake.files.root, run.config.checks.known
    if "publish" not in found:
        return RunResult(workspace, {}, _summary_so_far(found, checks), {}, checks=checks)
    n_in = next(commit.rows_in for commit in commits if commit.name == "ingest")
    rows = {"in": n_in, **{table: lake.rows(table) for table in (*OUTPUTS, "quarantine")}}
    if n_in != sum(n for table, n in rows.items() if table != "in"):
        expected = "in = clean + review + dropped + quarantine"
        hint = "run again with --restart; if it happens again, please report it"
        raise EngineError("rows_unaccounted", "rows", expected, rows, hint)
    of_rows = from_json(Rows, rows)
    summary = summary_of(of_rows, found, checks)
    tables = lake.listing([*_WRITTEN_BESIDE, *(name for of in commits for name in of.tables)])
    manifest = Manifest(
        version=lake.versions.next_version(tables),
        versions=_versions(lake.spark),
        config=configfile.public_dict(run.config),
        input=_input(run.inputs.source),
        stages=[_stage(commit) for commit in commits],
        rows=of_rows,
        tables=tables,
        files=[],
        warnings=[warning for commit in commits for warning in commit.warnings],
        noise_model=_earlier(run.inputs.noise_model),
    )
    summary_json = masked(summary.to_json())
    lake.publish_json("summary.json", summary_json)
    shown = None
    if "report" in found:
        noise_model = lake.files.read_json("noise_model.json")
        examples = from_json(Examples, found["report"])
        shown = Report(summary, manifest, noise_model, examples, checks)
        lake.versions.put_record("report.html", shown.html().encode())
    _drop_stale(lake, commits)
    files = [*_RECORDS, *(name for commit in commits for name in commit.files)]
    manifest_json = to_json(replace(manifest, files=lake.other_files(files)))
    seen = lake.versions.look_at_manifest()  # before the claim is: nobody commits in between
    lock.check()
    try:
        lake.versions.commit(manifest_json, run.config.output.keep_versions, seen)
    except ReplacedError as error:
        raise lock.taken_over() from error
    return RunResult(workspace, rows, summary_json, manifest_json, shown, summary, checks)


def _drop_stale(lake: Lake, commits: Sequence[Commit]) -> None:
    """Delete what no stage that stands has written: it was made of other rows."""
    written = {name.partition("/")[0] for of in commits for name in (*of.tables, *of.files)}
    for name in _OPTIONAL:
        if name not in written and lake.files.exists(name):
            lake.drop(name)


def _summary_so_far(
    found: Mapping[str, Mapping[str, Any]], checks: Sequence[Check[Any]]
) -> dict[str, Any]:
    """Return the figures of a run that ends before publish, under their names in summary.json."""
    parts = ("candidates", "label_issues", *(check.name for check in checks))
    named = {name: found[name] for name in parts if name in found}
    return named | dict(found.get("evaluate", {})) | dict(found.get("finetune", {}))


def summary_of(
    rows: Rows, found: Mapping[str, Mapping[str, Any]], checks: Sequence[Check[Any]] = own_checks()
) -> Summary:
    """Return what goes into summary.json: the figures of all stages, by name as they were kept."""

    def of(stage: str, cls: type[F]) -> F | None:
        return from_json(cls, found[stage]) if stage in found else None

    ingested, decided = from_json(Ingested, found["ingest"]), from_json(Decided, found["decide"])
    models = of("crossval", Crossvalidated)
    exported, evaluated = of("export", Exported), of("evaluate", Evaluated) or Evaluated()
    tuned = of("finetune", Finetuned)
    return Summary(
        rows=rows,
        label_issues=from_json(LabelIssueFigures, found["label_issues"]),
        crossval=ClassifierFigures(
            **vars(from_json(PredProbs, found["noise"])),
            mode=models.mode if models else None,
            C=models.C if models else None,
            standardize=models.standardize if models else None,
            fine_tuned=models.fine_tuned if models else None,
            combined=models.combined if models else None,
        ),
        quarantine=_rejected(ingested, decided),
        decisions=decided.decisions,
        dropped=decided.dropped_for,
        soft_labels=from_json(Published, found["publish"]).soft_labels,
        own_decisions=decided.own_decisions or None,
        promise=decided.promise,
        annotations=of("annotations", Annotations),
        opinions=of("annotators", Opinions),
        language_model=of("llm", LanguageModel),
        ask=of("ask", Asked),
        unlabelled=decided.unlabelled,
        candidates=of("candidates", CandidateFigures),
        choice=of("choose", Choice),
        exports=exported.exports if exported else None,
        embedding=of("embed", Embedded),
        vectors=of("own_vectors", OwnVectors),
        holdout=of("holdout", Holdout),
        **vars(evaluated),
        **(vars(tuned) if tuned else {}),
        checks={of.name: of.found(found[of.name]) for of in checks if of.name in found},
    )


def _rejected(ingested: Ingested, decided: Decided) -> dict[str, int]:
    """Return the rows in quarantine by error code: ingest's, but for those that got a label."""
    of = decided.unlabelled
    if of is None:
        return ingested.rejected
    n_left = ingested.rejected.get(LABEL_NULL, 0) - of.rows + of.stay_out
    left = {**ingested.rejected, LABEL_NULL: n_left}
    return {code: n for code, n in left.items() if n}


def _versions(spark: SparkSession) -> dict[str, str]:
    """Return with what a run was made."""
    packages = ["lakewinnow", "pyarrow", "numpy", "scikit-learn", "model2vec", "wordllama"]
    return {
        "python": platform.python_version(),
        "engine": str(engine_of(spark)),
        "spark": spark.version,
        "pyspark": pyspark.__version__,
        **{name: version(name) for name in (*packages, *(["pysail"] if is_sail(spark) else []))},
    }


def _input(source: Source) -> Input:
    return Input(
        fingerprint=source.fingerprint,
        bytes=source.n_bytes,
        columns={f.name: f.dataType.simpleString() for f in source.schema.fields},
    )


def _earlier(model: EarlierNoiseModel | None) -> NoiseModelFile | None:
    if model is None:
        return None
    return NoiseModelFile(path=masked_text(model.path), sha256=model.sha256)


def _stage(commit: Commit) -> StageRecord:
    """Return a stage's record, and how it went about it where it had a choice."""
    details = None
    if commit.name == "crossval":
        details = dict(commit.figures)
    if commit.name == "choose":  # its other figures are in summary.json
        names = ("asked", "label_issues", "is_verified", "why")
        details = {name: commit.figures[name] for name in names}
    if commit.name == "decide":
        found = {name: commit.figures.get(name) for name in ("promise", "unlabelled")}
        details = {name: of for name, of in found.items() if of} or None
    same = {f.name: getattr(commit, f.name) for f in fields(StageRecord) if f.name != "details"}
    return StageRecord(**same, details=details)
