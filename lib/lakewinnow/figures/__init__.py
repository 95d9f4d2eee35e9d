"""What each stage has found, as frozen dataclasses: the way in is `summary.Summary`.

A stage returns one of these in its report; its record, summary.json, the report and the terminal
are made of them. A check declares its own in its folder.
"""
