"""Text: rows whose text is damaged, repeats itself or is otherwise not what one would train on.

Reads    corpus/
Writes   checks/text/, one row per accepted row
Passes   1 over the corpus; 1 over what it writes, to count
Shuffle  none
Memory   a batch of texts a task; 75 MiB more with `languages`, for the model
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from pyspark.sql import functions as F

from lakewinnow.checks.text import CHECK, RULES, BrokenRule, TextConfig, TextFigures
from lakewinnow.checks.text.registry import rules_of, words_of
from lakewinnow.lake.check_tables import judge_texts
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.text.rules import Rule, judge


def run(run: Run, config: TextConfig) -> StageReport[TextFigures]:
    """Hold every text against the rules.

    Raises
    ------
    ConfigError : as `registry.rules_of`
    EngineError : "rule_failed": a rule of the user's own raised, or gave no number
    """
    rules = rules_of(config, words_of(config))
    report = judge_texts(run.lake, CHECK, partial(_judge, rules=rules))
    figures = TextFigures(
        rows=report.figures["rows"], rules=_funnel(run.lake, rules, report.rows_in)
    )
    return replace(report, reads={"corpus": 1, CHECK.table: 1}, figures=figures)


def _judge(
    text: str, rules: Sequence[Rule]
) -> tuple[bool, float, tuple[str, ...] | None, str | None]:
    score, broken, why = judge(text, rules)
    return why is not None, score, broken or None, why and f"text: {why}"


def _funnel(lake: Lake, rules: Sequence[Rule], n_rows: int) -> list[BrokenRule]:
    """Count, for each rule, the rows before and after it in the rules' order, and by itself."""
    broken = lake.read(CHECK.table).select(F.posexplode(RULES).alias("at", "rule"))
    counts = broken.groupBy("rule").agg(F.count("*"), F.count_if(F.col("at") == 0)).collect()
    by_rule = {name: (alone, first) for name, alone, first in counts}
    funnel, before = [], n_rows
    for rule in rules:
        alone, first = by_rule.get(rule.name, (0, 0))
        funnel.append(
            BrokenRule(
                rule=rule.name,
                above=rule.above,
                below=rule.below,
                before=before,
                after=before - first,
                alone=alone,
                source=rule.source or None,
            )
        )
        before -= first
    return funnel
