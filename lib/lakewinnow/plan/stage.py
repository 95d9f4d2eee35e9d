"""What a stage says of itself: the one place that a run, a plan and a report learn it from."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from lakewinnow.plan.cost import UNKNOWN, Cost

if TYPE_CHECKING:  # whose sections of checks are declared by means of this module
    from lakewinnow.config.sections import Config

Names: TypeAlias = tuple[str, ...]
NamesOf: TypeAlias = "Names | Callable[[Config], Names]"
Function: TypeAlias = Callable[..., Any] | str

OPTIONAL: Final = "?"  # ends a table that a stage reads only where another stage writes it


def _always(_: "Config") -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of a run."""

    name: str  # names it in `--until`, in the commit record and in the manifest
    title: str  # names it in progress and report
    purpose: str  # one line, which ends a sentence that begins with its title
    # a function that is given the `Run` and returns a `StageReport`; or "module:function", which is
    # imported only when the stage runs
    run: Function
    # the tables it reads, or a function of the configuration that says which. "x?" is read if some
    # stage writes it, "checks/*" is every table of that form
    reads: NamesOf = ()
    writes: NamesOf = ()  # the tables it writes; a table has one writer
    # dotted keys of the configuration that decide its result, or sections of it
    settings: NamesOf = ()
    # keys within those that say how it works, but change no result: time-outs, batch sizes
    how: Names = ()
    # what decides its result and lies outside the workspace, by the names of `Run.inputs`
    outside: Names = ()
    code: NamesOf = ()  # import paths of functions that decide it; of ours `version` says it
    is_on: "Callable[[Config], bool]" = _always  # whether a configuration asks for it
    turned_on_by: str = ""  # the keys that ask for it
    on_demand: bool = False  # runs only where a stage that runs reads what it writes
    by_default: bool = True  # whether it runs though nobody has named it
    # a function of the configuration and the `Lake`, called when what the stage needs is done:
    # values that take the place of settings, where other settings give the same result
    resolved: Function | None = None
    # is called as `run` is, before anything that the stage writes is touched
    before: Function | None = None
    # is called as `run` is, when the stage is done, by this run or an earlier one: finds what would
    # stop later stages
    after: Function | None = None
    cost: Cost = UNKNOWN  # what it takes, roughly, before it has run here
    version: int = 1  # rises when the same input would now give another result


def names_of(names: NamesOf, config: "Config") -> Names:
    """Return the names, which may depend on the configuration."""
    return names(config) if callable(names) else names


def loaded(function: Function) -> Callable[..., Any]:
    """Return the function, imported if it is given as "module:function"."""
    if callable(function):
        return function
    module, _, name = function.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found
