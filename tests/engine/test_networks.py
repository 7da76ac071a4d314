from __future__ import annotations

import pytest
import torch
from torch import nn

from ganreg.contracts import GAN, DataSpec
from ganreg.engine.networks import Player, check_fit
from ganreg.errors import ContractError, MismatchError
from tests.engine.small import Discriminator, Generator, bits, game

POINTS = DataSpec((2,))


def test_a_pair_that_fits_is_left_as_it_was():
    gan = game(norm=True)
    before, drawn = (bits(gan.generator), bits(gan.discriminator)), torch.get_rng_state()

    check_fit(gan, POINTS)

    assert (bits(gan.generator), bits(gan.discriminator)) == before
    assert torch.equal(torch.get_rng_state(), drawn)


def test_a_generator_that_does_not_fit_the_data_is_refused_with_both_shapes():
    with pytest.raises(MismatchError, match=r"makes samples \[2\], the data has samples \[3\]") as told:
        check_fit(game(), DataSpec((3,)))

    assert (told.value.code, told.value.exit_code) == ("GR106", 2)


def test_a_discriminator_that_cannot_take_the_samples_is_refused():
    with pytest.raises(MismatchError, match=r"the discriminator cannot take samples \[2\]: mat1 and mat2"):
        check_fit(GAN(Generator(), nn.Linear(5, 1)), POINTS)


def test_logits_without_a_batch_are_refused():
    class Mean(Discriminator):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x).mean()

    with pytest.raises(MismatchError, match=r"must give logits \[N, …\] for N samples, for 2 it gave \[\]"):
        check_fit(GAN(Generator(), Mean()), POINTS)


def test_a_generator_without_latent_dim_is_told_how_to_get_one():
    with pytest.raises(ContractError, match=r"has no latent_dim") as told:
        check_fit(GAN(nn.Linear(3, 2), Discriminator()), POINTS)

    assert "set generator.latent_dim" in told.value.fix


def test_labels_are_passed_only_where_forward_takes_them_and_the_data_has_classes():
    heard = []

    class Conditional(Discriminator):
        def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
            heard.append(labels)
            return super().forward(x)

    samples, labels = torch.zeros(2, 2), torch.tensor([0, 1])
    Player(Conditional(), role="discriminator", num_classes=2)(samples, labels)
    Player(Conditional(), role="discriminator", num_classes=0)(samples, None)
    Player(Discriminator(), role="discriminator", num_classes=2)(samples, labels)

    assert heard[0] is labels
    assert heard[1] is None
