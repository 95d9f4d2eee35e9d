"""What becomes of label issues, where the configuration leaves that to what trusted rows show."""

from dataclasses import replace
from typing import Any, Final, cast, get_args, get_type_hints

from lakewinnow.config.sections import CleanConfig, Config
from lakewinnow.figures.models import Choice
from lakewinnow.lake.workspace import Lake
from lakewinnow.pipeline.stages import Stages
from lakewinnow.stages import evaluate

_NOT_FOR_MODELS: Final = ("pii", "else_")  # what they say holds whether models gain by it or not


def with_choice(
    config: Config, lake: Lake, stages: Stages, trusted: Lake | None
) -> tuple[Config, str]:
    """Have the stage run where something is to be chosen.

    Returns
    -------
    what later stages are to work with, and the reason of the choice
    """
    if not config.clean.is_to_be_chosen:
        return config, ""
    stages.run("choose", lambda: evaluate.choose(lake, config, trusted))
    if lake.committed("choose") is None:  # the run stops before
        return config, ""
    found = lake.figures("choose", Choice)
    clean: CleanConfig = replace(config.clean, label_issues=cast("Any", found.label_issues))
    if found.is_unchanged:
        clean = _unchanging(clean)
    return replace(config, clean=clean), found.why


def _unchanging(clean: CleanConfig) -> CleanConfig:
    """Let every check keep the rows that it doubts."""
    keep: dict[str, Any] = {
        name: "keep"
        for name, hint in get_type_hints(CleanConfig).items()
        if "keep" in get_args(hint) and name not in _NOT_FOR_MODELS
    }
    return replace(clean, **keep)
