"""What a run would do: a table for people, JSON for programs, and a graph for Graphviz."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from lakewinnow.plan.words import counted, duration, size
from lakewinnow.typed_json import to_json

SCHEMA_VERSION: Final = 1
_HEADS: Final = ("stage", "rows", "passes", "reads", "time", "memory")
_WIDTHS: Final = (16, 10, 8, 8, 8, 8)
_BEFORE_WHY: Final = 2 + sum(_WIDTHS) + 2
_LEAST_WHY: Final = 18


@dataclass(frozen=True, kw_only=True)
class StagePlan:
    """What a run would do about a stage, and what that takes."""

    name: Annotated[str, "as `--until` has it"]
    title: Annotated[str, "as progress has it"]
    purpose: Annotated[str, "what it does"]
    needs: Annotated[list[str], "stages whose tables it reads"]
    is_done: Annotated[bool, "whether the run would leave it out"]
    why: Annotated[list[str], "why it would run"]
    changed: Annotated[list[str], "keys and inputs that are not what they were when it ran"]
    rows: Annotated[int | None, "rows that it reads"] = None
    bytes: Annotated[int | None, "bytes that it reads, in all passes"] = None
    passes: Annotated[int | None, "over its largest table"] = None
    seconds: Annotated[float | None, "that it would take; of a stage that is done: took"] = None
    seconds_by: Annotated[
        Literal["earlier run", "measured rates", "allowed rates", "sample"] | None,
        "what the seconds are known by",
    ] = None
    task_memory: Annotated[int | None, "bytes that one task takes at most"] = None
    texts: Annotated[int | None, "texts to embed, or to train on"] = None
    tokens: Annotated[int | None, "of these"] = None
    usd: Annotated[float | None, "what a service would ask for it"] = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run would do."""

    workspace: Annotated[str, "the folder"]
    stages: Annotated[list[StagePlan], "each after those that it needs"]
    notes: Annotated[list[str], "what the figures leave out, and what is not known yet"]

    @property
    def to_run(self) -> list[StagePlan]:
        """The stages that would run."""
        return [stage for stage in self.stages if not stage.is_done]

    @property
    def seconds(self) -> float | None:
        """Of all stages that would run; None where one is not known."""
        known = [stage.seconds for stage in self.to_run]
        return None if None in known else sum(s for s in known if s is not None)

    @property
    def usd(self) -> float:
        """Of all stages that would run and whose price is known."""
        return sum(stage.usd or 0.0 for stage in self.to_run)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON."""
        totals = {"seconds": self.seconds, "usd": self.usd}
        return {"schema_version": SCHEMA_VERSION, **to_json(self), "totals": totals}

    def text(self, width: int = 80) -> str:
        """Return the plan as a table; its memory is that of one task, at most."""
        return "\n".join(self._lines(max(_LEAST_WHY, width - _BEFORE_WHY)))

    def dot(self) -> str:
        """Return the graph for Graphviz: `dot -Tsvg`."""
        lines = ["digraph lakewinnow {", '  rankdir="LR"; node [shape="box", style="filled"];']
        for stage in self.stages:
            color = "white" if stage.is_done else "lightblue"
            lines.append(f'  "{stage.name}" [label="{stage.title}", fillcolor="{color}"];')
        names = {stage.name for stage in self.stages}
        lines += [
            f'  "{need}" -> "{stage.name}";'
            for stage in self.stages
            for need in stage.needs
            if need in names
        ]
        return "\n".join([*lines, "}"])

    def _lines(self, width_of_why: int) -> Iterator[str]:
        yield f"{self.workspace}: {self._summary()}"
        yield ""
        yield f"  {_row(_HEADS)}  why"
        for stage in self.stages:
            cells = (
                stage.name,
                "" if stage.rows is None else f"{stage.rows:,}",
                "" if stage.passes is None else f"{stage.passes}",
                "" if stage.bytes is None else size(stage.bytes),
                "" if stage.is_done or stage.seconds is None else _duration(stage.seconds),
                "" if stage.is_done or stage.task_memory is None else size(stage.task_memory),
            )
            mark = "✓" if stage.is_done else "▸"
            why = "done" if stage.is_done else stage.why[0]
            first, *more = textwrap.wrap(why, width_of_why, break_long_words=False) or [""]
            yield f"{mark} {_row(cells)}  {first}"
            yield from (" " * _BEFORE_WHY + line for line in more)
        for stage in self.to_run:
            if stage.tokens is not None:
                usd = "unknown" if stage.usd is None else f"{stage.usd:,.4f}"
                texts = "" if stage.texts is None else f"{counted(stage.texts, 'text')}, "
                yield ""
                yield f"{stage.name}: {texts}about {counted(stage.tokens, 'token')}, {usd} USD"
        if self.notes:
            yield ""
            yield from self.notes

    def _summary(self) -> str:
        n_stages, n_to_run = len(self.stages), len(self.to_run)
        if not n_to_run:
            return f"all {counted(n_stages, 'stage', 'is')} done; a run would change nothing"
        done = f"{counted(n_stages - n_to_run, 'stage', 'is', of=n_stages)} done"
        seconds = sum(stage.seconds or 0.0 for stage in self.to_run)
        unknown = [stage.name for stage in self.to_run if stage.seconds is None]
        time = f"in about {_duration(seconds)}" if seconds else "in an unknown time"
        besides = f", not counting {', '.join(unknown)}" if seconds and unknown else ""
        return f"{done}; {n_to_run} would run {time}{besides}"


def _row(cells: Sequence[str]) -> str:
    first, *rest = zip(cells, _WIDTHS, strict=True)
    return f"{first[0]:<{first[1]}}" + "".join(f"{cell:>{width}}" for cell, width in rest)


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)
