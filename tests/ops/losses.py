"""What tests of the fused losses share: equal bits, the statistics by name, awkward sizes and layouts."""

import torch

from ganreg.contracts import STATISTICS

SIZES = (0, 1, 7, 8, 9, 17, 4095, 4096, 4097, 12_289)


def assert_same_bits(got, wanted):
    """Equal numbers to the last bit; any nan equals any nan, and a zero the other zero."""
    torch.testing.assert_close(got, wanted, rtol=0, atol=0, equal_nan=True)


def slots(statistics):
    return dict(zip(STATISTICS, statistics.tolist(), strict=True))


def every_layout():
    torch.manual_seed(0)
    base = torch.randn(6, 5, 4, 3)
    return {
        "transposed": base.transpose(0, 3),
        "every second": base[::2, :, ::3],
        "expanded": torch.randn(5, 1).expand(5, 4),
        "one element repeated": torch.randn(()).expand(4097),
        "overlapping": torch.as_strided(torch.randn(30), (6, 6), (2, 3)),
        "offset": torch.randn(5000)[3:4500],
        "channels last": base.contiguous(memory_format=torch.channels_last),
        "zero-dimensional": torch.randn(()),
        "flipped": base.flip(1),
        "negative bit": torch.randn(4, 4, dtype=torch.complex64).conj().imag,
        "empty": base[:0].transpose(0, 1),
    }
