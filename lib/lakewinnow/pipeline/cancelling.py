"""Taking back what a service was asked."""

from lakewinnow.config.sections import LLM, Config
from lakewinnow.embedding import listed
from lakewinnow.lake.files import Files
from lakewinnow.pipeline import candidates


def cancel_finetuning(config: Config) -> int:
    """Have the jobs of a workspace that are under way cancelled; return how many there were."""
    from lakewinnow.stages import finetune

    return finetune.cancel(config, Files(config.workspace))


def cancel_batches(config: Config) -> int:
    """Have OpenAI's batches of a workspace that are under way cancelled; return how many."""
    from lakewinnow.stages import llm
    from lakewinnow.stages.embed import by_batch

    workspace, sections = Files(config.workspace), listed.sections(config.embedding)
    of_service = [section for section in sections if section.provider == "openai"]
    n = 0
    for section in of_service or [config.embedding]:
        n += by_batch.cancel(section, workspace)
        n += by_batch.cancel(section, Files(workspace.path(candidates.FOLDER)))
    if LLM in config.opinion_kinds:
        n += llm.cancel(config.opinions.llm, workspace)
    return n
