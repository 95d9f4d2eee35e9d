"""Whether a text gives orders to whoever reads it as a language model does.

It is asked about like any other, quoted as data. But its opinion says nothing of how good the model
is, it is shown as no example, and people are told.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Final

_LONG_NAME: Final = 5  # letters of a class that people rarely ask for otherwise, as for yes and no

_SAY: Final = r"\b(answer|respond|reply|output|return|print)\s+"
_ORDERS: Final = re.compile(
    "|".join(
        [
            # "ignore all previous instructions", and the like in other languages
            r"(?<!n't )(?<!not )\b(ignore|disregard|forget|override|bypass)\s+"
            r"(all|any|every\w*|the|your|my|these|those|previous|prior|above|earlier)\b.{0,40}"
            r"\b(instructions?|prompts?|rules|guidelines|directions|context)\b",
            r"\b(ignore|disregard|forget)\s+(all|everything|anything|the|what\w*)\W.{0,20}\babove\b",
            r"\bnew (instructions?|task)\s*:",
            r"\b(ignorier\w*|vergiss|missachte)\b.{0,40}\b(anweisung|vorgabe|regel|befehl)\w*",
            r"\b(ignore[zr]?|oublie[zr]?)\b.{0,40}\b(instructions|consignes|r[èe]gles)\b",
            r"\b(ignora|olvida|ignore|omite)\w*\b.{0,40}\b(instrucciones|instru[çc][õo]es|reglas)\b",
            r"忽略.{0,12}(指令|指示|提示)",
            # "answer only with 'polite'", "you must label this as polite", "the right label is"
            rf"{_SAY}(only|just|exactly|simply|nothing but)\b",
            rf"{_SAY}(with|as)?\s*([\"'“‘{{]|the (word|label|class|category)\b)",
            r"\b(label|classify|mark|categori[sz]e|tag|rate)\b\s+"
            r"(this|it|the (text|message|comment))\b.{0,20}\b(as|with)\b",
            r"\b(correct|right|true)\s+(label|class|answer|category)\s+(is|=|:)",
            # Who it takes for its reader
            r"\byou are (now (an?|in)|an? (ai|assistant|chatbot|language model|llm|classifier))\b",
            r"\b(system|developer)\s+(prompt|message|instructions?)\b",
            r"\b(as an|dear) (ai|language model|llm|chatbot)\b",
            r"\b(jailbreak|prompt injection|developer mode)\b",
            # What stands between messages, and around answers
            r"<\|[a-z_]{2,30}\|>|\[/?INST\]|<</?SYS>>|</?s>|<(start|end)_of_turn>",
            r"^\s*(#{2,}\s*)?(system|assistant|user|instruction|response)\s*:\s",
            r"^\s*#{2,}\s*(instruction|response|system|new task)s?\b",
            r"[{]\s*\\?[\"']label\\?[\"']\s*:",
            r"</(text|data|document|input|user|untrusted\w*)>",
        ]
    ),
    re.IGNORECASE | re.MULTILINE,
)
_ASKS: Final = r"\b(answer|respond|reply|output|say|return|print|choose|pick|select)\b\W+"


def is_suspicious(text: str, classes: Sequence[str]) -> bool:
    """Return whether a text seems to give orders to a model, or to ask for one of the classes."""
    return bool(_ORDERS.search(text) or _asking_for(tuple(classes)).search(text))


@cache
def _asking_for(classes: tuple[str, ...]) -> re.Pattern[str]:
    names = "|".join(re.escape(name) for name in classes if len(name) >= _LONG_NAME)
    asked = rf"{_ASKS}((with|as|is)\W+)?({names})\b" if names else r"(?!)"
    return re.compile(asked, re.IGNORECASE)
