"""Against a small module of the same form: torchvision itself seldom imports beside a torch that was not built with it."""

import sys
import types

import numpy as np
import pytest
import torch
from PIL import Image

from ganreg.components.datasets.torchvision import TorchVision
from ganreg.contracts import Dataset, DataSpec
from ganreg.errors import BadSampleError, DataError, UsageError
from ganreg.registry import create


class Old:
    """As CIFAR10: `train`, `targets`, `classes`."""

    classes = ("cat", "dog", "owl")

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        if "nowhere" in root and not download:
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        self.shades = [10, 20, 30, 40] if train else [50]
        self.targets = [0, 1, 1, 0][: len(self.shades)]

    def __len__(self):
        return len(self.shades)

    def __getitem__(self, index):
        return Image.new("L", (20, 12), self.shades[index]), index


class New(Old):
    """As SVHN: `split`, `labels`."""

    def __init__(self, root, split="train", transform=None):
        super().__init__(root, split == "train")
        self.labels = np.array(self.targets)
        del self.targets


class Boxes(Old):
    """Targets that are no classes."""

    def __init__(self, root):
        super().__init__(root)
        self.targets = [{"boxes": []}] * 4


class Tensors(Old):
    def __getitem__(self, index):
        return torch.zeros(3, 8, 8), 0


@pytest.fixture
def fake(monkeypatch):
    package, module = types.ModuleType("torchvision"), types.ModuleType("torchvision.datasets")
    for one in (Old, New, Boxes, Tensors):
        setattr(module, one.__name__, one)
    package.datasets = module
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", module)
    monkeypatch.setattr("ganreg.extras.find_spec", lambda name: True)


def shades(data):
    return [round((sample[0, 0, 0].item() + 1) * 127.5) for sample, _ in (data[i] for i in range(len(data)))]


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("name", ["Old", "New"])
def test_pictures_labels_and_parts(name):
    data = create("dataset", "torchvision", dataset=name, resolution=8)

    assert isinstance(data, Dataset)
    assert data.spec == DataSpec((3, 8, 8), 3, (-1.0, 1.0))
    assert (data.classes, data.labels.tolist(), shades(data)) == (("cat", "dog", "owl"), [0, 1, 1, 0], [10, 20, 30, 40])
    assert data.as_bytes(-1)[0].dtype == torch.uint8
    assert shades(TorchVision(dataset=name, resolution=8, split="test")) == [50]
    assert data.fingerprint() != TorchVision(dataset=name, resolution=8, split="test").fingerprint()
    with pytest.raises(IndexError, match="index 4 of a data set of 4"):
        data[4]


@pytest.mark.usefixtures("fake")
def test_targets_that_are_no_classes_are_left_out():
    assert TorchVision(dataset="Boxes").spec.num_classes == 0
    assert TorchVision(dataset="Boxes")[0][1] == 0


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"dataset": "Odl"}, "torchvision has no data set 'Odl'. Did you mean 'Old'. Known: Boxes, New, Old, Tensors"),
        ({"dataset": "Old", "root": "nowhere"}, "cannot be read: RuntimeError: Dataset not found or corrupted"),
        ({"dataset": "Old", "split": "extra"}, "it has no part 'extra'"),
        ({"dataset": "New", "download": True}, "it cannot be downloaded"),
    ],
)
def test_what_it_cannot_do_is_told(settings, what):
    with pytest.raises(DataError, match=what):
        TorchVision(**settings)


@pytest.mark.usefixtures("fake")
def test_download_and_samples_that_are_no_pictures():
    assert len(TorchVision(dataset="Old", root="nowhere", download=True)) == 4
    with pytest.raises(BadSampleError, match="a sample is a Tensor, expected a picture of Pillow's"):
        TorchVision(dataset="Tensors")[0]


def test_without_it_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("ganreg.extras.find_spec", lambda name: None)

    with pytest.raises(UsageError, match="dataset 'torchvision' needs torchvision, which is not installed") as caught:
        TorchVision(dataset="CIFAR10")
    assert caught.value.fix == "pip install 'ganreg[torchvision]'"


def test_one_that_was_built_for_another_torch_is_told(tmp_path, monkeypatch):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text('raise RuntimeError("operator torchvision::nms does not exist")')
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(UsageError, match=r"cannot be imported beside torch .*operator torchvision::nms does not exist"):
        TorchVision(dataset="CIFAR10")
