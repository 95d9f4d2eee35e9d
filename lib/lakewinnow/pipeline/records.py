"""What a run leaves besides tables: the result, summary.json and manifest.json."""

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Final

import pyspark
from pyspark.sql import SparkSession

from lakewinnow.config import file as configfile
from lakewinnow.config.sections import Config
from lakewinnow.lake.inputs.source import Source
from lakewinnow.lake.workspace import Commit
from lakewinnow.report import Report
from lakewinnow.report.charts import Figure
from lakewinnow.spark.sessions.engines import engine_of, is_sail


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
    report : Report, optional
        What report.html shows, which a notebook shows in the place of the result.
    """

    workspace: str
    rows: Mapping[str, int]
    summary: Mapping[str, Any]
    manifest: Mapping[str, Any]
    report: Report | None = None

    def figures(self) -> dict[str, Figure]:
        """Return the report's pictures by name: flow, label_scores, noise_matrix, confident_joint.

        Empty when the run stopped before the report.
        """
        return {} if self.report is None else self.report.figures()

    def _repr_html_(self) -> str | None:
        return None if self.report is None else self.report.in_notebook()


# In summary.json under this name: all that the stage tells.
_WHOLE: Final = {
    "embedding": "embed",
    "vectors": "own_vectors",
    "exact_duplicates": "duplicates",
    **{name: name for name in ("outliers", "imbalance", "nulls", "non_iid", "groups", "valuation")},
    **{name: name for name in ("near_duplicates", "text", "pii")},
}


def summary_of(rows: Mapping[str, int], details: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what goes into summary.json: the figures of all stages."""
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
    for name, stage in (("candidates", "candidates"), ("choice", "choose"), ("exports", "export")):
        if stage in details:
            summary[name] = details[stage][name]
    for name, stage in _WHOLE.items():
        if stage in details:
            summary[name] = details[stage]
    if "drift" in details:
        summary["drift"] = details["drift"]
    holdout, evaluated, tuned = (
        details.get(stage, {}) for stage in ("holdout", "evaluate", "finetune")
    )
    figures = {**holdout, **evaluated, **tuned}
    return {**summary, **figures}


def manifest_of(
    config: Config,
    spark: SparkSession,
    source: Source,
    commits: list[Commit],
    rows: Mapping[str, int],
) -> dict[str, Any]:
    """Return what goes into manifest.json: from what, with what and how all was made."""
    packages = [
        "lakewinnow",
        "pyarrow",
        "numpy",
        "scikit-learn",
        "model2vec",
        "wordllama",
        *(["pysail"] if is_sail(spark) else []),
    ]
    stages = [
        {k: v for k, v in asdict(commit).items() if k not in ("figures", "warnings")} | _how(commit)
        for commit in commits
    ]
    return {
        "versions": {
            "python": platform.python_version(),
            "engine": str(engine_of(spark)),
            "spark": spark.version,
            "pyspark": pyspark.__version__,
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
        "warnings": [warning for commit in commits for warning in commit.warnings],
    }


def _chosen(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the crossval stage chose; what it took to choose is in the manifest."""
    how = details.get("how", {})
    return {key: how[key] for key in ("mode", "C", "standardize") if key in how}


def _how(commit: Commit) -> dict[str, Any]:
    """Return how a stage went about it, where it had a choice."""
    return {"details": commit.figures["how"]} if "how" in commit.figures else {}
