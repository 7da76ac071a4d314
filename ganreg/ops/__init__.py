"""The Python face of csrc: one file per operator, with its meaning, reference, shape rule and gradient rule.

`library.py` decides which kernel runs, `jit.py` compiles it on first use, `sources.py` says which sources there are.
"""
