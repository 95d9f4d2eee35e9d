"""What commands are given: the configuration and options, checked and completed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from lakewinnow.errors import ConfigError, did_you_mean
from lakewinnow.terminal.command_line import CommandLine

if TYPE_CHECKING:  # takes long to import, and `--help` does without
    from lakewinnow.config.sections import Config

Function = Callable[..., Any]

EVERY_STAGE: Final = "*"  # `--restart` without a stage
_OF_CONFIGURATIONS: Final = ("", ".yaml", ".yml")  # without one: a name that the package brings


@dataclass(frozen=True)
class Asked(CommandLine):
    """Which configuration a command is about, and where it runs."""

    remote: str | None = None
    quiet: bool = False

    def config(self, *overrides: str) -> "Config":
        """Load the configuration, with more overrides if there are some."""
        from lakewinnow.config.file import load_config

        return load_config(*self.configs, overrides=(*self.overrides, *overrides))


class Number(click.ParamType):  # type: ignore[type-arg]
    """A number in a range."""

    def __init__(
        self, of: type[int] | type[float], least: float, most: float = float("inf")
    ) -> None:
        self._of, self._least, self._most = of, least, most
        self.name = "a whole number" if of is int else "a number"

    def convert(self, value: Any, param: Any, _: Any) -> Any:
        """Return the number."""
        try:
            number = self._of(value)
        except ValueError:
            number = None
        if number is None or not self._least <= number <= self._most:
            limits = f"from {self._least:,} to {self._most:,}"
            if self._most == float("inf"):
                limits = f"of {self._least:,} or more"
            raise ConfigError("out_of_range", param.opts[0], f"{self.name} {limits}", value)
        return number


class OneOf(click.ParamType):  # type: ignore[type-arg]
    """One of a few names, which are asked for when they are needed."""

    def __init__(self, kind: str, names: Callable[[], Iterable[str]]) -> None:
        self.name, self.names = kind, names

    def convert(self, value: Any, param: Any, _: Any) -> Any:
        """Return the name."""
        names = tuple(self.names())
        if value not in names:
            where = param.opts[0] if isinstance(param, click.Option) else str(param.metavar)
            hint = did_you_mean(value, names) or f"one of {', '.join(names)}"
            raise ConfigError("unknown_name", where, self.name, value, hint)
        return value

    def shell_complete(self, _: Any, __: Any, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin so."""
        return [CompletionItem(name) for name in self.names() if name.startswith(incomplete)]


def takes_config(
    *, needs_session: bool = True, is_run: bool = False, metavar: str = "CONFIG..."
) -> Callable[..., Function]:
    """Give a command the configuration, and where it runs, as an `Asked`."""
    configs = click.argument("configs", nargs=-1, required=True, metavar=metavar, type=click.Path())
    options = [configs, SET, *((ENGINE, REMOTE) if needs_session else ())]
    if is_run:
        options.append(QUIET)

    def decorated(function: Function) -> Function:
        @wraps(function)
        def command(configs: tuple[str, ...], overrides: tuple[str, ...], **others: Any) -> Any:
            engine = others.pop("engine", None)
            if engine is not None:
                overrides = (*overrides, f"engine={engine}")
            where = {key: others.pop(key) for key in ("remote", "quiet") if key in others}
            return function(Asked(configs, overrides, **where), **others)

        for option in reversed(options):
            command = option(command)
        return command

    return decorated


class RunCommand(click.Command):
    """A command whose `--restart` may have a stage behind it, or a configuration file."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take what follows `--restart` for a stage unless it is an option or a file."""
        for i, argument in enumerate(args):
            if argument == "--restart" and not any(map(_may_be_stage, args[i + 1 : i + 2])):
                args[i] = f"--restart={EVERY_STAGE}"
        return super().parse_args(ctx, args)


def _may_be_stage(argument: str) -> bool:
    from lakewinnow.config.file import bundled

    is_file = not is_configuration(argument) or Path(argument).suffix or Path(argument).exists()
    return not (argument.startswith("-") or is_file or bundled(f"{argument}.yaml").is_file())


def is_configuration(path: str) -> bool:
    """Whether this is the name of a configuration, and not of a file of another kind."""
    return Path(path).suffix in _OF_CONFIGURATIONS


def _stages(_: Any, __: Any, incomplete: str) -> list[str]:
    """Complete the name of a stage."""
    from lakewinnow.pipeline.catalog import STAGES

    return [stage.name for stage in STAGES if stage.name.startswith(incomplete)]


def _keys(_: Any, __: Any, incomplete: str) -> list[CompletionItem]:
    """Complete a key of the configuration."""
    import yaml

    from lakewinnow.config.file import bundled

    def keys(section: Any, prefix: str) -> Iterator[str]:
        for key, value in section.items():
            is_section = isinstance(value, dict) and value
            yield from keys(value, f"{prefix}{key}.") if is_section else (f"{prefix}{key}=",)

    every = keys(yaml.safe_load(bundled("base.yaml").read_text(encoding="utf-8")), "")
    return [CompletionItem(key) for key in every if key.startswith(incomplete)]


SET: Final = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=_keys,
    help="Override one key, e.g. crossval.folds=5.",
)
ENGINE: Final = click.option(
    "--engine",
    metavar="NAME",
    type=OneOf("an engine", lambda: ("auto", "sail", "spark")),
    help="Run on sail or spark (auto: what suits).",
)
REMOTE: Final = click.option(
    "--remote", metavar="sc://HOST:PORT", help="Run on a Spark Connect server."
)
QUIET: Final = click.option("--quiet", is_flag=True, help="Show no progress.")
UNTIL: Final = click.option(
    "--until",
    metavar="STAGE",
    shell_complete=_stages,
    help="Run this stage and what it needs.",
)
NOISE_MODEL: Final = click.option(
    "--noise-model", metavar="PATH", help="Judge the rows by an earlier run's noise_model.json."
)
RESTART: Final = click.option(
    "--restart",
    metavar="[STAGE]",
    shell_complete=_stages,
    help="Redo every stage, or this one and what depends on it.",
)
