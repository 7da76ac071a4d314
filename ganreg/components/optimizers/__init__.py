"""Optimizers: torch's own, with values that suit GANs, one file each."""
