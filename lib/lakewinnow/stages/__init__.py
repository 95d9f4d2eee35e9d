"""One module a stage. No stage imports another: they meet in the tables they read and write."""
