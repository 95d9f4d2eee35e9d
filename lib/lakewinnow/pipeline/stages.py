"""Running stages in order, and finding what earlier runs have done."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, Final

from lakewinnow.config import file as configfile
from lakewinnow.config.sections import Config
from lakewinnow.errors import DataError, EngineError, Shown
from lakewinnow.figures.examples import Examples
from lakewinnow.lake.inputs.decisions import Decisions
from lakewinnow.lake.inputs.earlier_run import EarlierRun
from lakewinnow.lake.inputs.noise_models import EarlierNoiseModel
from lakewinnow.lake.inputs.source import Source
from lakewinnow.lake.inputs.word_list import WordList
from lakewinnow.lake.tables import OUTPUTS
from lakewinnow.lake.workspace import Commit, Lake, StageReport
from lakewinnow.pipeline.observer import Observer
from lakewinnow.pipeline.records import RunResult, manifest_of, summary_of
from lakewinnow.report import Report
from lakewinnow.typed_json import from_json

STAGES: Final = (
    "ingest",
    "own_vectors",
    "candidates",
    "embed",
    "crossval",
    "own_probs",
    "noise",
    "label_issues",
    "neighbors",
    "outliers",
    "imbalance",
    "nulls",
    "non_iid",
    "groups",
    "valuation",
    "duplicates",
    "near_duplicates",
    "text",
    "pii",
    "drift",
    "holdout",
    "choose",
    "decide",
    "publish",
    "report",
    "evaluate",
    "finetune",
    "export",
)
# What needs one of them has it in its fingerprint
_BESIDE: Final = ("drift", "holdout", "report", "finetune")
_BEHIND_OUTPUTS: Final = frozenset(STAGES[: STAGES.index("publish") + 1]) - {*_BESIDE}


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
        trusted: Mapping[str, Source | EarlierRun | WordList | None],
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
        is_first = not self._redo or not self._commits
        if is_first and name in _BEHIND_OUTPUTS:  # what the records say is about to change
            for record in ("manifest.json", "summary.json", "report.html"):
                self._lake.files.delete(record)
        if name not in _BESIDE:
            self._redo = True  # what comes after reads what is about to change
        self._observer.started(name)
        self._lake.revoke(name)
        started = time.monotonic()
        report = stage()
        seconds = time.monotonic() - started
        self._done(
            self._lake.commit(name, self._fingerprints[name], seconds, report), resumed=False
        )

    def recall(self, name: str) -> None:
        """Keep what an earlier run has found, where it still holds."""
        commit = None if self._redo else self._lake.committed(name)
        if commit is not None and commit.fingerprint == self._fingerprints[name]:
            self._commits.append(commit)

    def _done(self, commit: Commit, *, resumed: bool) -> None:
        self._commits.append(commit)
        self._observer.finished(commit, resumed=resumed)
        for warning in commit.warnings:
            self._observer.warned(warning)

    def account_for_every_row(self) -> RunResult:
        """Write summary.json, report.html and manifest.json; fail if a row is missing or doubled.

        Raises
        ------
        EngineError
            ``"rows_unaccounted"``
        """
        workspace = self._lake.files.root
        found = {commit.name: commit.figures for commit in self._commits}
        if "publish" not in found:
            tried = {"candidates": found["candidates"]} if "candidates" in found else {}
            return RunResult(workspace, {}, tried, {})
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
        summary = summary_of(rows, found)
        manifest = manifest_of(self._config, self._lake.spark, self._source, self._commits, rows)
        if self._noise_model is not None:
            used = self._noise_model
            manifest["noise_model"] = {"path": used.path, "sha256": used.sha256}
        self._lake.files.write_json("summary.json", summary.to_json())
        shown = None
        if "report" in found:
            noise_model = self._lake.files.read_json("noise_model.json")
            examples = from_json(Examples, found["report"])
            shown = Report(summary, manifest, noise_model, examples)
            self._lake.files.write_text("report.html", shown.html())
        self._lake.files.write_json("manifest.json", manifest)
        return RunResult(workspace, rows, summary.to_json(), manifest, shown, summary)


def _fingerprints(
    config: Config,
    source: Source,
    trusted: Mapping[str, Source | EarlierRun | WordList | None],
    decisions: Decisions | None,
    noise_model: EarlierNoiseModel | None,
) -> dict[str, str]:
    """Hash, for each stage, of what decides its result and that of all stages before it."""
    resolved = configfile.to_dict(config)
    of_drift = ("checks.drift", "checks.pii", "clean.pii", "clean.pii_tag")  # and what it may show
    sections: Mapping[str, tuple[str, ...]] = {
        "ingest": ("input", "crossval"),
        "candidates": ("embedding",),
        "embed": ("embedding",),
        "label_issues": ("label_issues",),
        "neighbors": ("checks.neighbors",),
        "outliers": ("checks.outliers",),
        "imbalance": ("checks.imbalance",),
        "nulls": ("checks.nulls",),
        "non_iid": ("checks.non_iid",),
        "groups": ("checks.groups",),
        "valuation": ("checks.valuation",),
        "duplicates": ("checks.exact_duplicates",),
        "near_duplicates": ("checks.near_duplicates",),
        "text": ("checks.text",),
        "pii": ("checks.pii",),
        "drift": of_drift,
        "decide": ("clean",),
        "publish": ("output",),
        "report": of_drift,
        "evaluate": ("evaluate",),
        "finetune": ("finetune", "export"),
        "export": ("export",),
    }
    read: dict[str, tuple[str, ...]] = {
        "evaluate": ("evaluate", "holdout"),
        "report": ("drift",),
    }
    if config.clean.is_to_be_chosen:
        read["choose"] = ("holdout",)
    chain = hashlib.sha256(f"{version('lakewinnow')} {source.fingerprint}".encode())
    fingerprints: dict[str, str] = {}
    for name in STAGES:
        own = {section: _at(resolved, section) for section in sections.get(name, ())}
        if name == "publish":
            own["output"] = {
                **own["output"],
                "mode": None,
            }  # says what to replace, not what to write
        if name == "noise" and noise_model is not None:
            own["noise_model"] = noise_model.sha256
        if name == "decide" and decisions is not None:
            own["decisions"] = decisions.fingerprint
        if name == "choose" and config.clean.is_to_be_chosen:
            own["evaluate"] = resolved["evaluate"]
        if name == "holdout":
            own["is_halved"] = config.clean.is_to_be_chosen
        own["trusted"] = [
            of.fingerprint for key in read.get(name, (name,)) if (of := trusted.get(key))
        ]
        content = json.dumps([name, own], sort_keys=True).encode()
        if name in _BESIDE:
            fingerprints[name] = hashlib.sha256(chain.digest() + content).hexdigest()
            continue
        chain.update(content)
        fingerprints[name] = chain.hexdigest()
    return fingerprints


def _at(resolved: Any, section: str) -> Any:
    for key in section.split("."):
        resolved = resolved[key]
    return resolved
