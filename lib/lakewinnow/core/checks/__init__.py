"""The arithmetic of the checks other than label issues, a module each."""
