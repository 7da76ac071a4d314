"""Extractors: from samples to the features that metrics compare."""
