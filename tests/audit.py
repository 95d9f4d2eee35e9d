"""Whether a pinned version of a package has a known vulnerability: asks OSV (https://osv.dev).

python tests/audit.py [--database URL] [FILE]...    default: conf/constraints*.txt

Exit codes: 0 none is known, 1 some are, 2 the database could not be asked, so nothing was checked.
Names and versions of the pinned packages are all that is sent.
"""

import argparse
import json
import re
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
DATABASE = "https://api.osv.dev/v1/querybatch"
_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;#]+)")
_AT_ONCE = 1000  # packages that OSV takes in a request
_TIMEOUT_S = 60


def pins(text):
    """Return the pinned (name, version) of a requirements or constraints file.

    Raises
    ------
    ValueError : a line that pins nothing, so that nothing is left out unseen
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        pin = _PIN.match(content)
        if pin is None:
            raise ValueError(f"line {number}: expected NAME==VERSION, got {content!r}")
        found.append((pin[1], pin[2]))
    return found


def known(packages, database=DATABASE):
    """Return by package the ids of what is known of it, for those of which something is.

    Raises
    ------
    OSError : the database cannot be reached
    """
    found = {}
    for start in range(0, len(packages), _AT_ONCE):
        some = packages[start : start + _AT_ONCE]
        queries = [
            {"package": {"name": name, "ecosystem": "PyPI"}, "version": version}
            for name, version in some
        ]
        request = urllib.request.Request(  # noqa: S310 - the address is the caller's
            database,
            json.dumps({"queries": queries}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            results = json.load(answer)["results"]
        for package, result in zip(some, results, strict=True):
            ids = [vulnerability["id"] for vulnerability in result.get("vulns", [])]
            if ids:
                found[package] = ids
    return found


def main(arguments=None):
    """Check files; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", default=DATABASE)
    parser.add_argument("files", nargs="*", type=Path)
    given = parser.parse_args(arguments)
    files = given.files or sorted((ROOT / "conf").glob("constraints*.txt"))
    packages = sorted({pin for file in files for pin in pins(file.read_text(encoding="utf-8"))})
    try:
        found = known(packages, given.database)
    except OSError as error:
        reason = getattr(error, "reason", error)
        print(f"audit: expected an answer of {given.database}, got {reason}", file=sys.stderr)
        print("hint: nothing was checked; run this where the network reaches it", file=sys.stderr)
        return 2
    for (name, version), ids in found.items():
        print(f"{name} {version}: {', '.join(ids)} (https://osv.dev/vulnerability/{ids[0]})")
    print(f"{len(packages)} pinned versions, {len(found)} with known vulnerabilities")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
