"""A trained generator as one file that other programs run: a graph of plain operators, without ganreg."""
