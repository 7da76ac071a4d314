"""The bits of each variant, so that no change of a compiler or of the arithmetic goes unseen.

    python -m tests.ops.test_golden

writes those of this machine's compiler and variants into golden.json beside this file: look first why they changed.
"""

import hashlib
import json
import platform
import re
from pathlib import Path

import pytest
import torch

from ganreg.ops import library
from ganreg.ops.pointwise_loss import DTYPES
from ganreg.ops.reference import FORMULAS

GOLDEN = Path(__file__).with_name("golden.json")


def build() -> str:
    told = re.search(r"\) (\d+)\.", library.kernel_status().compiler)
    return f"{platform.machine()}, gcc {told.group(1)}" if told else f"{platform.machine()}, another compiler"


def bits(loss: str) -> str:
    """Of values, gradients and statistics over exact inputs, targets from -1/4 to 5/4."""
    digest = hashlib.sha256()
    for dtype in DTYPES:
        logits = (torch.arange(-20_000, 20_001, dtype=torch.float64) / 256).to(dtype)
        targets = (torch.arange(40_001, dtype=torch.float64) % 7 / 4 - 0.25).to(dtype)
        for target, rest in ((1.0, {}), (0.25, {}), (0.0, {"targets": targets}), (0.0, {"reduction": "none"})):
            for tensor in torch.ops.ganreg.pointwise_loss(logits, loss, target, True, 0.75, **rest):
                digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("loss", FORMULAS)
def test_the_bits_are_those_that_were_written_down(variant, loss):
    known = json.loads(GOLDEN.read_text()).get(build(), {}).get(variant)
    if known is None:
        pytest.skip(f"no bits were written down for {variant} of {build()}")

    assert bits(loss) == known[loss]


if __name__ == "__main__":
    library.kernel_status()
    known = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    for name in library.VARIANTS:
        try:
            library.use_variant(name)
        except library.UsageError:
            continue
        known.setdefault(build(), {})[name] = {loss: bits(loss) for loss in FORMULAS}
    GOLDEN.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
