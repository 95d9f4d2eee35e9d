"""What a person at a terminal sees: progress on stderr, results on stdout."""
