"""Which stage needs which: a stage needs those that write what it reads."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from lakewinnow.config.sections import Config
from lakewinnow.errors import ConfigError, Shown, did_you_mean
from lakewinnow.plan.stage import OPTIONAL, Names, Stage, names_of


@dataclass(frozen=True)
class Graph:
    """Stages by name, each after all that it needs."""

    stages: Mapping[str, Stage]
    needs: Mapping[str, Names]  # for each stage, the names of those that it needs directly
    off: Mapping[str, Stage]  # stages that the configuration does not turn on

    @classmethod
    def of(cls, stages: Iterable[Stage], config: Config) -> "Graph":
        """Return the graph of the stages that the configuration turns on.

        Stages keep the order in which they are given, where what they need allows it.

        Raises
        ------
        ConfigError : "duplicate_stage", "two_writers" of one table, "no_writer" of a table that a
            stage reads, "circle" of stages that need each other
        """
        by_name: dict[str, Stage] = {}
        off: dict[str, Stage] = {}
        for stage in stages:
            if stage.name in by_name or stage.name in off:
                raise _error("duplicate_stage", stage.name, "a name of its own", stage.name)
            (by_name if stage.is_on(config) else off)[stage.name] = stage
        writers = _writers(by_name, config)
        needs = {name: _needs(stage, writers, config) for name, stage in by_name.items()}
        order = list(_in_order(needs))
        return cls(
            {name: by_name[name] for name in order}, {name: needs[name] for name in order}, off
        )

    def __getitem__(self, name: str) -> Stage:
        return self.stages[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.stages)

    def __contains__(self, name: object) -> bool:
        return name in self.stages

    def check(self, name: str, key: str) -> None:
        """Make sure that there is such a stage; `key` is what the error names.

        Raises
        ------
        ConfigError : "unknown_stage"; "stage_off": the configuration does not turn it on
        """
        if name in self.off:
            hint = f"{self.off[name].turned_on_by} turns it on"
            raise ConfigError("stage_off", key, "a stage that is on", name, hint)
        if name not in self:
            hint = did_you_mean(name, list(self)) or "`lakewinnow plan` shows the stages"
            raise ConfigError("unknown_stage", key, "a stage of this configuration", name, hint)

    def up_to(self, *names: str) -> "Graph":
        """Return the part that these stages need, or that runs by default if none is named.

        Raises
        ------
        ConfigError : as `check`, at "until"
        """
        for name in names:
            self.check(name, "until")
        wanted = set(names) or {
            name for name, stage in self.stages.items() if stage.by_default and not stage.on_demand
        }
        for name in reversed(list(self)):
            if name in wanted:
                wanted |= set(self.needs[name])
        return Graph(
            {name: stage for name, stage in self.stages.items() if name in wanted},
            {name: needs for name, needs in self.needs.items() if name in wanted},
            self.off,
        )

    def writer(self, table: str, config: Config) -> str | None:
        """Return the stage that writes a table."""
        return _writers(self.stages, config).get(table)

    def what_needs(self, name: str) -> frozenset[str]:
        """Return the stage and all that need it, directly or through others."""
        found = {name}
        for other, needs in self.needs.items():
            if not found.isdisjoint(needs):
                found.add(other)
        return frozenset(found)

    def fingerprint(self, name: str, decided_by: Any, needed: Mapping[str, str]) -> str:
        """Return a hash of all that decides a stage's result.

        Parameters
        ----------
        decided_by : JSON of its settings and of what it reads from outside
        needed : the fingerprints of the stages that it needs
        """
        content = [name, self[name].version, decided_by, dict(needed)]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _writers(stages: Mapping[str, Stage], config: Config) -> dict[str, str]:
    writers: dict[str, str] = {}
    for stage in stages.values():
        for table in names_of(stage.writes, config):
            if table in writers:
                got = f"{writers[table]} and {stage.name}"
                raise _error("two_writers", table, "one stage that writes it", got)
            writers[table] = stage.name
    return writers


def _needs(stage: Stage, writers: Mapping[str, str], config: Config) -> Names:
    """Return the stages that write what a stage reads, in the order of `writers`."""
    found = set()
    for read in names_of(stage.reads, config):
        table = read.removesuffix(OPTIONAL)
        tables = {name for name in writers if fnmatchcase(name, table)}
        if not tables and table == read and "*" not in table:
            raise _error("no_writer", f"{stage.name}, which reads {table}", "a writer of it", None)
        found |= {writers[name] for name in tables}
    found.discard(stage.name)
    return tuple(dict.fromkeys(name for name in writers.values() if name in found))


def _in_order(needs: Mapping[str, Names]) -> Iterator[str]:
    """Give each stage after those it needs; of several that are ready, the first declared."""
    left = dict(needs)
    while left:
        ready = next((n for n, of in left.items() if left.keys().isdisjoint(of)), None)
        if ready is None:
            raise _error("circle", ", ".join(left), "stages that need no stage that needs them")
        del left[ready]
        yield ready


def _error(code: str, where: str, expected: str, got: str | None = "a circle") -> ConfigError:
    hint = "it is the declarations of stages that do not fit: their reads, writes or is_on"
    return ConfigError(code, where, expected, None if got is None else Shown(got), hint)
