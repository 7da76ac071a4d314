"""What is written is a copy, whose answer depends on its inputs alone."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ganreg.contracts import DataSpec
from ganreg.errors import ExportError
from ganreg.portable.frozen import freeze

from .generators import made

POINTS = DataSpec((2,), 3)


class Noisy(nn.Module):
    latent_dim = 2

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return z + torch.randn_like(z) + torch.rand_like(z[0])


def test_noise_is_drawn_once_and_the_same_for_every_sample():
    frozen = freeze(Noisy(), POINTS)
    z = torch.zeros(5, 2)

    assert [list(frozen.get_buffer(name).shape) for name in ("noise_0", "noise_1")] == [[1, 2], [2]]
    assert torch.equal(frozen(z), frozen(z))
    assert (frozen(z) == frozen(z)[0]).all()
    assert torch.equal(frozen(z), freeze(Noisy(), POINTS)(z))
    assert torch.equal(frozen(z)[0], (frozen.noise_0 + frozen.noise_1)[0])


def test_a_network_that_was_frozen_draws_its_noise_as_it_did():
    network = Noisy()
    freeze(network, POINTS)

    assert not torch.equal(network(torch.zeros(1, 2)), network(torch.zeros(1, 2)))


def test_weights_that_are_computed_when_read_are_computed_once():
    network, spec = made("resnet-biggan")
    frozen = freeze(network, spec)

    assert any(parametrize.is_parametrized(one) for one in network.modules())
    assert not any(parametrize.is_parametrized(one) for one in frozen.modules())
    inputs = frozen.inputs(3)
    torch.testing.assert_close(frozen(*inputs), network(*inputs))


@pytest.mark.parametrize(("case", "conditional"), [("mlp", False), ("mlp-concat", True), ("dcgan-conditional-bn", True)])
def test_labels_are_an_input_where_the_answer_depends_on_them(case: str, conditional: bool):
    network, spec = made(case)
    frozen = freeze(network, spec)

    assert frozen.conditional is conditional
    assert len(frozen.inputs(3)) == 1 + conditional


def test_a_copy_is_made_and_the_generator_stays_as_it_is():
    network, spec = made("dcgan")
    network.train()
    before = {name: one.clone() for name, one in network.state_dict().items()}
    torch.manual_seed(0)
    drawn = torch.rand(1)
    torch.manual_seed(0)
    frozen = freeze(network, spec)

    assert torch.equal(torch.rand(1), drawn)
    assert network.training
    assert not frozen.generator.training
    assert all(torch.equal(one, network.state_dict()[name]) for name, one in before.items())
    assert all(one.requires_grad for one in network.parameters())


def test_a_generator_that_makes_nothing_is_refused():
    class Broken(Noisy):
        def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
            raise RuntimeError("no kernel")

    with pytest.raises(ExportError, match=r"GR204.*it makes nothing of latents: RuntimeError: no kernel"):
        freeze(Broken(), DataSpec((2,)))
