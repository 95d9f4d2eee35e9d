"""What engines do differently, made the same on all of them.

`expressions` are functions of columns, `json_text` and `unions` of whole rows.
"""
