"""The optimizers of pytorch-optimizer, by name in ganreg."""
