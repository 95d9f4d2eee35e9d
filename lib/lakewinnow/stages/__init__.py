"""One module per stage. No stage imports another: they meet in the tables they read and write.

The list of all stages is `pipeline.catalog`; `pipeline.steps` calls them.
"""
