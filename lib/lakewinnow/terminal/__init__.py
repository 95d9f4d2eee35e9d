"""What a person at a terminal sees: progress on stderr, results on stdout.

`progress` follows a run, `result` shows what it found; the others are a command each.
"""
