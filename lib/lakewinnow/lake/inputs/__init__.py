"""All that a run reads from outside: the table itself, decisions, references, earlier runs.

The way in is `source`; `acceptance` says which of its rows can be worked with.
"""
