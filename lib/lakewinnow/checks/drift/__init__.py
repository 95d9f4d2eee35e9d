"""Whether rows are still like those of a reference."""
