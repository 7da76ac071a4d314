"""How fast pictures are read: our loader, the usual Pillow loop in a DataLoader on the same files, and the packed archive.

    python -m benchmarks.loader [--folder PHOTOS] [--resolution 128] [--workers 2] [--rounds 5] [--seconds 4]

writes benchmarks/results/loader.json.  Without a folder, pictures of `tests.messy` are made: ten forms of 200 to 800 pixels.

The usual loop opens a file, converts it to RGB, cuts the centred square, resizes it with LANCZOS and makes floats of it, which
a DataLoader collates.  Ours does the same and honours what a camera says, lays transparent pictures on white and refuses bombs;
nothing is kept in memory, so that every picture is decoded whenever it is asked for.  All loaders live at once and take turns,
and what one has read ahead in its workers while it waited is not counted.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ganreg.bench import machine
from ganreg.components.datasets.files import FolderFiles
from ganreg.components.datasets.image_folder import ImageFolder
from ganreg.components.datasets.image_zip import ImageZip
from ganreg.components.datasets.labels import of_folders
from ganreg.data.crew import cores
from ganreg.data.packing import Plan, pack
from ganreg.data.samples import rate
from ganreg.engine.data import Batches, source_of
from tests.messy import messy

RESULT = Path(__file__).parent / "results" / "loader.json"
BATCH = 64
COUNT, SIDE = 240, 400


class Usual(Dataset[Tensor]):
    """As every tutorial has it."""

    def __init__(self, paths: list[Path], resolution: int) -> None:
        self.paths, self.resolution = paths, resolution

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        picture = Image.open(self.paths[index]).convert("RGB")
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side))
        small = square.resize((self.resolution, self.resolution), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(small)).permute(2, 0, 1).float().div(127.5).sub(1.0)


class Contender(NamedTuple):
    """Takes a batch and says how many it took; lets its workers go."""

    take: Callable[[], int]
    close: Callable[[], None]


def usual(folder: Path, resolution: int, workers: int) -> Contender:
    """The usual loop without end."""
    files = FolderFiles(folder)
    loader = DataLoader(
        Usual([files.open(name) for name in files.sizes], resolution),
        batch_size=BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )

    def endless() -> Generator[Tensor, None, None]:
        while True:
            yield from loader

    batches = endless()
    return Contender(lambda: len(next(batches)), batches.close)


def ours(data: ImageFolder | ImageZip, workers: int) -> Contender:
    """What a run reads from, decoding each picture anew."""
    data.forget()
    batches = Batches(source_of(data), batch_size=BATCH, seed=0, device=torch.device("cpu"), workers=workers)
    return Contender(lambda: len(batches.next().real), batches.close)


def main() -> None:
    """Measure, write, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    asked = parser.parse_args()
    torch.set_num_threads(1)  # the workers are what is measured
    with tempfile.TemporaryDirectory() as place:
        folder = asked.folder or messy(Path(place) / "photos", COUNT, SIDE, bad=False)
        files = FolderFiles(folder)
        plan = Plan(files, of_folders(list(files.sizes)), asked.resolution, on_bad="skip", max_bad=len(files.sizes))
        packed = pack(plan, Path(place) / "packed.zip", processes=cores())
        whole = {"on_bad": "skip", "max_bad": len(packed.left_out)} if packed.left_out else {}
        contenders = {
            "usual": usual(folder, asked.resolution, asked.workers),
            "folder": ours(ImageFolder(path=folder, resolution=asked.resolution, **whole), asked.workers),
            "packed": ours(ImageZip(path=Path(place) / "packed.zip", resolution=asked.resolution), asked.workers),
        }
        found: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(asked.rounds):
            for name in sorted(contenders, reverse=number % 2 == 0):  # who is first in a round is last in the next
                found[name].append(rate(contenders[name].take, workers=asked.workers, seconds=asked.seconds))
        for contender in contenders.values():
            contender.close()
    ratios = {
        "folder_over_usual": [a / b for a, b in zip(found["folder"], found["usual"], strict=True)],
        "packed_over_folder": [a / b for a, b in zip(found["packed"], found["folder"], strict=True)],
    }
    told = {
        "schema": 1,
        "kind": "loader",
        "command": [*machine.switches(), "python", "-m", "benchmarks.loader"],
        **machine.describe("cpu"),
        "pictures": {"made": asked.folder is None, "count": packed.images, "side": SIDE if asked.folder is None else None},
        "resolution": asked.resolution,
        "workers": asked.workers,
        "rounds": asked.rounds,
        "seconds": asked.seconds,
        "images_per_second": found,
        **{name: {"median": median(each), "each": each} for name, each in ratios.items()},
        "bars": {"folder_over_usual": 1.0, "packed_over_folder": 3.0},
    }
    RESULT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(", ".join(f"{name} {median(rates):,.0f} images/s" for name, rates in found.items()))
    print(", ".join(f"{name} {median(each):.2f} ({min(each):.2f} to {max(each):.2f})" for name, each in ratios.items()))


if __name__ == "__main__":
    main()
