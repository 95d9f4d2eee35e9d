"""report.html: one file that shows what a run found, and needs nothing else, no network either.

Its figures are those of summary.json and manifest.json; its examples are of the stage `report`. Its
size is bounded whatever the corpus: see `MOST_IN_MATRIX` and `stages.report`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.figures.examples import Examples, Histogram
from lakewinnow.figures.manifest import Manifest
from lakewinnow.figures.summary import Summary
from lakewinnow.plan.check import Check
from lakewinnow.plan.registry import own_checks
from lakewinnow.plan.words import counted, duration, size
from lakewinnow.report import charts, findings, opinions, verdicts, words
from lakewinnow.report.charts import Node, Picture

MOST_IN_MATRIX: Final = 24  # classes; of more, those with the worst labels
_MOST_CLASSES: Final = 200  # rows of the table of classes
_MOST_OPEN: Final = 15  # of these that are seen at once, and of classes with examples
_MOST_WORST_OPEN: Final = 5
_FOR: Final = {"label issues": "wrong labels", "own decisions": "your own decisions"}


@dataclass(frozen=True)
class Report:
    """What a finished run has written down."""

    summary: Summary
    manifest: Manifest
    noise_model: Mapping[str, Any]  # the content of noise_model.json
    examples: Examples  # what the stage `report` has found
    checks: Sequence[Check[Any]] = own_checks()  # that may have been made, for their words

    def html(self) -> str:
        """Return the page."""
        return _environment().get_template("report.html").render(**self._context())

    def in_notebook(self) -> str:
        """Return the page as a part of another, whose style it leaves alone."""
        return str(
            Markup(
                '<iframe title="lakewinnow report" sandbox="" srcdoc="{}"'
                ' style="width:100%;height:40rem;border:0"></iframe>'
            ).format(self.html())
        )

    def pictures(self) -> dict[str, Picture]:
        """Return the pictures by name; notebooks show them."""
        all_rows = charts.histogram("All rows", _stacked(self.examples.histogram))
        found = {"flow": self._flow(), "label_scores": all_rows}
        shown, noise_matrix = self._matrix("noise_matrix")
        found["noise_matrix"] = charts.heat_map(
            noise_matrix, shown, across="true label", down="given label"
        )
        _, joint = self._matrix("confident_joint")
        found["confident_joint"] = charts.heat_map(
            joint, shown, across="true label", down="given label", form=",.0f"
        )
        asked = self.summary.ask
        if asked and asked.curve:
            title, names = (
                "Labels more that are right",
                ("rows of ask/ (line)", "rows at random (dashed)"),
            )
            found["ask"] = charts.curve(title, asked.curve, asked.by_chance, names=names)
        return found

    def _context(self) -> dict[str, Any]:
        summary, config = self.summary, self.manifest.config
        trained = summary.evaluate, summary.comparison
        return {
            "style": Markup(_style()),  # noqa: S704 - ours
            "summary": summary,
            "manifest": self.manifest,
            "examples": self.examples,
            "pictures": self.pictures(),
            "histograms": self._histograms(),
            "noise_model": self.noise_model,
            "classes": self.noise_model["label_health"]["classes"][:_MOST_CLASSES],
            "n_classes": len(self.noise_model["classes"]),
            "n_in_matrix": min(len(self.noise_model["classes"]), MOST_IN_MATRIX),
            "overlaps": self.noise_model["label_health"]["overlaps"][:12],
            "config": yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
            "source": config["input"]["table"] or config["input"]["path"],
            "findings": findings.of_checks(self.checks, summary.checks, summary.label_issues.rows),
            "costs": list(words.costs(summary.embedding)) if summary.embedding else [],
            "compared": [
                (title, found, list(verdicts.of_models(found, how)))
                for title, found, how in (
                    ("Models trained on each version of the labels", *trained),
                    ("Fine-tuned models", summary.finetune, summary.finetuning),
                )
                if found and how
            ],
            "noise": list(
                verdicts.of_noise(
                    summary.crossval.noise, has_opinions=opinions.show_labels(summary.opinions)
                )
            ),
            "opinions": list(opinions.sentences(summary.opinions)),
            "confusions": opinions.confusions(summary.opinions),
            "annotators": opinions,
            "promises": [
                *verdicts.of_promise(summary),
                *verdicts.of_unlabelled(summary.unlabelled),
            ],
            "detection": list(verdicts.of_detection(summary.detection)),
            "bar": charts.bar,
            "interval": charts.interval,
            "most_open": _MOST_OPEN,
            "most_worst_open": _MOST_WORST_OPEN,
            "words": words,
        }

    def _flow(self) -> Picture:
        rows, n_fixed = self.summary.rows, self.summary.decisions.get("fix", 0)
        of = self.summary.unlabelled
        n_new = of.rows - of.stay_out if of else 0
        nodes = [
            Node("stay as they are", rows.clean - n_fixed, "kept"),
            Node("stay with another label", n_fixed - n_new, "fixed"),
            *([Node("had no label and got one", n_new, "fixed")] if n_new else []),
            Node("to review", rows.review, "review"),
        ]
        for cause, n in self.summary.dropped.items():
            nodes.append(Node("dropped", n, "dropped", _FOR.get(cause, cause)))
        nodes.append(Node("in quarantine", rows.quarantine, "quarantine"))
        return charts.flow(rows.in_, nodes)

    def _matrix(self, name: str) -> tuple[list[str], list[list[float]]]:
        """Return a K × K matrix, or its part of the classes with the worst labels."""
        names, values = self.noise_model["classes"], self.noise_model.get(name)
        worst = [of["class_index"] for of in self.noise_model["label_health"]["classes"]]
        kept = sorted(worst[:MOST_IN_MATRIX])
        shown = [names[k] for k in kept]
        if values is None:  # there are too many classes for the file
            matrix = getattr(NoiseModel.from_dict(self.noise_model), name)
            return shown, matrix.part(np.array(kept)).tolist()
        return shown, [[values[i][j] for j in kept] for i in kept]

    def _histograms(self) -> list[Picture]:
        """Return the label scores by class; by self-confidence, with the confident threshold."""
        rules = self.manifest.config["label_issues"]
        is_self_confidence = (
            rules["method"] == "confident_learning"
            and rules["rank_by"] == "self_confidence"
            and not rules["adjust_pred_probs"]
        )
        thresholds = dict(
            zip(self.noise_model["classes"], self.noise_model["thresholds"], strict=True)
        )
        return [
            charts.histogram(
                name,
                _stacked(counted),
                marks={"threshold": thresholds[name]} if is_self_confidence else None,
            )
            for name, counted in self.examples.histograms.items()
            if sum(counted.kept) + sum(counted.flagged)
        ]


def _stacked(counted: Histogram) -> dict[str, list[int]]:
    return {"kept": counted.kept, "issue": counted.flagged}


def _style() -> str:
    return files(__package__).joinpath("report.css").read_text(encoding="utf-8")


@cache  # with it the templates are: to compile them takes longer than to fill them in
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lakewinnow.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": lambda n: f"{n:,}",
        "percent": words.percent,
        "points": lambda x: f"{100 * x:+.1f}",
        "drift_test": findings.test_in_words,
        "counted": counted,
        "duration": duration,
        "size": size,
    }
    return environment
