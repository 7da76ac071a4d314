"""Train the extractor digits-cnn, and write its weights into the package.

    python -m benchmarks.train_digits_cnn                   trains, compares with the packaged weights, tells the accuracy
    python -m benchmarks.train_digits_cnn --out FILE        also writes them

It learns on two thirds of the packaged digits; the accuracy is that on the others.  One thread, float64, no random number but
from one seed: run again, also on another processor, it gives the same features within 1e-5.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from ganreg.components.datasets.digits import Digits
from ganreg.components.extractors.digits_cnn import SIZE, Reader

SEED, EPOCHS, BATCH = 0, 24, 64
HELD_OUT = 599  # of 1,797
SHIFT = 1  # pixels, in any direction
RATE = 2e-3


def split() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """(images, labels) to learn from, and those that are held out."""
    images, labels = Digits(resolution=SIZE).tensors
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SEED))
    seen, unseen = order[HELD_OUT:], order[:HELD_OUT]
    return (images[seen].double(), labels[seen]), (images[unseen].double(), labels[unseen])


def train(epochs: int = EPOCHS) -> Reader:
    """A reader in float32 and eval mode; the same one each time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            return _train(epochs).float().eval().requires_grad_(False)
    finally:
        torch.set_num_threads(threads)


def _train(epochs: int) -> Reader:
    (images, labels), _ = split()
    reader = Reader().double()
    optimizer = torch.optim.AdamW(reader.parameters(), RATE, weight_decay=1e-2)
    steps = epochs * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(BATCH)[: len(images) // BATCH]:
            optimizer.zero_grad()
            loss = F.cross_entropy(reader(shifted(images[batch])), labels[batch], label_smoothing=0.05)
            loss.backward()
            optimizer.step()
            schedule.step()
    return reader


def shifted(images: Tensor) -> Tensor:
    """Each image moved by up to a pixel, the edge repeated."""
    size = images.shape[-1]
    padded = F.pad(images, (SHIFT,) * 4, mode="replicate")
    corner = torch.randint(0, 2 * SHIFT + 1, (2, len(images), 1))
    rows, columns = corner + torch.arange(size)
    each = torch.arange(len(images))[:, None, None]
    return padded[each, 0, rows[:, :, None], columns[:, None, :]].unsqueeze(1)


@torch.no_grad()
def accuracy(reader: Reader) -> float:
    """Share of the held-out digits that are read right."""
    _, (images, labels) = split()
    return float((reader(images.float()).argmax(1) == labels).double().mean())


@torch.no_grad()
def difference(one: Reader, other: Reader) -> float:
    """Largest difference of a feature, over all digits."""
    images = Digits(resolution=SIZE).tensors[0]
    return float((one.features(images) - other.features(images)).abs().max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the weights here")
    asked = parser.parse_args()
    reader = train()
    print(f"{accuracy(reader):.2%} of {HELD_OUT} held-out digits read right")
    if asked.out:
        save_file({name: tensor.contiguous() for name, tensor in reader.state_dict().items()}, asked.out)
        print(f"{asked.out}: {asked.out.stat().st_size:,} bytes")
        return
    from ganreg.components.extractors.digits_cnn import DigitsCNN
    from ganreg.contracts import DataSpec

    packaged = DigitsCNN(DataSpec((1, SIZE, SIZE), 10, (-1.0, 1.0))).reader
    print(f"largest difference of a feature from the packaged ones: {difference(reader, packaged):.2g}")


if __name__ == "__main__":
    main()
