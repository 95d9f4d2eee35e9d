"""Which stages are done, and why others are not.

A stage is done as long as its record has the fingerprint that it would get now, and the commits
that it read still stand: a stage that it needs, done again, has another commit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import Commit, StageReport
from lakewinnow.pipeline import identities
from lakewinnow.plan.graph import Graph
from lakewinnow.plan.stage import loaded


@dataclass(frozen=True)
class Why:
    """Why a stage is to be done."""

    asked: bool = False  # it is to be done again
    missing: bool = False  # there is no record of it
    lost: tuple[str, ...] = ()  # tables and files that it wrote, and that are not as they were
    version: bool = False  # its code is of another version
    changed: tuple[str, ...] = ()  # keys and inputs from outside that are not what they were
    # stages whose tables it reads, and which are to be done, or have been done again
    needs: tuple[str, ...] = ()
    before: Commit | None = None  # the record that does not stand


class Commits:
    """The records of a workspace's stages, held against what they would be now.

    Parameters
    ----------
    graph : of all stages that the configuration turns on
    redo : stages that are to be done again, whatever their records say
    """

    def __init__(self, run: Run, graph: Graph, redo: frozenset[str]) -> None:
        self._run, self._graph, self._redo = run, graph, redo
        self._standing: dict[str, Commit] = {}

    def standing(self, name: str) -> Commit | None:
        """Return a stage's record, if it is done; what it needs has to be asked first."""
        found = self.examine(name)
        return found if isinstance(found, Commit) else None

    def examine(self, name: str) -> Commit | Why:
        """Return a stage's record, or why there is none that stands."""
        commit = self._run.lake.record(name)
        if name in self._redo:
            return Why(asked=True, before=commit)
        if commit is None:
            return Why(missing=True)
        lost = self._run.lake.lost(commit)
        if lost:
            return Why(lost=tuple(lost), before=commit)
        needs = self._graph.needs[name]
        stale = tuple(
            need
            for need in needs
            if need not in self._standing or self._standing[need].id != commit.needs.get(need)
        )
        # What it comes to, a stage that resolves its settings can say when its tables are there
        is_known = not (stale and self._graph[name].resolved)
        decided_by = self._decided_by(name) if is_known else commit.decided_by
        changed = [
            key
            for key in sorted({*decided_by, *commit.decided_by})
            if decided_by.get(key) != commit.decided_by.get(key)
        ]
        others = sorted({*needs} ^ commit.needs.keys())
        if stale or changed or others:
            needed = tuple(dict.fromkeys([*stale, *others]))
            return Why(changed=tuple(changed), needs=needed, before=commit)
        if commit.fingerprint != self._fingerprint(name, decided_by):
            return Why(version=True, before=commit)
        self._standing[name] = commit
        return commit

    def write(self, name: str, seconds: float, report: StageReport[Any]) -> Commit:
        """Write the record of a stage that has run."""
        decided_by = self._decided_by(name)
        commit = self._run.lake.commit(
            name,
            self._fingerprint(name, decided_by),
            seconds,
            report,
            needs={need: self._standing[need].id for need in self._graph.needs[name]},
            decided_by=decided_by,
        )
        self._standing[name] = commit
        self._redo -= {name}
        return commit

    def all_standing(self) -> Iterator[Commit]:
        """Give the records of all stages that are done, those of other runs too, in their order."""
        for name in self._graph:
            commit = self._standing.get(name) or self.standing(name)
            if commit is not None:
                yield commit

    def _decided_by(self, name: str) -> Mapping[str, str]:
        stage, run = self._graph[name], self._run
        resolved = loaded(stage.resolved)(run.config, run.lake) if stage.resolved else {}
        settings = identities.settings_of(stage, run.config, resolved)
        outside = identities.outside_of(stage, run.config, run.inputs)
        return identities.hashes(settings | outside)

    def _fingerprint(self, name: str, decided_by: Mapping[str, str]) -> str:
        needed = {need: self._standing[need].fingerprint for need in self._graph.needs[name]}
        return self._graph.fingerprint(name, decided_by, needed)
