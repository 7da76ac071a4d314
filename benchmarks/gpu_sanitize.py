"""Every CUDA operator once in every form, on few logits: what compute-sanitizer runs.  Not run yet.

Sizes on both sides of each edge: of a vector, of a chunk, of what one block takes alone.  Tensors are filled on the card
and read back only at the end, so that initcheck sees what the kernels read and nothing else.
"""

import torch

from ganreg.ops import library, reference, rules

SIZES = (0, 1, 9, 4096, 4097, 4 * 4096 + 1)
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def logits(size: int, dtype: torch.dtype, strided: bool) -> torch.Tensor:
    """From -4 to 4; strided ones are every other of twice as many."""
    whole = torch.linspace(-4, 4, size * (2 if strided else 1), device="cuda", dtype=torch.float32).to(dtype)
    return whole[::2] if strided else whole


def run(size: int, dtype: torch.dtype, loss: str, strided: bool) -> list[torch.Tensor]:
    """All results of one combination."""
    x, z, y, w = (logits(size, dtype, strided) for _ in range(4))
    scale = torch.full((), 0.5, device="cuda")
    operators = rules.OPERATORS
    told: list[torch.Tensor] = []
    for reduction in ("mean", "none"):
        single = (loss, 1.0, True, 1.0, scale, reduction)
        told += operators.pointwise_loss(x, *single)
        told += operators.pointwise_loss(x, *single, 1.0, y, w)
        told += operators.paired_loss(x, z, loss, 1.0, 1.0, scale, reduction)
    told += operators.pointwise_loss_pair(x, z, loss, 1.0, -1.0, 1.0, scale)
    told += operators.pointwise_loss_pair(x, z, loss, 1.0, -1.0, 1.0, scale, "sum", 1.0, y, w, y, w)
    for order in (1, 2):
        told.append(operators.pointwise_derivative(x, scale, order, loss, 1.0))
        told.append(operators.pointwise_derivative(x, w, order, loss, 1.0, 1.0, y, w))
    told += operators.pointwise_loss_(x, loss, 1.0, True, 1.0)
    told += operators.pointwise_loss_pair_(x, z, loss, 1.0, -1.0, 1.0)
    told += operators.paired_loss_(x, z, loss, 1.0, 1.0)
    return [*told, x, z]


def main() -> None:
    library.require("cuda")
    status = library.kernel_status("cuda")
    assert status.kind != "reference", status.reason
    count = 0
    for dtype in DTYPES:
        for loss in reference.FORMULAS:
            for size in SIZES:
                for strided in (False, True):
                    for tensor in run(size, dtype, loss, strided):
                        count += tensor.cpu().numel()
    print(f"{count} numbers read")


if __name__ == "__main__":
    main()
