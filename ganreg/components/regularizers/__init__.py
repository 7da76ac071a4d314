"""Regularizers: penalties beside the loss, one file each."""
