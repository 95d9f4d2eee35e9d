"""Sail, an engine without Java: its server in a process of ours, and workers for our functions.

The way in is `embedded`; `access` and `relay` keep other users out, `workers` run the functions.
"""
