"""Sessions and their engines: which one, how it starts, what it may use.

The way in is `session`; `engines` names them, `cluster` says how much runs at once.
"""
