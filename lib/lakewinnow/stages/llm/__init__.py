"""A language model is asked which class the texts are of whose label is unsure.

Reads    accepted, pred_probs/, noise_model.json, other annotators' opinions, the store of opinions
Writes   opinions/llm/, the store of opinions
Passes   a round: one over pred_probs/ and the corpus for the queue, those of `rate`, and the texts
Shuffle  none but the rows that are worth asking about, for the best of them
Memory   the driver: the answers, a few numbers a class each, and the texts of a round

After each round the model's own quality is known better, and the queue is made anew. Rounds are of
fixed sizes, so a run that was killed asks what it would have asked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import LLMConfig
from lakewinnow.embedding.base import OPINIONS
from lakewinnow.embedding.cost import EmbeddingCost
from lakewinnow.errors import ConfigError, unknown_classes
from lakewinnow.figures.llm import LanguageModel, Stop
from lakewinnow.lake.files import Files
from lakewinnow.lake.opinions import LLM_OPINIONS
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.opinions.llm.annotator import ChatAnnotator, access_of
from lakewinnow.opinions.llm.prices import Prices
from lakewinnow.opinions.llm.question import Question
from lakewinnow.stages.llm.asking import COST_LIMIT, batch_run, records
from lakewinnow.stages.llm.survey import Survey

__all__ = ["AskingEstimate", "cancel", "check", "check_classes", "estimate", "run"]

ReportProgress = Callable[[int, int, str], None]

TABLE: Final = "opinions/llm"
_SAMPLE: Final = 256  # texts, to estimate tokens
# Texts of the first round, how many times as many the next one has, and any at most
_ROUNDS: Final[Mapping[str, tuple[int, int, int]]] = {
    "sync": (64, 2, 4096),
    "batch": (256, 16, 50_000),  # which may take a day each
}


@dataclass(frozen=True)
class AskingEstimate:
    """What asking would take, before anything is asked."""

    texts: int
    tokens: int
    cost_usd: float | None  # None where the price is not known
    seconds: float | None  # at least, by the rates that are allowed


def check(config: LLMConfig) -> None:
    """Find what stands in the way, before anything runs.

    Raises
    ------
    ConfigError : "endpoint_missing", "max_cost_missing", "price_unknown"
    """
    if config.model is None:
        return
    access = access_of(config)
    if config.api_version is not None and config.base_url is None:
        where, expected = "opinions.llm.base_url", "the endpoint of Azure OpenAI"
        raise ConfigError("endpoint_missing", where, expected, None, "as api_version is set")
    is_free = Prices.of(config, is_openai=access.is_openai).unit == 0
    is_paid = access.is_openai or config.api_version is not None
    if is_paid and not is_free and config.max_cost_usd is None:
        where, expected = "opinions.llm.max_cost_usd", "the most that may be spent, in USD"
        hint = "`lakewinnow plan` says what it may cost"
        raise ConfigError("max_cost_missing", where, expected, None, hint)
    EmbeddingCost(ChatAnnotator(config, Question(("",))).limits, config.max_cost_usd, OPINIONS)


def check_classes(config: LLMConfig, classes: Sequence[str]) -> None:
    """Raise ConfigError "unknown_class": something is described that is none."""
    ConfigError.raise_any(unknown_classes("opinions.llm.describe", config.describe, classes))


def run(
    lake: Lake, config: LLMConfig, kinds: Sequence[str], report_progress: ReportProgress
) -> StageReport[LanguageModel]:
    """Ask about all unsure texts, as far as they may be paid, the most valuable first.

    Parameters
    ----------
    kinds : of the other annotators, those that have opinions
    report_progress : gets now and then how many texts are answered, how many are unsure, and what
        was used so far

    Raises
    ------
    ProviderError : the service refuses the run, or keeps failing; what it has said is in the store
    """
    survey = Survey(lake, config, kinds)
    asker = survey.asker
    n_worth = survey.count_texts()
    n_most = n_worth if config.max_rows is None else min(config.max_rows, n_worth)

    def report(n_asked: int) -> None:
        report_progress(n_asked, max(n_most, n_asked), asker.note)

    size, growth, largest = _ROUNDS[config.mode]
    n_rounds = 0
    stopped_by: Stop | None = None
    while stopped_by is None:
        n = size if config.max_rows is None else min(size, config.max_rows - survey.n_asked)
        keys, texts = survey.next_texts(n) if n else ([], [])
        if not keys:
            stopped_by = "sure" if n else "max_rows"
            break
        error = asker.ask(keys, texts, report)
        n_rounds, size = n_rounds + 1, min(size * growth, largest)
        if error is not None and error.code != COST_LIMIT:
            raise error
        stopped_by = None if error is None else "max_cost_usd"
        survey.learn()
    opinions = survey.opinions.withColumn(c.ANNOTATOR, F.lit(config.model))
    lake.publish(TABLE, opinions, schema=LLM_OPINIONS)
    survey.forget()
    figures = _figures(survey, n_rounds, stopped_by, lake.rows(TABLE))
    return StageReport(
        rows_in=lake.rows("pred_probs"),
        rows_out=figures.rows,
        reads={"pred_probs": n_rounds + 1, "corpus": n_rounds + 2},
        writes=(TABLE,),
        figures=figures,
    )


def _figures(survey: Survey, n_rounds: int, stopped_by: Stop, n_rows: int) -> LanguageModel:
    asker, said = survey.asker, survey.asker.said
    usd = asker.usd_of(said)
    has_label = said.labels >= 0
    is_refusal = ~has_label & (said.refused > said.outside)
    return LanguageModel(
        model=str(survey.config.model),
        question=asker.annotator.question.key,
        asked=survey.n_asked,
        answered=int(has_label.sum()),
        outside=int((~has_label & ~is_refusal).sum()),
        refused=int(is_refusal.sum()) + len(asker.refused),
        suspicious=len(survey.suspicious & asker.answers.keys()),
        rows=n_rows,
        rounds=n_rounds,
        stopped_by=stopped_by,
        prompt_tokens=int(said.prompt_tokens.sum()),
        answer_tokens=int(said.answer_tokens.sum()),
        cost_usd=None if usd is None else round(usd, 6),
        new=asker.n_new,
        requests=asker.n_requests,
    )


def estimate(lake: Lake, config: LLMConfig, kinds: Sequence[str]) -> AskingEstimate:
    """Say what asking would take, within the bounds; asks nothing."""
    survey = Survey(lake, config, kinds)
    annotator, stored = survey.asker.annotator, survey.asker.stored
    n_worth = survey.count_texts()
    n = n_worth if config.max_rows is None else min(config.max_rows, n_worth)
    _, texts = survey.next_texts(min(n, _SAMPLE)) if n else ([], [])
    survey.forget()
    n_new = max(0, n - len(stored))
    each = np.array([annotator.expected(text) for text in texts], np.float64).reshape(-1, 2)
    mean = each.mean(axis=0) if texts else np.zeros(2)
    n_prompt, n_answer = map(round, mean * survey.learnt * n_new)
    usd = annotator.prices.usd(n_prompt, n_answer)
    spent = survey.asker.usd_of(survey.asker.in_order(stored))
    if usd is not None and spent is not None and config.max_cost_usd is not None:
        usd = min(usd, max(0.0, config.max_cost_usd - spent))
    is_by_batch = config.mode == "batch"
    seconds = None if is_by_batch else survey.asker.cost.seconds(n_prompt + n_answer, n_new)
    return AskingEstimate(n_new, n_prompt + n_answer, usd, seconds)


def cancel(config: LLMConfig, files: Files) -> int:
    """Have the batches of a workspace that are under way cancelled; return how many there were."""
    n = sum(state.is_under_way for state in records(files).all())
    batch_run(ChatAnnotator(config, Question(("",))), config, files).cancel()
    return n
