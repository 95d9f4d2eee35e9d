"""``python -m lakewinnow``: the command where no script of it is on the path."""

from lakewinnow.cli import main

main()
