"""The guide: a Markdown page for each topic, which `lakewinnow guide TOPIC` shows.

The list in `index.md` says what the topics are about, in reading order. A page of a check need not
be listed: it is about its heading.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lakewinnow.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from rich.markdown import Markdown

FOLDER: Final = Path(__file__).parent
_LISTED: Final = re.compile(r"^- \[([\w/-]+)\]\([\w/-]+\.md\): (.+)$", re.MULTILINE)
_LINK: Final = re.compile(r"!?\[([^\]]+)\]\(([^)\s]+)\)")
_INDEX: Final = "index"


def topics() -> dict[str, str]:
    """Return the topics and what each is about, in reading order.

    Examples
    --------
    >>> topics()["review"]
    'ask people whether the flags are right'
    """
    listed = dict(_LISTED.findall((FOLDER / "index.md").read_text(encoding="utf-8")))
    pages = {f"checks/{path.stem}": path for path in sorted((FOLDER / "checks").glob("[!i]*.md"))}
    more = {name: _heading(path) for name, path in pages.items() if name not in listed}
    return {**listed, **more}


def _heading(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def page(topic: str = _INDEX) -> str:
    """Return the page about a topic, as Markdown.

    Parameters
    ----------
    topic : str
        One of `topics`, or ``"index"``. The folder may be left out: ``"drift"``.

    Raises
    ------
    ConfigError
        "unknown_topic".
    """
    names = {name.rpartition("/")[2]: name for name in topics()}
    name = names.get(topic, topic)
    if name not in (*names.values(), _INDEX):
        known = did_you_mean(topic, [*names.values(), *names])
        hint = known or "`lakewinnow guide` lists the topics"
        raise ConfigError("unknown_topic", "guide", "a topic of the guide", topic, hint)
    path = FOLDER / name / "index.md" if (FOLDER / name).is_dir() else FOLDER / f"{name}.md"
    return path.read_text(encoding="utf-8")


def rendered(topic: str = _INDEX) -> "Markdown":
    """Return the page about a topic for a terminal, where a link to a page names its command."""
    from rich.markdown import Markdown

    return Markdown(_LINK.sub(_as_command, page(topic)))


def _as_command(link: re.Match[str]) -> str:
    text, target = link.groups()
    if ":" in target:
        return link[0]
    path = target.partition("#")[0].removesuffix(".md").removesuffix("/index")
    name = path.rpartition("/")[2]
    return text if text in (name, path) or not path else f"{text} (`lakewinnow guide {name}`)"
