"""Least squares that outliers do not pull, compiled on first use."""
