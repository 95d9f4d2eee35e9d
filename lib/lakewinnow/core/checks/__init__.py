"""The arithmetic of the checks beside label issues, a module each."""
