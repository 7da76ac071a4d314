"""Latents of seeds, on a path, and what is made of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ganreg.engine.latents import closed_path, drawn, made_of, of_seeds, slerp, truncates
from ganreg.engine.sampling import Labels, sample
from tests.engine.small import CPU, Generator

NONE = Labels()
CLASSES = Labels(torch.tensor([0.5, 0.25, 0.25]))


def test_a_quarter_of_a_circle_has_its_middle_at_45_degrees():
    path = slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 3.0]), torch.tensor([0.0, 0.5, 1.0]))

    torch.testing.assert_close(path, torch.tensor([[1.0, 0.0], [math.sqrt(2.0), math.sqrt(2.0)], [0.0, 3.0]]))


def test_parallel_latents_are_joined_by_a_straight_line():
    a = torch.tensor([1.0, 2.0])

    torch.testing.assert_close(slerp(a, 3 * a, torch.tensor([0.5])), 2 * a[None])
    assert bool(slerp(a, -a, torch.tensor([0.25])).isfinite().all())


def test_a_closed_path_visits_every_point_and_returns_to_the_first():
    points = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    path = closed_path(points, 4)

    assert path.shape == (12, 16)
    torch.testing.assert_close(path[::4], points)
    steps = (path - path.roll(-1, 0)).norm(dim=1)
    assert float(steps.max()) < 4 * float(steps.min())  # the last leads back, and none jumps


def test_a_path_stays_as_long_as_its_ends():
    points = torch.nn.functional.normalize(torch.randn(2, 64, generator=torch.Generator().manual_seed(1)))

    torch.testing.assert_close(closed_path(points, 7).norm(dim=1), torch.ones(14))


@pytest.mark.parametrize("labels", [NONE, CLASSES], ids=["no classes", "classes"])
def test_what_is_drawn_is_what_sample_draws(labels: Labels):
    class Told(Generator):
        def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
            made: Tensor = self.layers(z)
            return made if labels is None else made + labels[:, None]

    network, num_classes = Told().eval(), 3 if labels is CLASSES else 0
    z, chosen = drawn(3, 70, labels=labels, seed=5, device=CPU)
    made = made_of(network, z, chosen, num_classes=num_classes)

    assert torch.equal(made, sample(network, 70, labels=labels, seed=5, device=CPU))


def test_of_several_seeds_each_gives_its_first():
    z, labels = of_seeds(3, [7, 2], labels=CLASSES, device=CPU)

    for row, seed in enumerate((7, 2)):
        first, label = drawn(3, 1, labels=CLASSES, seed=seed, device=CPU)
        assert torch.equal(z[row : row + 1], first)
        assert labels is not None
        assert label is not None
        assert torch.equal(labels[row : row + 1], label)
    assert of_seeds(3, [7], labels=NONE, device=CPU)[1] is None


class Styled(nn.Module):
    """Images are the style itself."""

    latent_dim = 2

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("w_avg", torch.tensor([10.0, 20.0]))

    def mapping(self, z: Tensor, labels: Tensor | None) -> Tensor:
        return z[:, None].expand(-1, 3, -1)

    def synthesis(self, w: Tensor) -> Tensor:
        return w[:, 0]

    def forward(self, z: Tensor) -> Tensor:
        return self.synthesis(self.mapping(z, None))


def test_truncation_draws_styles_towards_their_mean():
    z = torch.tensor([[0.0, 0.0], [20.0, 20.0]])

    assert made_of(Styled(), z, None, num_classes=0, truncation=0.0).tolist() == [[10.0, 20.0], [10.0, 20.0]]
    assert made_of(Styled(), z, None, num_classes=0, truncation=0.5).tolist() == [[5.0, 10.0], [15.0, 20.0]]
    assert torch.equal(made_of(Styled(), z, None, num_classes=0, truncation=1.0), z)
    assert truncates(Styled())
    assert not truncates(Generator())


def test_the_network_stays_in_its_mode():
    network = Generator(norm=True).train()
    made_of(network, torch.randn(2, 3), None, num_classes=0)

    assert network.training
