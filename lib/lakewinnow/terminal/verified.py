"""What is wrong with a workspace's files, on stdout."""

from rich.console import Console
from rich.text import Text

from lakewinnow.lake.reading import Verified
from lakewinnow.plan.words import counted, size
from lakewinnow.terminal.tables import short_path


def print_verified(found: Verified) -> None:
    """Print each fault, and how many files were checked."""
    out = Console(highlight=False)
    for fault in found.faults:
        out.print(Text(f"{fault.path}: {fault.problem}"), soft_wrap=True)
    of = f"{counted(found.files, 'file')} of {counted(found.tables, 'table')}, {size(found.bytes)}"
    bad = len(found.faults)
    ends = f"{bad:,} wrong" if bad else "all as they were written"
    where = f"{short_path(found.workspace)}, version {found.version}"
    out.print(Text(f"{where}: {of}: {ends}"), soft_wrap=True)
