"""Models that are trained further on a training set, here or by a service, and asked."""
