"""What a language model was asked, and what that took."""

from dataclasses import dataclass
from typing import Annotated, Literal

Stop = Literal["sure", "max_rows", "max_cost_usd"]


@dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """What a language model was asked as an annotator; a text is asked about once."""

    model: str
    question: Annotated[str, "what the question is filed under: instruction, classes, examples"]
    asked: Annotated[int, "texts"]
    answered: Annotated[int, "of these, with an opinion: one class has most answers"]
    outside: Annotated[int, "of these, without one: no class is named, or several as often"]
    refused: Annotated[int, "of these, that the model or its service refuses to answer"]
    suspicious: Annotated[int, "of these, that give orders to it; their opinions do not vote"]
    rows: Annotated[int, "accepted rows that have an opinion"]
    rounds: Annotated[int, "times that the queue was made anew"]
    stopped_by: Annotated[Stop, "why no more were asked: a bound, or no other is unsure"]
    # of all these answers, whenever they were paid for
    prompt_tokens: int
    answer_tokens: int
    cost_usd: Annotated[float | None, "null where a price is not known"] = None
    # in this run
    new: Annotated[int, "of the answered, asked by this run; others were in the store"]
    requests: Annotated[int, "sent by this run"]
