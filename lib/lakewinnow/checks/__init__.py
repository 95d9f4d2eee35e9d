"""The checks, a folder each: its section of the configuration, its stage and its wording."""
