"""What a check says of itself, and of its columns, its actions and its words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from lakewinnow.errors import ConfigError
from lakewinnow.plan.cost import UNKNOWN, Cost
from lakewinnow.plan.stage import Function, Names, NamesOf, Stage, loaded, names_of
from lakewinnow.typed_json import from_json

if TYPE_CHECKING:
    from lakewinnow.config.sections import Config

Section = TypeVar("Section")
KINDS: Final = ("boolean", "int", "bigint", "double", "string", "array<string?>")


@dataclass(frozen=True)
class Column:
    """A column of issues/ beside whether a row has the issue, and its score."""

    name: str
    kind: str  # one of `KINDS`


@dataclass(frozen=True)
class Option:
    """A further key of `clean` that an action of a check looks at."""

    name: str
    type: Any
    default: Any
    about: str


@dataclass(frozen=True, kw_only=True)
class Rewriting:
    """An action that keeps the row and writes another text in the place of its own."""

    # "module:function" of the check's section and the section `clean`, which returns a function
    # from a text to a text
    text: str
    # how a reason of the check begins, and how it begins where the text is rewritten
    found: str
    done: str


def _every(_: Any) -> bool:
    return True


def _no_names(_: Any) -> Names:
    return ()


def _nothing(*_: Any) -> Iterator[Any]:
    return iter(())


@dataclass(frozen=True, kw_only=True, eq=False)
class Check(Generic[Section]):
    """A check beside label issues.

    It publishes checks/NAME/: row_id, the columns named here, and `why`, which says what is wrong
    with the row (null: nothing). A row that is not in that table has nothing wrong with it.
    `decide` adds the columns to issues/ and does with the row what `clean.NAME` says. A check
    without `is_issue` judges the input as a whole: no row goes for it, and its table is its own.
    """

    name: str  # of `checks.NAME`, `clean.NAME`, the stage, the table and the key in summary.json
    title: str  # of the check in terminal and report
    purpose: str  # one line, which ends "This check …"
    # a function that is given the `Run` and the section, and returns a `StageReport`; or
    # "module:function", which is imported only when the check runs
    run: Function
    section: type[Section]  # the dataclass of `checks.NAME`
    # of `checks.NAME`; None: the check is off unless it is asked for
    default: Section | None = None
    # the default where rows have no text, by the configuration
    without_text: Callable[[Config], Section | None] | None = None
    judges_text: bool = False  # whether it cannot be made where rows have no text
    judges_vectors: bool = False  # whether it cannot be made where rows have no vector
    is_asked: Callable[[Section], bool] = _every  # whether a section asks for anything
    # its columns; the score is from 0 to 1, lower is worse. Of a check that finds sets and scores
    # no row, the table has row_id and the set, and rows in a set have the issue
    is_issue: str | None = None
    score: str | None = None
    # the column of the set that a row is in, of a check that finds rows which are alike
    set_of: str | None = None
    # the column of the row of its set that stays for this one, which `decide` chooses
    copy_of: str | None = None
    others: tuple[Column, ...] = ()  # further columns
    # the values of `clean.NAME`, and its default
    actions: tuple[str, ...] = ("drop", "review", "keep")
    action: str = "keep"
    # those of the actions that write another text
    rewriting: Mapping[str, Rewriting] = field(default_factory=dict)
    options: tuple[Option, ...] = ()  # further keys of `clean`
    # whether it is done so that models gain, and left out where they do not
    is_for_models: bool = True
    about_action: str = ""  # the text of `clean.NAME` in the list of all keys
    # what is wrong with a configuration although each value is right by itself
    problems: Callable[[Config], Iterable[ConfigError]] = _nothing
    # "module:function" of the section, which raises what would stop the run later
    preflight: str | None = None
    # "module:function" of Spark, the configuration and the section, which opens what the check
    # reads from outside, for `Run.inputs.opened`: None, or something with a `fingerprint`
    opens: str | None = None
    # import paths of the user's functions that a section names
    code: Callable[[Section], Names] = _no_names
    # as of a `Stage`; the check's own table and section are among them
    reads: NamesOf = ("accepted",)
    writes: NamesOf = ()
    settings: NamesOf = ()
    outside: Names = ()
    cost: Cost = UNKNOWN
    version: int = 1
    figures: type | None = None  # the dataclass of those in its report; None: they are a mapping
    # of the check's figures and the number of rows: the first says it all, the others more of it;
    # none where nothing was found
    sentences: Callable[[Any, int], Iterable[str]] = _nothing
    nothing_found: str  # the sentence then
    lists_rows: bool = False  # whether the report lists the worst rows, by score
    # of a check of the whole input: the column of its table that says what a row is listed for,
    # those of the greatest score
    group: str | None = None
    # where it was found, if it is not ours, and whether `use` says so
    source: str | None = None
    is_referred: bool = False

    @property
    def table(self) -> str:
        """Where the check publishes what it found."""
        return f"checks/{self.name}"

    def found(self, content: Mapping[str, Any]) -> Any:
        """Return the figures of its report, given as JSON."""
        return content if self.figures is None else from_json(self.figures, content)

    @property
    def key(self) -> str:
        """The key of its section."""
        return f"checks.{self.name}"

    @property
    def in_issues(self) -> list[str]:
        """The names of its columns in issues/: none of a check of the whole input."""
        if self.is_issue is None:
            return []
        columns = (self.is_issue, self.score, self.set_of, *(of.name for of in self.others))
        return [name for name in (*columns, self.copy_of) if name is not None]

    @property
    def stage(self) -> Stage:
        """The stage that makes the check."""

        def section(config: Config) -> Section | None:
            return config.checks.section(self)

        def code(config: Config) -> Names:
            found = section(config)
            code = [path for path in (self.source, self.run) if isinstance(path, str)]
            return (*code, *(() if found is None else self.code(found)))

        return Stage(
            name=self.name,
            title=self.title.lower(),
            purpose=self.purpose,
            run=lambda run: loaded(self.run)(run, section(run.config)),
            reads=self.reads,
            writes=lambda config: (self.table, *names_of(self.writes, config)),
            settings=lambda config: (self.key, *names_of(self.settings, config)),
            outside=(*([self.name] if self.opens else []), *self.outside),
            code=code,
            is_on=lambda config: self in config.checks.on,
            turned_on_by=self.key,
            cost=self.cost,
            version=self.version,
        )


def rewriting_settings(config: Config) -> Names:
    """Give the settings of checks whose actions write other texts in the place of rows' own."""
    checks = [check for check in config.checks.known if check.rewriting]
    options = [f"clean.{option.name}" for check in checks for option in check.options]
    return (*(key for of in checks for key in (of.key, f"clean.{of.name}")), *options)
