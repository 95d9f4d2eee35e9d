"""How commands are listed, and the example at the end of each one's help."""

from typing import Any

import click


class Commands(click.Group):
    """Commands in the order in which they are declared; help that has no need to name itself."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the option `--help`, which whoever reads its list knows."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.hidden = True
        return option

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the commands as `--help` lists them."""
        return list(self.commands)


def example(of: str) -> dict[str, Any]:
    """Return what ends the help of a command."""
    return {"epilog": f"\b\nExample:\n  lakewinnow {of}"}
