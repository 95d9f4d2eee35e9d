"""What a run would do, and what that would take; nothing is run for it, and no service is asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from lakewinnow.config.sections import FINETUNE, LLM, Config
from lakewinnow.embedding import registry
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.files import Files
from lakewinnow.lake.inputs.formats import input_format
from lakewinnow.lake.inputs.noise_models import EarlierNoiseModel
from lakewinnow.lake.inputs.source import column
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import Commit
from lakewinnow.pipeline import candidates
from lakewinnow.pipeline.commits import Why
from lakewinnow.pipeline.observer import Observer
from lakewinnow.pipeline.running import Opened, open_run
from lakewinnow.pipeline.steps import as_embedded, chosen_embedding
from lakewinnow.plan.cost import Sizes, product
from lakewinnow.plan.plan import Plan, StagePlan
from lakewinnow.plan.stage import Stage, names_of
from lakewinnow.plan.words import counted
from lakewinnow.stages import embed
from lakewinnow.typed_json import from_json

_TABLES: Final = {"accepted": "corpus", "vectors": "embeddings"}  # where these rows are
_START_S: Final = 0.1  # of any stage
_HEAD_BYTES: Final = 2**20
_SAMPLE_ROWS: Final = 1000
# What a stage reads from outside, as a sentence has it.
_OUTSIDE: Final = {
    "source": "the input",
    "reference": "evaluate.reference",
    "holdout": "the trusted rows",
    "decisions": "your decisions",
    "annotations": "input.annotations",
    "drift": "checks.drift.reference",
    "noise_model": "the noise model",
    "embedding": "the embedding model",
    "finetune_model": "the model to fine-tune",
    "crossval_model": "the model of crossval's finetune",
    "clean.is_to_be_chosen": "clean.label_issues",
}


def plan(
    config: Config,
    spark: SparkSession | None = None,
    *,
    until: str | Sequence[str] = (),
    restart: bool | str = False,
    noise_model: str | Path | EarlierNoiseModel | None = None,
) -> Plan:
    """Say what `run` would do, called the same way: which stages, why, and what they would take.

    Inputs are opened, and where tokens are to be paid for texts are counted: those of the corpus,
    or before there is one a sample of the input's.

    Raises
    ------
    LakewinnowError : as `run` does before its first stage
    """
    opened = open_run(config, spark, until, restart, noise_model, Observer())
    return _Planner(opened).plan()


@dataclass
class _Planner:
    """Goes through the stages in their order."""

    opened: Opened
    done: set[str] = field(default_factory=set)
    growth: float = 1.0  # of the input, since it was ingested
    notes: list[str] = field(default_factory=list)

    def plan(self) -> Plan:
        self.sizes = self._sizes()
        stages = [self._planned(name, stage) for name, stage in self.opened.graph.stages.items()]
        return Plan(workspace=self.opened.run.config.workspace, stages=stages, notes=self.notes)

    @property
    def _run(self) -> Run:
        return self.opened.run

    def _planned(self, name: str, stage: Stage) -> StagePlan:
        found = self.opened.commits.examine(name)
        needs = list(self.opened.graph.needs[name])
        said = partial(StagePlan, name=name, title=stage.title, purpose=stage.purpose, needs=needs)
        if isinstance(found, Commit):
            self.done.add(name)
            return said(
                is_done=True,
                why=[],
                changed=[],
                rows=found.rows_in,
                bytes=found.bytes_read,
                passes=found.passes or stage.cost.passes,
                seconds=found.seconds,
                seconds_by="earlier run",
            )
        changed = [_OUTSIDE.get(key, key) for key in found.changed]
        takes = self._takes(stage, found.before)
        return said(is_done=False, why=list(_sentences(found)), changed=changed, **takes)

    def _takes(self, stage: Stage, before: Commit | None) -> dict[str, Any]:
        """Return what a stage would take, by how it went before or by rates."""
        config, sizes, cost = self._run.config, self._sizes_of(stage), stage.cost
        takes: dict[str, Any] = {"rows": sizes.rows, "passes": cost.passes}
        memory = cost.task_memory and cost.task_memory(config, sizes)
        takes["task_memory"] = memory and int(memory)
        seconds = cost.seconds and cost.seconds(config, sizes)
        if cost.rows_per_second is not None and sizes.rows is not None:
            seconds = sizes.rows / cost.rows_per_second
        if seconds is not None:
            takes |= {"seconds": round(_START_S + seconds, 2), "seconds_by": "measured rates"}
        if before is not None and before.rows_in:
            takes |= {
                "rows": round(before.rows_in * self.growth),
                "bytes": round(before.bytes_read * self.growth),
                "passes": before.passes or cost.passes,
                "seconds": round(before.seconds * self.growth, 2),
                "seconds_by": "earlier run",
            }
        else:
            n_bytes = self._bytes(stage)
            takes["bytes"] = n_bytes and n_bytes * cost.passes
        if stage.name in ("candidates", "embed", "llm", "finetune") or (
            stage.name == "crossval" and takes.get("seconds_by") != "earlier run"
        ):
            takes |= getattr(self, f"_{stage.name}")()
        return takes

    def _sizes_of(self, stage: Stage) -> Sizes:
        """Return what a stage is about: all rows, but for the trusted ones of another file."""
        holdout, source = self._run.inputs.holdout, self._run.inputs.source
        if "holdout" not in stage.outside or holdout is None or not source.n_bytes:
            return self.sizes
        is_column = self._run.config.evaluate.trusted is not None  # how many have it is not known
        rows = None if is_column else product(self.sizes.rows, holdout.n_bytes / source.n_bytes)
        return replace(self.sizes, rows=None if rows is None else round(rows))

    def _bytes(self, stage: Stage) -> int | None:
        """Return the bytes of the tables that a stage reads, as far as they are there."""
        if "source" in stage.outside:
            return self._run.inputs.source.n_bytes
        files = self._run.lake.files
        tables = (name.removesuffix("?") for name in names_of(stage.reads, self._run.config))
        names = {_TABLES.get(name, name) for name in tables}
        return sum(files.size(name) for name in names if files.exists(name)) or None

    # --- sizes ----------------------------------------------------------------------------------

    def _sizes(self) -> Sizes:
        run, config = self._run, self._run.config
        features = None
        is_embedded = config.input.pred_probs is None and not config.input.has_own_vectors
        if is_embedded and not config.embedding.candidates:
            features = registry.identify(config.embedding).dimensions
        ingested = run.lake.committed("ingest")
        if ingested is None:
            rows = _count_rows(run)
            if rows is None:
                self.notes.append("The number of rows is not known before ingest.")
            return Sizes(rows=rows, features=features, classes=_count_classes(run))
        found = from_json(Ingested, ingested.figures)
        n_bytes = ingested.bytes_read / (3 if found.rejected else 2)  # passes of ingest
        if n_bytes:
            self.growth = run.inputs.source.n_bytes / n_bytes
        rows = round(ingested.rows_out * self.growth)
        return Sizes(rows=rows, features=features, classes=len(found.classes))

    # --- what is paid for -----------------------------------------------------------------------

    def _candidates(self) -> dict[str, Any]:
        if "ingest" not in self.done:
            self.notes.append("The cost of the candidates is not known before ingest.")
            return {}
        tokens, usd = 0, 0.0
        for of_sample, of_corpus in candidates.estimate(self._run.lake, self._run.config):
            of = of_sample.identity
            all_usd = "unknown" if of_corpus.cost_usd is None else f"{of_corpus.cost_usd:,.4f}"
            self.notes.append(
                f"With {of.provider}, {of.model}, all {counted(of_corpus.texts, 'text')} would take"
                f" {counted(of_corpus.tokens, 'token')}, {all_usd} USD."
            )
            tokens, usd = tokens + of_sample.tokens, usd + (of_sample.cost_usd or 0.0)
        return {"tokens": tokens, "usd": usd}

    def _embed(self) -> dict[str, Any]:
        config = self._run.config.embedding
        if config.candidates and "candidates" not in self.done:
            return {"seconds": None, "seconds_by": None}
        section = chosen_embedding(self._run)
        limits = registry.load(section).limits
        is_paid = bool(limits.requests_per_minute) or limits.usd_per_million_tokens != 0
        if "ingest" not in self.done:
            return self._embed_by_sample(section) if is_paid else {}
        if section.provider == "static":
            return {}
        found = embed.estimate(self._run.lake, section)
        by = "sample" if found.is_sampled else "allowed rates"
        return {
            "rows": found.texts,
            "texts": found.new,
            "tokens": found.tokens,
            "usd": found.cost_usd,
            "seconds": found.seconds,
            "seconds_by": None if found.seconds is None else by,
        }

    def _embed_by_sample(self, section: Any) -> dict[str, Any]:
        text, rows = self._run.config.input.text, self.sizes.rows
        if text is None or rows is None:
            return {}
        texts = self._run.inputs.source.df.select(column(text).alias("text"))
        some = texts.where(F.col("text").isNotNull()).limit(_SAMPLE_ROWS).toArrow()["text"]
        embedder = registry.load(section)
        n_tokens = sum(embedder.count_tokens(some.to_pylist())) * rows // max(1, len(some))
        self.notes.append(
            "Tokens are estimated from a sample of the input. Before ingest, texts that repeat or"
            " that the store already has are counted too."
        )
        price = embedder.limits.usd_per_million_tokens
        usd = None if price is None else n_tokens * price / 1e6
        return {"texts": rows, "tokens": n_tokens, "usd": usd}

    def _crossval(self) -> dict[str, Any]:
        """Have models that are fine-tuned learn from a few texts, and tell from it how long."""
        run, n_rows = self._run, self.sizes.rows
        tuned = [of for of in run.config.crossval.members if of.classifier == FINETUNE]
        if not tuned or n_rows is None or run.config.input.text is None:
            return {}
        from lakewinnow.stages.crossval import by_finetuning  # tokenizers take long to import

        if "ingest" in self.done:
            texts = run.lake.read("corpus")
        else:
            text = column(run.config.input.text).alias("text")
            texts = run.inputs.source.df.select(text).where(F.col("text").isNotNull())
        n_classes = self.sizes.classes or 2
        seconds = sum(by_finetuning.seconds_of(texts, n_rows, n_classes, of) for of in tuned)
        return {"seconds": round(seconds, 2), "seconds_by": "sample"}

    def _llm(self) -> dict[str, Any]:
        run = self._run
        if not set(self.opened.graph.needs["llm"]) <= self.done:
            self.notes.append(
                "What asking a language model takes is not known before the noise model is;"
                " `lakewinnow run CONFIG --until noise` asks nothing."
            )
            return {"seconds": None, "seconds_by": None}
        from lakewinnow.stages import llm  # services' clients take long to import

        others = [kind for kind in run.config.opinion_kinds if kind != LLM]
        found = llm.estimate(run.lake, run.config.opinions.llm, others)
        return {
            "texts": found.texts,
            "tokens": found.tokens,
            "usd": found.cost_usd,
            "seconds": found.seconds,
            "seconds_by": None if found.seconds is None else "allowed rates",
        }

    def _finetune(self) -> dict[str, Any]:
        run = self._run
        if not set(self.opened.graph.needs["finetune"]) <= self.done or run.trusted is None:
            self.notes.append(
                "What fine-tuning takes is not known before the stages it reads from are done."
            )
            return {}
        if run.config.finetune.provider == "local":
            return {}
        from lakewinnow.stages import finetune  # services' clients take long to import

        found = finetune.estimate(
            run.lake, as_embedded(run), trusted=run.trusted, reference=run.inputs.reference
        )
        tokens = found.n_trained + found.n_prompt + found.n_answer
        return {"texts": found.n_questions, "tokens": tokens, "usd": found.cost_usd}


def _sentences(why: Why) -> Iterator[str]:
    if why.asked:
        yield "--restart asks for it"
    elif why.missing:
        yield "not run yet"
    if why.lost:
        yield f"{', '.join(why.lost)}: gone, or not as written"
    if why.changed:
        yield f"{', '.join(_OUTSIDE.get(key, key) for key in why.changed)} changed"
    if why.needs:
        yield f"needs {', '.join(why.needs)}"
    if why.version:
        yield "its code is newer"


def _count_classes(run: Run) -> int:
    """Return how many classes the first rows have, if they are not given."""
    if run.config.input.classes is not None:
        return len(run.config.input.classes)
    labels = run.inputs.source.df.select(column(run.config.input.label)).limit(_SAMPLE_ROWS)
    return len(set(labels.toArrow().column(0).to_pylist()) - {None})


def _count_rows(run: Run) -> int | None:
    """Return how many rows the input has, by its footers or, about, by its first lines."""
    source, format_ = run.config.input, input_format(run.config.input)
    if source.path is None or format_ not in ("parquet", "csv", "json"):
        return None
    files = Files(source.path)
    if format_ == "parquet":
        return files.count_rows("")
    names = [""] if files.is_file() else [files.name_of(of) for of in files.listing()]
    if not names or any(name.endswith((".gz", ".bz2", ".zst", ".xz")) for name in names):
        return None
    with files.open(names[0]) as file:
        head: bytes = file.read(_HEAD_BYTES)
    n_lines = head.count(b"\n")
    return round(run.inputs.source.n_bytes * n_lines / len(head)) if n_lines else None
