"""The configuration: keys, defaults and their texts in `sections`, of the types in `types`.

The way in is `file.load_config`; `values` checks each value, `combinations` all of them together.
"""
