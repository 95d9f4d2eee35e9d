"""What commands are given: the configuration and options, checked and completed; and their help."""

from collections.abc import Callable
from dataclasses import dataclass, fields
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


class Commands(click.Group):
    """Commands in the order in which they are declared; help that has no need to name itself."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the commands as `--help` lists them."""
        return list(self.commands)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the option `--help`, which whoever reads its list knows."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.hidden = True
        return option


def example(of: str) -> dict[str, Any]:
    """Return what ends the help of a command."""
    return {"epilog": f"\b\nExample:\n  lakewinnow {of}"}


@dataclass(frozen=True)
class Asked(CommandLine):
    """Which configuration a command is about, where it runs, and what of it."""

    remote: str | None = None
    quiet: bool = False
    until: str | None = None
    restart: str | None = None
    noise_model: str | None = None

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


class OneOf(click.Choice):  # type: ignore[type-arg]
    """One of a few names."""

    def convert(self, value: Any, param: Any, _: Any) -> Any:
        """Return the name."""
        if value not in self.choices:
            where = param.opts[0] if isinstance(param, click.Option) else str(param.metavar)
            names = ", ".join(self.choices)
            hint = did_you_mean(value, self.choices)
            raise ConfigError("unknown_name", where, f"one of {names}", value, hint)
        return value


def takes_config(*options: Function, metavar: str = "CONFIG...") -> Callable[..., Function]:
    """Give a command the configuration, and what these options say of it, as an `Asked`."""
    configs = click.argument("configs", nargs=-1, required=True, metavar=metavar, type=click.Path())

    def decorated(function: Function) -> Function:
        @wraps(function)
        def command(engine: str | None = None, **given: Any) -> Any:
            if engine is not None:
                given["overrides"] += (f"engine={engine}",)
            asked = {of.name: given.pop(of.name) for of in fields(Asked) if of.name in given}
            return function(Asked(**asked), **given)

        for option in reversed((configs, SET, *options)):
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

    from lakewinnow.config.file import bundled, leaves

    base = yaml.safe_load(bundled("base.yaml").read_text(encoding="utf-8"))
    keys = (f"{key}=" for key, _ in leaves(base))
    return [CompletionItem(key) for key in keys if key.startswith(incomplete)]


SET: Final = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=_keys,
    help="Override one key, e.g. crossval.folds=5.",
)
ENGINE: Final = click.option(
    "--engine", type=OneOf(["auto", "sail", "spark"]), help="Run on this engine (auto: what suits)."
)
REMOTE: Final = click.option(
    "--remote", metavar="sc://HOST:PORT", help="Run on a Spark Connect server."
)
QUIET: Final = click.option("--quiet", is_flag=True, help="Show no progress.")
UNTIL: Final = click.option(
    "--until", metavar="STAGE", shell_complete=_stages, help="Run this stage and what it needs."
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
