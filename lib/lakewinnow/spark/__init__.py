"""Sessions, Java, and the edge where Arrow batches become NumPy arrays."""
