"""What is wrong with a text by itself, and the personal data in it: plain functions of strings.

`presets` has the rules for texts, `rules` applies them; `pii` finds personal data.
"""
