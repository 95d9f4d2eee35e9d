"""What a language model was asked, in words."""

from collections.abc import Iterator
from typing import Final

from lakewinnow.figures.llm import LanguageModel
from lakewinnow.plan.words import counted

_STOPPED: Final = {
    "sure": "no other text is unsure",
    "max_rows": "opinions.llm.max_rows allows no more",
    "max_cost_usd": "opinions.llm.max_cost_usd allows no more",
}


def sentences(found: LanguageModel | None) -> Iterator[str]:
    """Say what was asked, what was spent, and what did not become an opinion."""
    if found is None:
        return
    n_tokens = found.prompt_tokens + found.answer_tokens
    usd = "" if found.cost_usd is None else f", {found.cost_usd:,.4f} USD"
    yield (
        f"Language model {found.model}: asked about {counted(found.asked, 'unsure text')}"
        f" ({counted(n_tokens, 'token')}{usd}; {found.new:,} of them now);"
        f" {_STOPPED[found.stopped_by]}"
    )
    without = [
        f"{n:,} {what}"
        for n, what in (
            (found.outside, "named no class"),
            (found.refused, "refused"),
            (found.suspicious, "to a text that gives the model orders"),
        )
        if n
    ]
    if without:
        yield f"Answers that are no opinion: {', '.join(without)}"
