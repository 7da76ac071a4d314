"""What is fast, measured here: ours beside a peer in one interleaved run.

`interleave.py` is the ruler, `loss.py` measures the fused loss, `chart.py` draws what it found, `machine.py` says where.
The settings below stand here because the command line shows them without importing torch.
"""

DTYPES = ("float32", "float64", "bfloat16", "float16")

SIZES = (64, 4096, 57_600, 2**20, 2**24)
"""Logits of one side: a batch of small networks, a patch discriminator's, and what no cache holds."""

ROUNDS = 15
LEAST_ROUNDS = 5
