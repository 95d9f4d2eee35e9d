"""Who is told how a run goes."""

from lakewinnow.errors import warn
from lakewinnow.lake.workspace import Commit
from lakewinnow.plan.graph import Graph


class Observer:
    """Is told how a run goes. This one only warns, as Python does; to be derived from."""

    def planned(self, graph: Graph) -> None:
        """Tell which stages the run has, before anything else."""

    def started(self, name: str) -> None:
        """Tell that a stage begins."""

    def progressed(self, name: str, done: int, total: int, note: str) -> None:
        """Tell how far a stage is that works in rounds, and what it has used so far."""

    def finished(self, commit: Commit, *, resumed: bool) -> None:
        """Tell that a stage is done, or was found done."""

    def warned(self, message: str) -> None:
        """Tell what a user should know although the run goes on."""
        warn(message)
