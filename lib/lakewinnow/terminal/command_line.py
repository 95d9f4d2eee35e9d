"""The command line that was typed, and those that come next."""

import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CommandLine:
    """The configuration files and the overrides (``--set``) that a command was given."""

    configs: tuple[str, ...]
    overrides: tuple[str, ...] = ()

    def again(self, command: str, *arguments: str) -> str:
        """Return another command about the same configuration, to be copied from the terminal."""
        overrides = (part for override in self.overrides for part in ("--set", override))
        line = shlex.join([*command.split(), *self.configs, *overrides, *arguments])
        return f"{program('lakewinnow')} {line}"


def program(name: str) -> str:
    """Return how to call a program of this environment from here."""
    path = Path(sys.executable).with_name(name)
    if shutil.which(name) == str(path):
        return name
    return shlex.quote(str(path).removeprefix(f"{Path.cwd()}/"))
