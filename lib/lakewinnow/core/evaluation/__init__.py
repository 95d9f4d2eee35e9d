"""Whether cleaning helped: training sets, comparisons with intervals, samples for people.

The ways in are `variants` (models) and `reviewing` (people's labels).
"""
