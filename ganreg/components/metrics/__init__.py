"""Metrics: a number, or several, from features of reals and of fakes."""
