"""The Python face of csrc: meaning, reference, shape rule and gradient rule of every operator.

`pointwise_loss.py` is what losses call; `reference.py` its definition in plain torch, `rules.py` its registration with
torch; `library.py` decides which kernel runs, `jit.py` compiles it on first use, `sources.py` says which sources there are.
"""
