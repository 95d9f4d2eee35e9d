"""Sail, an engine without Java: its server in a process of ours, and workers for our functions."""
