"""What is fast, measured here: ours beside a peer in one interleaved run.

`interleave.py` is the ruler, `loss.py` measures the fused loss, `step.py` a whole step of training, `chart.py` draws,
`machine.py` says where.
The settings below stand here because the command line shows them without importing torch.
"""

DTYPES = ("float32", "float64", "bfloat16", "float16")

SIZES = (64, 4096, 57_600, 2**20, 2**24)
"""Logits of one side: a batch of small networks, a patch discriminator's, and what no cache holds."""

CASES = {"mlp-784-b64": ("mlp", 64), "dcgan-64-b32": ("dcgan", 32), "dcgan-64-b64": ("dcgan", 64)}
"""Of a whole step: networks and samples per update."""

ROUNDS = 15
LEAST_ROUNDS = 5
