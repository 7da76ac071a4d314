import math

import pytest
import torch

from ganreg.components.datasets.gaussians import Gaussians
from ganreg.contracts import Dataset, DataSpec
from ganreg.errors import SettingsError
from ganreg.settings import model_of, validate

LAYOUTS = [("ring", 8, 0.02), ("grid", 25, 0.05)]


@pytest.mark.parametrize(("layout", "modes", "sigma"), LAYOUTS)
def test_ten_thousand_points_of_the_plane_equally_many_per_mode(layout, modes, sigma):
    data = Gaussians(layout=layout)
    points, labels = data.tensors

    assert isinstance(data, Dataset)
    assert data.spec == DataSpec(shape=(2,), num_classes=modes, value_range=None)
    assert len(data) == 10_000
    assert (points.shape, points.dtype, labels.dtype) == ((10_000, 2), torch.float32, torch.int64)
    assert labels.bincount().tolist() == [10_000 // modes] * modes


def test_the_ring_has_radius_2_and_starts_on_the_right():
    means = Gaussians().means
    diagonal = math.sqrt(2.0)

    torch.testing.assert_close(means[:3], torch.tensor([[2.0, 0.0], [diagonal, diagonal], [0.0, 2.0]]))
    torch.testing.assert_close(means.norm(dim=1), torch.full((8,), 2.0))


def test_the_grid_is_minus_4_to_4_in_steps_of_2():
    means = Gaussians(layout="grid").means

    assert sorted(map(tuple, means.tolist())) == [(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)]


@pytest.mark.parametrize(("layout", "modes", "sigma"), LAYOUTS)
def test_each_mode_is_a_normal_cloud_around_its_mean(layout, modes, sigma):
    data = Gaussians(layout=layout)
    points, labels = data.tensors
    offsets = (points - data.means[labels]) / sigma
    count = 10_000 // modes

    assert data.sigma == sigma
    for mode in range(modes):
        cloud = offsets[labels == mode]
        torch.testing.assert_close(cloud.mean(dim=0), torch.zeros(2), rtol=0, atol=5 / math.sqrt(count))
        torch.testing.assert_close(cloud.std(dim=0), torch.ones(2), rtol=0, atol=5 / math.sqrt(2 * count))


@pytest.mark.parametrize("layout", ["ring", "grid"])
def test_a_label_is_the_nearest_mode(layout):
    data = Gaussians(layout=layout)
    points, labels = data.tensors

    assert (torch.cdist(points, data.means).argmin(dim=1) == labels).all()


def test_points_are_shuffled():
    _, labels = Gaussians().tensors

    assert set(labels[:100].tolist()) == set(range(8))
    assert labels[:9].tolist() != [0, 1, 2, 3, 4, 5, 6, 7, 0]


def test_the_seed_alone_decides_the_points():
    torch.manual_seed(1)
    first = Gaussians(seed=3)
    torch.manual_seed(2)
    again, other = Gaussians(seed=3), Gaussians(seed=4)

    torch.testing.assert_close(first.tensors, again.tensors, rtol=0, atol=0)
    assert not torch.equal(first.tensors[0], other.tensors[0])


def test_drawing_them_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    Gaussians()

    assert torch.equal(torch.get_rng_state(), before)


def test_an_index_gives_a_point_and_its_mode():
    data = Gaussians()
    point, label = data[17]

    torch.testing.assert_close(point, data.tensors[0][17])
    assert label == data.tensors[1][17]
    assert isinstance(label, int)


def test_the_fingerprint_tells_layouts_and_seeds_apart():
    prints = {Gaussians().fingerprint(), Gaussians(seed=1).fingerprint(), Gaussians(layout="grid").fingerprint()}

    assert len(prints) == 3
    assert Gaussians().fingerprint() == Gaussians().fingerprint()


@pytest.mark.parametrize(
    ("settings", "fault"), [({"layout": "line"}, "layout must be 'ring' or 'grid'"), ({"seed": -1}, "seed must be")]
)
def test_another_layout_or_a_negative_seed_is_refused(settings, fault):
    with pytest.raises(SettingsError, match=fault):
        validate(model_of(Gaussians), settings, owner="data set 'gaussians'")
