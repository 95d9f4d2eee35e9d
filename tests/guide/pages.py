"""The README and the pages of the guide, as their blocks, links and anchors."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from lakewinnow import guide

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = (README, *sorted(guide.FOLDER.rglob("*.md")))
_FILE = r"(?:^`([\w/.]+)`\n\n)?"
_BLOCK = re.compile(_FILE + r"^```([a-z]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_NOTE = re.compile(r"# ((?:needs|takes) .+)\n")


def name_of(path):
    """What a test calls a page."""
    return str(path.relative_to(ROOT if path == README else guide.FOLDER).with_suffix(""))


@dataclass(frozen=True)
class Block:
    """A block of code or output, or a file, whose name stands above it.

    A shell block's first line may say what it needs, or that it takes long, for readers and tests
    alike: `# needs data/politeness, takes a minute`.
    """

    file: str
    language: str
    text: str

    @property
    def note(self):
        """What the block needs, or how long it takes; empty where it just runs."""
        found = _NOTE.match(self.text)
        return found[1] if found else ""

    @property
    def data(self):
        """The data that are not bundled, where the block needs some: "politeness"."""
        found = re.search(r"needs data/(\w+)", self.note)
        return found[1] if found else ""

    @property
    def is_fast(self):
        """Whether it runs on any machine, in seconds."""
        return not self.note and not self.file

    @property
    def is_slow(self):
        """Whether it runs where the data are, in minutes."""
        return "takes" in self.note and ("needs" not in self.note or bool(self.data))

    def commands(self):
        """Return the words of each command of a shell block, without comments."""
        joined = re.sub(r"\\\n\s*", " ", self.text)
        lines, words = [], []
        for line in joined.splitlines():
            lines.append(line)
            try:
                words.append(shlex.split("\n".join(lines), comments=True))
            except ValueError:  # a quotation that goes on in the next line
                continue
            lines = []
        assert not lines, "a quotation that does not end"
        return [command for command in words if command]


def blocks(path, *languages):
    """Return the blocks of a page, of some languages or all."""
    found = [Block(*groups) for groups in _BLOCK.findall(path.read_text(encoding="utf-8"))]
    return [block for block in found if not languages or block.language in languages]


def prose(path):
    """Return a page without its blocks."""
    return _BLOCK.sub("", path.read_text(encoding="utf-8"))


def links(path):
    """Return the targets of a page's links."""
    return _LINK.findall(prose(path))


def anchors(path):
    """Return what GitHub makes of a page's headings."""
    headings = _HEADING.findall(prose(path))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
